"""`OutputModel`: a model that a task makes."""

from __future__ import annotations

import os

from clearml_sdk import reporters
from clearml_sdk.errors import UsageError
from clearml_sdk.models import weights
from clearml_sdk.models.base import BaseModel
from clearml_sdk.models.design import design_text
from clearml_sdk.models.frameworks import guess_framework
from clearml_sdk.models.record import PACKAGE, ModelRecord, placeholder
from clearml_sdk.record import TaskRecord
from clearml_sdk.storage import urls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


class OutputModel(BaseModel):
    """A model that a task makes: registered with its description, its weights stored when they are given."""

    _default_destination: str | None = None
    _entry: str | None = None
    """Its name in the task's list of models; None: the name of the file of its weights."""

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
        self._base = base_model_id
        self._destination: str | None = None
        self._fields: dict[str, Any] = {
            "name": name,
            "tags": list(tags) if tags else None,
            "comment": comment,
            "framework": str(framework) if framework else None,
            "labels": dict(label_enumeration) if label_enumeration else None,
            "design": {"design": design_text(config_text, config_dict)},
        }

    @classmethod
    def _existing(cls, task: Any, model_id: str) -> OutputModel:
        model = cls(task)
        model._model = ModelRecord(task._record.session, model_id)
        return model

    def _record(self) -> ModelRecord:
        """The model on the server, registered at the first use."""
        if self._model is None and self._base is not None:
            self._model = self._take_over(self._base)
        if self._model is None:
            task: TaskRecord = self._task._record
            created_by = f"Created by task id: {task.id}"
            comment = self._fields["comment"]
            fields = {
                **{key: value for key, value in self._fields.items() if value is not None},
                "uri": placeholder(task.session),
                "name": self._fields["name"] or str(task.get("name", "")),
                "comment": f"{created_by}\n{comment}" if comment else created_by,
                "project": task.get("project"),
                "task": task.id,
            }
            labels = fields.get("labels") or task.get("execution.model_labels") or {}
            fields["labels"] = dict(labels)
            self._model = ModelRecord.create(task.session, **fields)
        return self._model

    def _take_over(self, base: str) -> ModelRecord:
        """The model that this is to be from now on: what was given here replaces what it had."""
        task: TaskRecord = self._task._record
        model = ModelRecord(task.session, base)
        document = model.document
        lines = [str(document.get("comment") or ""), str(self._fields["comment"] or "")]
        comment = "\n".join([line for line in lines if line] + [f"Overwritten by task id: {task.id}"])
        given = {key: value for key, value in self._fields.items() if value}
        if not self._fields["design"]["design"]:
            given.pop("design", None)
        model.edit(**{**given, "comment": comment, "task": task.id, "project": task.get("project")})
        stem = os.path.splitext(urls.file_name(str(document.get("uri") or "")))[0]
        self._entry = self._entry or stem or str(document["name"])
        weights.register(task, model.id, self._entry, kind="output")
        return model

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
        self._record().edit(design={"design": design_text(config_text, config_dict)})
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
        self._task._settle()  # what was recorded by itself when the file was written comes before this, not over it
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
            entry = self._entry or os.path.splitext(os.path.basename(register_uri))[0] or self.name
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
        stored = weights.package(self._task._record, weights_filenames, weights_path)
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
            entry=self._entry,
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
