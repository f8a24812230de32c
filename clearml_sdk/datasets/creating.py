"""New versions: a task in the hidden project of its dataset, standing on its parents."""

from __future__ import annotations

import re

from clearml_sdk.datasets import recipe, summary, versions
from clearml_sdk.datasets.lookup import find_versions
from clearml_sdk.datasets.state import DatasetState
from clearml_sdk.datasets.stored import FINAL_STATUSES, FOLDER, SYSTEM_TAG, StoredDataset, shown_project
from clearml_sdk.destinations import default_destination, destination
from clearml_sdk.errors import UsageError
from clearml_sdk.notices import announce, warn_once
from clearml_sdk.parameters import PROPERTIES, write
from clearml_sdk.projects import MIN_NAME, add_system_tags, project_id
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session
from clearml_sdk.starting import auto_comment
from clearml_sdk.web_pages import dataset_page, task_page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

HIDDEN = "hidden"


class DatasetWish:
    """What `Dataset.create` was asked for."""

    def __init__(
        self,
        *,
        name: str | None,
        project: str | None,
        tags: Sequence[str] | None = None,
        version: str | None = None,
        output_uri: str | bool | None = None,
        description: str | None = None,
    ) -> None:
        self.name, self.project, self.tags, self.version = name, project, list(tags or []), version
        self.output_uri, self.description = output_uri, description


def create(session: Session, wish: DatasetWish, parents: Sequence[StoredDataset] = ()) -> StoredDataset:
    """A new version that holds what `parents` hold, later ones over earlier ones. Raises UsageError."""
    check_parents(parents)
    if parents:
        wish.project = wish.project or parents[-1].project
        wish.name = wish.name or parents[-1].name
    if not wish.name or not wish.project:
        missing = "dataset_name" if not wish.name else "dataset_project"
        raise UsageError(f"a dataset needs {missing} (or parent_datasets, to take it from)")
    if len(wish.name) < MIN_NAME:
        raise UsageError(f"the name of a dataset has at least {MIN_NAME} characters, {wish.name!r} has not")
    project = hidden_project(session, wish.project, wish.name)
    wish.version = wish.version or next_version(session, wish.project, wish.name)
    if not versions.is_semantic(wish.version):
        warn_once(f"version {wish.version}", f"{wish.version!r} is no version number: there is no order to it")
    body: dict[str, Any] = {
        "name": wish.name,
        "type": "data_processing",
        "project": project,
        "tags": wish.tags,
        "system_tags": ["development", SYSTEM_TAG],
        "comment": wish.description or auto_comment(),
        "output_dest": _destination(session, wish.output_uri),
        "script": recipe.script_of_new(wish.project, wish.name, wish.version, [parent.id for parent in parents]),
    }
    record = TaskRecord(session, str(session.call("tasks.create", body)["id"]))
    record.call("tasks.started")
    return _begin(record, wish.version, parents)


def adopt(session: Session, task_id: str, wish: DatasetWish, parents: Sequence[StoredDataset] = ()) -> StoredDataset:
    """Make the task of a run a version: it keeps its name, and moves into the hidden project of that name."""
    check_parents(parents)
    record = TaskRecord(session, task_id)
    path = str(session.call("projects.get_by_id", {"project": record.get("project")})["project"]["name"])
    name, shown = str(record.get("name") or ""), shown_project(path)
    project = hidden_project(session, shown, name)
    tags = record.get("system_tags") or []
    fields: dict[str, Any] = {
        "type": "data_processing",
        "project": project,
        "system_tags": list(dict.fromkeys([*tags, SYSTEM_TAG])),
    }
    if wish.tags:
        fields["tags"] = list(dict.fromkeys([*(record.get("tags") or []), *wish.tags]))
    if wish.description:
        fields["comment"] = wish.description
    if not record.get("output.destination"):
        fields["output_dest"] = _destination(session, wish.output_uri)
    version = wish.version or next_version(session, shown, name)
    record.edit(**fields)
    record.forget()
    return _begin(record, version, parents)


def _begin(record: TaskRecord, version: str, parents: Sequence[StoredDataset]) -> StoredDataset:
    record.forget()
    state = DatasetState(record.id)
    for parent in parents:
        state.inherit(parent.state)
    stored = StoredDataset(record, state)
    for parent in parents:
        stored.remember(parent)
    write_version(record, version)
    stored.save()
    summary.write_struct(stored)
    announce(f"ClearML results page: {task_page(record.session, record.id, record.get('project'))}")
    announce(f"ClearML dataset page: {dataset_page(record.session, record.id, record.get('project'))}")
    return stored


def check_parents(parents: Sequence[StoredDataset]) -> None:
    """Raises UsageError for a parent that is not finished."""
    for parent in parents:
        status = parent.status()
        if status not in FINAL_STATUSES:
            raise UsageError(
                f"dataset {parent.id} is {status}: only a finished version can be a parent, call finalize() on it first"
            )


def write_version(record: TaskRecord, version: str) -> None:
    """Give a version its number, where clients look for it and where people see it."""
    record.change("runtime", {"version": version})
    write(record, [{"section": PROPERTIES, "name": "version", "value": version}])


def hidden_project(session: Session, project: str, name: str) -> str:
    """The id of the project in which the versions of a dataset are kept, made and marked where it is not yet."""
    project = project.strip("/")
    if re.search(rf"(^|/){re.escape(FOLDER)}(/|$)", project):
        raise UsageError(f"dataset_project is the project as people name it, not {project!r}")
    path = f"{project}/{FOLDER}/{name}"
    made = project_id(session, path)
    add_system_tags(session, f"{project}/{FOLDER}", [HIDDEN])
    add_system_tags(session, path, [SYSTEM_TAG, HIDDEN])
    return made


def next_version(session: Session, project: str, name: str) -> str:
    """The number after the highest that the dataset has."""
    found = find_versions(session, project=project, name=name)
    return versions.following((item.get("runtime") or {}).get("version") for item in found)


def _destination(session: Session, chosen: str | bool | None) -> str:
    return destination(session, chosen or default_destination(session, session.config) or True)
