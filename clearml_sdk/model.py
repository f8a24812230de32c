"""`Model`, `InputModel`, `OutputModel`: weights that a task reads or makes, and their description."""

from __future__ import annotations

import os
import time

from clearml_sdk import hocon_text, process_role, reporters
from clearml_sdk.errors import ClearmlError, NotFound, UsageError
from clearml_sdk.models import weights
from clearml_sdk.models.base import BaseModel
from clearml_sdk.models.frameworks import Framework, guess_framework
from clearml_sdk.models.record import ARCHIVED, PACKAGE, ModelRecord, find_models, placeholder
from clearml_sdk.models.task_models import TaskModels
from clearml_sdk.models.task_models import task_models as _task_models
from clearml_sdk.notices import warn_once
from clearml_sdk.projects import find_project, project_id
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session
from clearml_sdk.storage import transfer
from clearml_sdk.storage.errors import StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["BaseModel", "Framework", "InputModel", "Model", "OutputModel"]


class Model(BaseModel):
    """A model on the server, by its id."""

    def __init__(self, model_id: str) -> None:
        super().__init__()
        self._model = ModelRecord(Session.default(), model_id)

    @classmethod
    def _of(cls, record: ModelRecord) -> Model:
        model = Model.__new__(Model)
        model._model = record
        return model

    def get_local_copy(
        self, extract_archive: bool | None = None, raise_on_error: bool = False, force_download: bool = False
    ) -> str | None:
        """Path of a local copy of the weights; of the folder with the files of a package, unless told otherwise."""
        extract = self._record().is_package if extract_archive is None else extract_archive
        return self.get_weights(raise_on_error, force_download, extract)

    @classmethod
    def query_models(
        cls,
        project_name: str | None = None,
        model_name: str | None = None,
        tags: Sequence[str] | None = None,
        only_published: bool = False,
        include_archived: bool = False,
        max_results: int | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> list[Model]:
        """Find models, the last updated first.

        Args:
            model_name: a part of the name, or a regular expression.
            tags: any of them; `"-tag"` excludes, `"__$all"` before them asks for all.
            metadata: `{key: text}` that they must have.
        """
        session = Session.default()
        body: dict[str, Any] = {"order_by": ["-last_update"]}
        if project_name:
            project = find_project(session, project_name)
            if project is None:
                return []
            body["project"] = [project["id"]]
        if model_name:
            body["name"] = model_name
        if tags:
            body["tags"] = list(tags)
        if only_published:
            body["ready"] = True
        if not include_archived:
            body["system_tags"] = [f"-{ARCHIVED}"]
        for key, value in (metadata or {}).items():
            body[f"metadata.{key}.value"] = [str(value)]
        found = find_models(session, body, max_results)
        return [Model._of(ModelRecord(session, str(item["id"]), item)) for item in found]

    @classmethod
    def remove(
        cls,
        model: str | BaseModel,
        delete_weights_file: bool = True,
        force: bool = False,
        raise_on_errors: bool = False,
    ) -> bool:
        """Remove a model (or its id) and the file of its weights; with `force` also when it is in use or published."""
        session = Session.default()
        record = ModelRecord(session, model) if isinstance(model, str) else model._record()
        try:
            url = str(record.document.get("uri") or "")
            record.call("models.delete", {"force": force})
            if delete_weights_file and url and not url.endswith("/uploading_file"):
                transfer.delete(session, url)
        except (ClearmlError, StorageError) as error:
            if raise_on_errors:
                raise ValueError(f"model {record.id} was not removed: {error}") from error
            warn_once(f"remove {record.id}", f"model {record.id} was not (wholly) removed: {error}")
            return False
        return True


class InputModel(Model):
    """A model that a task starts from: by id, or by name, project and tags (the last updated that fits)."""

    def __init__(
        self,
        model_id: str | None = None,
        name: str | None = None,
        project: str | None = None,
        tags: Sequence[str] | None = None,
        only_published: bool = False,
    ) -> None:
        if not model_id:
            found = self.query_models(
                project_name=project,
                model_name=f"^{_escaped(name)}$" if name else None,
                tags=tags,
                only_published=only_published,
                max_results=1,
            )
            if not found:
                raise ValueError(f"no model is named {name!r} in project {project!r} with tags {list(tags or [])}")
            model_id = found[0].id
        super().__init__(model_id)

    @classmethod
    def _existing(cls, record: ModelRecord) -> InputModel:
        model = cls.__new__(cls)
        model._model = record
        return model

    @classmethod
    def import_model(
        cls,
        weights_url: str,
        config_text: str | None = None,
        config_dict: dict[str, Any] | None = None,
        label_enumeration: Mapping[str, int] | None = None,
        name: str | None = None,
        project: str | None = None,
        tags: Sequence[str] | None = None,
        comment: str | None = None,
        is_package: bool = False,
        create_as_published: bool = False,
        framework: str | None = None,
    ) -> InputModel:
        """The model whose weights are at `weights_url`; registered now if there is none yet."""
        session = Session.default()
        existing = _by_url(session, weights_url, include_archived=False)
        if existing is not None:
            return cls._existing(existing)
        fields: dict[str, Any] = {
            "uri": weights_url,
            "name": name or os.path.basename(weights_url.rstrip("/")) or f"Imported model {time.strftime('%Y-%m-%d')}",
            "labels": dict(label_enumeration or {}),
            "design": {"design": _design(config_text, config_dict)},
            "comment": comment or f"Imported by {process_role.remote_task_id() or 'a script'} from {weights_url}",
            "tags": list(tags or []),
            "framework": framework or guess_framework(weights_url),
            "ready": create_as_published,
        }
        if is_package:
            fields["system_tags"] = [PACKAGE]
        if project:
            fields["project"] = project_id(session, project)
        return cls._existing(ModelRecord.create(session, **{k: v for k, v in fields.items() if v is not None}))

    @classmethod
    def load_model(cls, weights_url: str, load_archived: bool = False) -> InputModel | None:
        """The registered model whose weights are at `weights_url`; None when there is none."""
        found = _by_url(Session.default(), weights_url, include_archived=load_archived)
        return cls._existing(found) if found is not None else None

    @classmethod
    def empty(
        cls,
        config_text: str | None = None,
        config_dict: dict[str, Any] | None = None,
        label_enumeration: Mapping[str, int] | None = None,
    ) -> InputModel:
        """A model without weights: a description to connect to a task."""
        record = ModelRecord.create(
            Session.default(),
            uri="",
            name=f"Empty model {time.strftime('%Y-%m-%d %H:%M:%S')}",
            labels=dict(label_enumeration or {}),
            design={"design": _design(config_text, config_dict)},
        )
        return cls._existing(record)

    def connect(self, task: Any, name: str | None = None, ignore_remote_overrides: bool = False) -> None:
        """Make this an input model of `task`.

        In a run by an agent, the model that the task lists under this name replaces it, unless told to ignore that.
        """
        record: TaskRecord = task._record
        entry = name or self.name or "Input Model"
        if process_role.running_remotely() and not ignore_remote_overrides:
            listed = (record.read_fields("models").get("models") or {}).get("input") or []
            chosen = next((item["model"] for item in listed if item.get("name") == entry), None)
            if chosen:
                self._model = ModelRecord(record.session, str(chosen))
                return
        weights.register(record, self.id, entry, kind="input")
        self._task = task


class OutputModel(BaseModel):
    """A model that a task makes: registered with its description, its weights stored when they are given."""

    _default_destination: str | None = None

    def __init__(
        self,
        task: Any = None,
        config_text: str | None = None,
        config_dict: dict[str, Any] | None = None,
        label_enumeration: Mapping[str, int] | None = None,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        comment: str | None = None,
        framework: str | None = None,
        base_model_id: str | None = None,
    ) -> None:
        if task is None:
            from clearml_sdk.task import Task

            task = Task.current_task()
        if task is None:
            raise UsageError("an OutputModel needs a task: call Task.init() first, or pass task=")
        super().__init__(task)
        self._destination: str | None = None
        self._fields: dict[str, Any] = {
            "name": name,
            "tags": list(tags) if tags else None,
            "comment": comment,
            "framework": str(framework) if framework else None,
            "labels": dict(label_enumeration) if label_enumeration else None,
            "parent": base_model_id,
            "design": {"design": _design(config_text, config_dict)},
        }

    def _record(self) -> ModelRecord:
        """The model on the server, registered at the first use."""
        if self._model is None:
            task: TaskRecord = self._task._record
            created_by = f"Created by task id: {task.id}"
            comment = self._fields["comment"]
            fields = {
                **{key: value for key, value in self._fields.items() if value is not None},
                "uri": placeholder(task.session),
                "name": self._fields["name"] or str(task.get("name", "")),
                "comment": f"{comment}\n{created_by}" if comment else created_by,
                "project": task.get("project"),
                "task": task.id,
            }
            labels = fields.get("labels") or task.get("execution.model_labels") or {}
            fields["labels"] = dict(labels)
            self._model = ModelRecord.create(task.session, **fields)
        return self._model

    @property
    def config_text(self) -> str:
        """The description of the network, as text."""
        return BaseModel.config_text.fget(self)  # type: ignore[attr-defined,no-any-return]  # a property has it

    @config_text.setter
    def config_text(self, value: str) -> None:
        self.update_design(config_text=value)

    @property
    def config_dict(self) -> dict[str, Any]:
        """The description of the network, parsed."""
        return BaseModel.config_dict.fget(self)  # type: ignore[attr-defined,no-any-return]

    @config_dict.setter
    def config_dict(self, value: dict[str, Any]) -> None:
        self.update_design(config_dict=value)

    @property
    def labels(self) -> dict[str, int]:
        """Label names and their numbers."""
        return dict(self._get("labels", {}))

    @labels.setter
    def labels(self, value: Mapping[str, int]) -> None:
        self.update_labels(value)

    @property
    def upload_storage_uri(self) -> str | None:
        """Where the weights are stored; None: nowhere, local files are registered as they are."""
        chosen = self._destination or self._task._record.get("output.destination") or self._default_destination
        return str(chosen) if chosen else None

    @classmethod
    def set_default_upload_uri(cls, output_uri: str | None) -> None:
        """Where models store their weights when neither they nor their task say."""
        cls._default_destination = output_uri

    def set_upload_destination(self, uri: str) -> None:
        """Store the weights of this model under `uri`."""
        self._destination = str(uri).rstrip("/") if uri else None

    def connect(self, task: Any, name: str | None = None, **kwargs: Any) -> None:
        """Make this an output model of `task`."""
        self._task = task
        record = self._record()
        weights.register(task._record, record.id, name or self.name, kind="output")

    def update_design(self, config_text: str | None = None, config_dict: dict[str, Any] | None = None) -> bool:
        """Set the description of the network, as text or as a dictionary."""
        self._record().edit(design={"design": _design(config_text, config_dict)})
        return True

    def update_labels(self, labels: Mapping[str, int]) -> Any:
        """Set the label names and their numbers."""
        if not all(isinstance(number, int) for number in labels.values()):
            raise ValueError("labels are numbers by name, such as {'background': 0, 'cat': 1}")
        self._record().edit(labels=dict(labels))
        return True

    def update_weights(
        self,
        weights_filename: str | None = None,
        upload_uri: str | None = None,
        target_filename: str | None = None,
        auto_delete_file: bool = True,
        register_uri: str | None = None,
        iteration: int | None = None,
        update_comment: bool = True,
        is_package: bool = False,
        async_enable: bool = True,
    ) -> str:
        """Store new weights for this model, and return their URL.

        Args:
            weights_filename: the file.
            upload_uri: where to store it; None: this model's destination, else the task's. Without any the local path
                is registered.
            target_filename: its name there.
            auto_delete_file: remove the local file once it is stored.
            register_uri: instead of a file: weights that are stored already.
            iteration: of the weights; None: the last that the task has reported.
            async_enable: store it in the background.
        """
        if (weights_filename is None) == (register_uri is None):
            raise UsageError("update_weights needs one of weights_filename and register_uri")
        model, task = self._record(), self._task._record
        if iteration is None:
            iteration = reporters.reporter_of(task.session, task.id).last_iteration
        if is_package and not model.is_package:
            self.system_tags = [*self.system_tags, PACKAGE]
        if register_uri is not None:
            fields: dict[str, Any] = {"uri": register_uri, "task": task.id, "iteration": int(iteration)}
            if update_comment:
                fields["comment"] = weights.snapshot_comment(self.comment, register_uri)
            if not self.framework and (guess := guess_framework(register_uri)):
                fields["framework"] = guess
            entry = os.path.splitext(os.path.basename(register_uri))[0] or self.name
            weights.register(task, model.id, entry, kind="output")
            model.edit(**fields)
            return register_uri
        stored = weights.Weights(str(weights_filename), target_filename, delete=auto_delete_file)
        return self._store(stored, upload_uri, iteration, update_comment, async_enable)

    def update_weights_package(
        self,
        weights_filenames: Sequence[str] | None = None,
        weights_path: str | None = None,
        upload_uri: str | None = None,
        target_filename: str | None = None,
        auto_delete_file: bool = True,
        iteration: int | None = None,
        async_enable: bool = True,
    ) -> str:
        """Store several files, or a folder, as one archive of weights; the files themselves are kept."""
        stored = weights.package(weights_filenames, weights_path)
        if target_filename:
            name = target_filename if target_filename.endswith(".zip") else f"{target_filename}.zip"
            stored.target = name
        if not self._record().is_package:
            self.system_tags = [*self.system_tags, PACKAGE]
        task: TaskRecord = self._task._record
        if iteration is None:
            iteration = reporters.reporter_of(task.session, task.id).last_iteration
        destination = upload_uri or self.upload_storage_uri or task.session.settings.files_server
        return self._store(stored, destination, iteration, True, async_enable)

    def _store(
        self, stored: weights.Weights, upload_uri: str | None, iteration: int, update_comment: bool, in_background: bool
    ) -> str:
        return weights.store(
            self._record(),
            self._task._record,
            stored,
            destination=upload_uri or self.upload_storage_uri,
            iteration=iteration,
            update_comment=update_comment,
            fields={},
            wait=not in_background,
        )

    @property
    def published(self) -> bool:
        """Whether the model is published."""
        return self._model is not None and bool(self._get("ready", False))

    @classmethod
    def wait_for_uploads(cls, timeout: float | None = None, max_num_uploads: int | None = None) -> None:
        """Wait for all weights that are being stored."""
        weights.uploads.flush(timeout)


def task_models(record: TaskRecord) -> TaskModels:
    """The input and output models of a task."""
    return _task_models(record, lambda model_id: Model._of(ModelRecord(record.session, model_id)))


def wait_for_uploads(timeout_s: float | None = None) -> bool:
    """Wait for all weights that this process stores; False when that takes longer."""
    return weights.uploads.flush(timeout_s)


def _by_url(session: Session, url: str, *, include_archived: bool) -> ModelRecord | None:
    body: dict[str, Any] = {"uri": [url], "order_by": ["-last_update"]}
    if not include_archived:
        body["system_tags"] = [f"-{ARCHIVED}"]
    try:
        found = find_models(session, body, 1)
    except NotFound:
        return None
    return ModelRecord(session, str(found[0]["id"]), found[0]) if found else None


def _design(text: str | None, values: dict[str, Any] | None) -> str:
    """The description as text: as it is given, or a dictionary as HOCON."""
    if text is not None and values is not None:
        raise UsageError("a model is described by config_text or by config_dict, not by both")
    if text is not None and not isinstance(text, str):
        raise ValueError(f"config_text is a text, not a {type(text).__name__}")
    return hocon_text.write(values) if values is not None else text or ""


def _escaped(name: str) -> str:
    import re

    return re.escape(name)
