"""Finding versions of datasets: by project, name, version and tags."""

from __future__ import annotations

import re

from clearml_sdk.datasets import versions
from clearml_sdk.datasets.stored import FOLDER, SYSTEM_TAG, shown_project
from clearml_sdk.errors import UsageError
from clearml_sdk.paging import PAGE, all_pages, all_tasks
from clearml_sdk.projects import find_project
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

FIELDS = ["id", "name", "project.name", "status", "tags", "system_tags", "created", "last_update", "runtime"]
COMPLETED = ["completed", "published"]


def find_versions(
    session: Session,
    *,
    project: str | None = None,
    name: str | None = None,
    partial_name: str | None = None,
    version: str | None = None,
    tags: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    only_completed: bool = False,
    only_published: bool = False,
    include_archived: bool = True,
    recursive: bool = True,
    shallow: bool = False,
) -> list[dict[str, Any]]:
    """Versions that match, oldest first, as `FIELDS` of their tasks.

    Args:
        name: the whole name; partial_name: a part of it.
        project: with its sub-projects where `recursive`.
        tags: any of them; or with operators, as `Task.query_tasks` takes them.
        shallow: look at the 500 that changed last only.
    """
    body: dict[str, Any] = {
        "type": ["data_processing"],
        "system_tags": ["__$all", SYSTEM_TAG, *([] if include_archived else ["__$not", "archived"])],
        "only_fields": FIELDS,
        "search_hidden": True,
        "order_by": ["-last_update"],
    }
    if only_completed or only_published:
        body["status"] = ["published"] if only_published else COMPLETED
    if ids:
        body["id"] = list(ids)
    if tags:
        body["tags"] = list(tags)
    if name or partial_name:
        body["name"] = f"^{re.escape(name)}$" if name else re.escape(str(partial_name))
    if project:
        found = _projects(session, project, name, recursive=recursive)
        if not found:
            return []
        body["project"] = found
    tasks = all_pages(session, "tasks.get_all_ex", "tasks", body, limit=PAGE if shallow else None)
    if version:
        tasks = [task for task in tasks if str((task.get("runtime") or {}).get("version")) == str(version)]
    return sorted(tasks, key=lambda task: str(task.get("created")))


def newest(found: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The one with the highest version; of equal ones the last made."""
    ordered = sorted(found, key=lambda task: (versions.sort_key(version_of(task)), str(task.get("created"))))
    return ordered[-1] if ordered else None


def version_of(task: dict[str, Any]) -> str | None:
    """The version's number in a task as `find_versions` gives it."""
    found = (task.get("runtime") or {}).get("version")
    return None if found is None else str(found)


def project_of(task: dict[str, Any]) -> str:
    """The project as people name it, of a task as `find_versions` gives it."""
    return shown_project(str((task.get("project") or {}).get("name") or ""))


def one_version(session: Session, *, project: str | None, name: str | None, **conditions: Any) -> dict[str, Any] | None:
    """The newest version that matches. Raises UsageError without any condition."""
    if not (project or name or conditions.get("tags")):
        raise UsageError("which dataset? Give dataset_id, or dataset_project and dataset_name, or dataset_tags")
    return newest(find_versions(session, project=project, name=name, **conditions))


def dependents(session: Session, dataset_id: str) -> list[str]:
    """The ids of versions that stand on this one."""
    body = {
        "type": ["data_processing"],
        "system_tags": [SYSTEM_TAG],
        "_any_": {"pattern": re.escape(dataset_id), "fields": ["configuration.Dataset Struct.value"]},
        "only_fields": ["id"],
    }
    return [str(task["id"]) for task in all_tasks(session, body) if task["id"] != dataset_id]


def _projects(session: Session, project: str, name: str | None, *, recursive: bool) -> list[str]:
    if name:
        # Also where versions were kept before there were hidden projects: beside all other tasks.
        paths = [f"{project}/{FOLDER}/{name}", project]
        return [str(one["id"]) for path in paths if (one := find_project(session, path)) is not None]
    below = "(/.*)?" if recursive else rf"(/{re.escape(FOLDER)}(/.*)?)?"
    body = {"name": f"^{re.escape(project)}{below}$", "only_fields": ["id"], "search_hidden": True}
    found = all_pages(session, "projects.get_all", "projects", {**body, "shallow_search": False})
    return [str(item["id"]) for item in found]
