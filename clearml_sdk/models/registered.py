"""`Model` and `InputModel`: models that are on the server already, or are registered by where their weights are."""

from __future__ import annotations

import os
import re
import time

from clearml_sdk import process_role
from clearml_sdk import run as runs
from clearml_sdk.errors import ClearmlError, NotFound
from clearml_sdk.models.base import BaseModel
from clearml_sdk.models.design import design_text
from clearml_sdk.models.frameworks import guess_framework
from clearml_sdk.models.record import ARCHIVED, PACKAGE, PLACEHOLDER, ModelRecord, find_models
from clearml_sdk.notices import warn_once
from clearml_sdk.projects import find_project, project_id
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session
from clearml_sdk.storage import transfer, urls
from clearml_sdk.storage.errors import StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Self


class Model(BaseModel):
    """A model on the server, by its id."""

    def __init__(self, model_id: str) -> None:
        super().__init__()
        self._model = ModelRecord(Session.default(), model_id)

    @classmethod
    def _of(cls, record: ModelRecord) -> Self:
        model = cls.__new__(cls)
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
            if delete_weights_file and url and not url.endswith(f"/{PLACEHOLDER}"):
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
                model_name=f"^{re.escape(name)}$" if name else None,
                tags=tags,
                only_published=only_published,
                max_results=1,
            )
            if not found:
                raise ValueError(f"no model is named {name!r} in project {project!r} with tags {list(tags or [])}")
            model_id = found[0].id
        super().__init__(model_id)

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
            return cls._of(existing)
        fields: dict[str, Any] = {
            "uri": weights_url,
            "name": name or os.path.basename(weights_url.rstrip("/")) or f"Imported model {time.strftime('%Y-%m-%d')}",
            "labels": dict(label_enumeration or {}),
            "design": {"design": design_text(config_text, config_dict)},
            "comment": _imported(comment),
            "tags": list(tags or []),
            "framework": framework or guess_framework(weights_url),
            "ready": create_as_published,
        }
        if is_package:
            fields["system_tags"] = [PACKAGE]
        if project:
            fields["project"] = project_id(session, project)
        return cls._of(ModelRecord.create(session, **{k: v for k, v in fields.items() if v is not None}))

    @classmethod
    def load_model(cls, weights_url: str, load_archived: bool = False) -> InputModel | None:
        """The registered model whose weights are at `weights_url`; None when there is none."""
        found = _by_url(Session.default(), weights_url, include_archived=load_archived)
        return cls._of(found) if found is not None else None

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
            design={"design": design_text(config_text, config_dict)},
        )
        return cls._of(record)

    def connect(self, task: Any, name: str | None = None, ignore_remote_overrides: bool = False) -> None:
        """Make this an input model of `task`, which takes over its description and labels.

        Args:
            name: of the task's entry; None: the name of the weights' file.

        In a run by an agent, the model that the task lists under this name replaces it, unless told to ignore that.
        """
        record: TaskRecord = task._record
        stem = os.path.splitext(urls.file_name(self.url or ""))[0]
        entry = name or stem or "Input Model"
        if process_role.running_remotely() and not ignore_remote_overrides:
            listed = (record.read_fields("models").get("models") or {}).get("input") or []
            chosen = next((item["model"] for item in listed if item.get("name") == entry), None)
            if chosen:
                self._model = ModelRecord(record.session, str(chosen))
                return
        task.set_input_model(model_id=self.id, name=entry)
        used = f"Using model id: {self.id}"
        if used not in (task.comment or "").splitlines():
            task.set_comment(f"{task.comment}\n{used}" if task.comment else used)
        self._task = task


def _by_url(session: Session, url: str, *, include_archived: bool) -> ModelRecord | None:
    body: dict[str, Any] = {"uri": [url], "order_by": ["-last_update"]}
    if not include_archived:
        body["system_tags"] = [f"-{ARCHIVED}"]
    try:
        found = find_models(session, body, 1)
    except NotFound:
        return None
    return ModelRecord(session, str(found[0]["id"]), found[0]) if found else None


def _imported(comment: str | None) -> str:
    """What is said of a model that this process registers."""
    run = runs.current()
    by = f"Imported by task id: {run.record.id}" if run is not None else "Imported by a script"
    return f"{by}\n{comment}" if comment else by
