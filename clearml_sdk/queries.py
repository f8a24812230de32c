"""Finding tasks: by id, by project and name, by filters."""

from __future__ import annotations

import re

from clearml_sdk.errors import NotFound, UsageError
from clearml_sdk.paging import PAGE, all_tasks, tasks_by_id
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

ARCHIVED = "archived"
"""System tag of what lists leave out."""
NOT_ARCHIVED = ["__$all", "__$not", ARCHIVED]


def find_tasks(
    session: Session,
    *,
    project_name: str | Sequence[str] | None = None,
    task_name: str | None = None,
    exact_name: bool = False,
    tags: Sequence[str] | None = None,
    allow_archived: bool = True,
    task_filter: Mapping[str, Any] | None = None,
    fields: Sequence[str] | None = None,
    limit: int | None = PAGE,
) -> list[dict[str, Any]]:
    """Tasks that match, newest change first unless the filter orders otherwise; empty when the project does not exist.

    Args:
        task_name: a regular expression found anywhere in the name; the whole literal name with `exact_name`.
        tags: any of them by default; operators as `contract/wire.md` 7 ("List field") tells.
        fields: document paths to return; None: whole tasks.
        limit: at most so many; None: all, page by page.
    """
    body: dict[str, Any] = {"order_by": ["-last_update"], "search_hidden": False}
    if project_name:
        found = project_ids(session, project_name, exact=exact_name)
        if not found:
            return []
        body.update(project=found, search_hidden=True)
    if task_name:
        body["name"] = f"^{re.escape(task_name)}$" if exact_name else task_name
    if tags:
        body["tags"] = list(tags)
    if fields is not None:
        body["only_fields"] = list(fields)
    if not allow_archived:
        body["system_tags"] = NOT_ARCHIVED
    body.update(_plain_filter(task_filter or {}))
    if "page" in body or "page_size" in body:
        return session.call("tasks.get_all", {"page": 0, **body}).get("tasks") or []
    return all_tasks(session, body, limit=limit)


def project_ids(session: Session, names: str | Sequence[str], *, exact: bool) -> list[str]:
    """Ids of the projects with these names; not `exact`: whose names match the expression or begin with it."""
    wanted = [names] if isinstance(names, str) else [str(name) for name in names]
    found: list[str] = []
    for name in wanted:
        for pattern in [f"^{re.escape(name)}$"] + ([] if exact else [name]):
            body = {"name": pattern, "only_fields": ["id", "name"], "shallow_search": False, "search_hidden": True}
            ids = [str(p["id"]) for p in session.call("projects.get_all", body).get("projects") or []]
            if ids:
                found += ids
                break
    return list(dict.fromkeys(found))


def get_one(
    session: Session,
    *,
    task_id: str | None,
    project_name: str | None,
    task_name: str | None,
    tags: Sequence[str] | None,
    allow_archived: bool,
    task_filter: Mapping[str, Any] | None,
) -> dict[str, Any] | None:
    """One whole task: by id, else the one that changed last of those with this project and exact name.

    None when no task has that project and name. Raises UsageError without any condition, ValueError for an unknown id.
    """
    if task_id:
        try:
            task: dict[str, Any] = session.call("tasks.get_by_id", {"task": task_id})["task"]
        except NotFound as error:
            raise ValueError(f'Task ID "{task_id}" could not be found') from error
        return task
    if not (project_name or task_name or tags or task_filter):
        raise UsageError("name the task: task_id, or project_name and task_name, or tags, or task_filter")
    found = find_tasks(
        session,
        project_name=project_name,
        task_name=task_name,
        exact_name=True,
        tags=tags,
        allow_archived=True,
        task_filter=task_filter,
        fields=["id", "name", "last_update", "system_tags"],
    )
    archived = [task for task in found if ARCHIVED in (task.get("system_tags") or [])]
    alive = [task for task in found if task not in archived]
    chosen = alive or (archived if allow_archived else [])
    if not chosen:
        return None
    return session.call("tasks.get_by_id", {"task": chosen[0]["id"]})["task"]  # type: ignore[no-any-return]


def by_ids(session: Session, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Whole tasks in the order of `ids`. Raises ValueError naming those that do not exist."""
    found = tasks_by_id(session, ids)
    missing = [task_id for task_id in ids if task_id not in found]
    if missing:
        raise ValueError(f"no such task: {', '.join(missing)}")
    return [found[task_id] for task_id in ids]


def pick(task: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path of a task; None where it is missing."""
    node: Any = task
    for part in path.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node


def _plain_filter(task_filter: Mapping[str, Any]) -> dict[str, Any]:
    """The user's filter with enum members as their values, and a text to search as an expression.

    `search_text` is matched in names and comments.
    """

    def plain(value: Any) -> Any:
        if isinstance(value, list | tuple | set):
            return [plain(item) for item in value]
        return getattr(value, "value", value) if hasattr(type(value), "__members__") else value

    found = {key: plain(value) for key, value in task_filter.items()}
    if found.get("search_text") and not found.get("_any_"):
        found["_any_"] = {"fields": ["name", "comment"], "pattern": found.pop("search_text")}
    return found
