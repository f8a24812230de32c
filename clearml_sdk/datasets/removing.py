"""Deleting versions of datasets with what they have stored."""

from __future__ import annotations

from clearml_sdk.datasets.lookup import dependents, find_versions, newest, version_of
from clearml_sdk.datasets.stored import SYSTEM_TAG, StoredDataset
from clearml_sdk.deleting import delete_task
from clearml_sdk.errors import ApiError, ClearmlError, UsageError
from clearml_sdk.notices import say
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session
from clearml_sdk.storage import transfer
from clearml_sdk.storage.errors import StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def chosen(
    session: Session,
    *,
    dataset_id: str | None,
    project: str | None,
    name: str | None,
    version: str | None,
    entire: bool,
    force: bool,
    shallow: bool = False,
) -> list[dict[str, Any]]:
    """What is to be deleted: one version, or with `entire` all that match. Raises UsageError."""
    if dataset_id:
        found = find_versions(session, ids=[dataset_id])
    elif project or name:
        found = find_versions(session, project=project, name=name, version=version, shallow=shallow)
    else:
        raise UsageError("which dataset is to be deleted? Give dataset_id, or dataset_project and dataset_name")
    if not found:
        raise UsageError(f"there is no dataset {dataset_id or f'{name!r} in project {project!r}'}")
    if entire:
        if not force and len(found) > 1:
            raise UsageError(f"{len(found)} versions would be deleted: give force=True if that is meant")
        return found
    one = newest(found)
    assert one is not None
    return [one]


def delete_versions(
    session: Session,
    found: list[dict[str, Any]],
    *,
    force: bool,
    with_files: bool = True,
    with_external: bool = False,
) -> None:
    """Delete versions, the last made first. Raises UsageError for one that is published or that others stand on."""
    ids = {str(task["id"]) for task in found}
    if not force:
        for task in found:
            identity = f"{task['name']} {version_of(task) or ''} ({task['id']})"
            if task.get("status") == "published":
                raise UsageError(f"dataset {identity} is published: give force=True to delete it all the same")
            others = [one for one in dependents(session, str(task["id"])) if one not in ids]
            if others:
                raise UsageError(
                    f"datasets {', '.join(others)} hold files of {identity}: delete them first, or squash them, "
                    "or give force=True to break them"
                )
    for task in sorted(found, key=lambda one: str(one.get("created")), reverse=True):
        record = TaskRecord(session, str(task["id"]))
        links = _links(session, record.id) if with_external else []
        for problem in delete_task(record, with_files=with_files, keep_shared_models=True, callback=None):
            say(f"Dataset: deleting {record.id}: {problem}")
        for url in links:
            try:
                transfer.delete(session, url)
            except StorageError as error:
                say(f"Dataset: deleting {record.id}: {error}")
        drop_empty_project(session, str((task.get("project") or {}).get("id") or ""))


def _links(session: Session, dataset_id: str) -> list[str]:
    """Where the linked files that this version brought are."""
    try:
        state = StoredDataset.open(session, dataset_id).state
    except (ClearmlError, ValueError):
        return []  # a version without a readable state goes without them
    return [link.link for link in state.links.values() if link.parent_dataset_id == dataset_id]


def drop_empty_project(session: Session, project: str) -> None:
    """Remove the hidden project of a dataset that has no versions left."""
    if not project:
        return
    body = {"project": [project], "only_fields": ["id"], "search_hidden": True, "page": 0, "page_size": 1}
    try:
        if session.call("tasks.get_all", body).get("tasks"):
            return
        kept = session.call("projects.get_by_id", {"project": project})["project"]
        if SYSTEM_TAG in (kept.get("system_tags") or []):
            session.call("projects.delete", {"project": project})
    except ApiError:
        return  # somebody else uses it, or has removed it
