"""Which task is meant: an id, the beginning of one, `project/name`, or a part of it."""

from __future__ import annotations

import re

from clearml_sdk.commands.errors import ManyTasks, NoSuchTask
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

FIELDS = ("id", "name", "type", "status", "project.name", "last_update", "started", "completed", "status_changed")
SHOWN = 10
"""So many of several tasks that could be meant are named."""

_ID = re.compile(r"[0-9a-f]{32}\Z")
_PREFIX = re.compile(r"[0-9a-f]{4,31}\Z")


def find(session: Session, wanted: str) -> dict[str, Any]:
    """The task, as `FIELDS`. Raises NoSuchTask, or ManyTasks naming those that could be meant."""
    if _ID.match(wanted):
        found = _all(session, {"id": [wanted]})
        if found:
            return found[0]
        raise NoSuchTask(f"there is no task {wanted}")
    if _PREFIX.match(wanted):
        found = _all(session, {"_any_": {"fields": ["id"], "pattern": f"^{wanted}"}})
        if found:
            return _only(wanted, found, "ids that begin so")
    exact = _named(session, wanted, exact=True)
    if exact:
        return exact[0]  # the newest run of one name is what is meant
    return _only(wanted, _named(session, wanted, exact=False), "tasks of such names")


def find_all(session: Session, wanted: Sequence[str]) -> list[dict[str, Any]]:
    """Each of them; none twice."""
    found = [find(session, one) for one in wanted]
    return list({task["id"]: task for task in found}.values())


def search(session: Session, pattern: str, **conditions: Any) -> list[dict[str, Any]]:
    """Tasks whose `project/name` has `pattern` somewhere (an expression, or a plain text), newest first."""
    return _named(session, pattern, exact=False, **conditions)


def _named(session: Session, wanted: str, *, exact: bool, **conditions: Any) -> list[dict[str, Any]]:
    """By name alone, then with every division of the text into project and name."""
    text = re.escape(wanted) if exact else _expression(wanted)
    found = _all(session, {"name": f"^{text}$" if exact else text, **conditions})
    if "/" in wanted:
        project, _, name = wanted.rpartition("/")
        if exact:
            ids = _projects(session, f"^{re.escape(project)}$")
            name_text = f"^{re.escape(name)}$"
        else:
            ids = _projects(session, f"{_expression(project)}$")
            name_text = _expression(name) if name else ""
        if ids:
            body = {"project": ids, "search_hidden": True, **conditions}
            found += _all(session, {**body, "name": name_text} if name_text else body)
    if not exact:
        ids = _projects(session, text)
        found += _all(session, {"project": ids, **conditions}) if ids else []
    unique = list({task["id"]: task for task in found}.values())
    return sorted(unique, key=lambda task: str(task.get("last_update")), reverse=True)


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error:
        return re.escape(text)  # no expression: what it says
    return text


def _projects(session: Session, pattern: str) -> list[str]:
    body = {"name": pattern, "only_fields": ["id"], "search_hidden": True, "shallow_search": False, "page_size": 500}
    return [str(p["id"]) for p in session.call("projects.get_all", {**body, "page": 0}).get("projects") or []]


def _all(session: Session, conditions: dict[str, Any]) -> list[dict[str, Any]]:
    limit = conditions.pop("limit", 50)
    body: dict[str, Any] = {"order_by": ["-last_update"], "page": 0, "page_size": limit, "only_fields": list(FIELDS)}
    return session.call("tasks.get_all_ex", {**body, **conditions}).get("tasks") or []


def _only(wanted: str, found: list[dict[str, Any]], what: str) -> dict[str, Any]:
    if not found:
        raise NoSuchTask(f"nothing is called {wanted!r}: `clearml ls` lists the tasks")
    if len(found) == 1:
        return found[0]
    from clearml_sdk.commands.output import ago, full_name

    lines = [f"  {task['id']}  {full_name(task)}  ({task['status']}, {ago(task['last_update'])} ago)" for task in found]
    more = f"\n  ... and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise ManyTasks(f"{wanted!r} could be one of {len(found)} {what}:\n" + "\n".join(lines[:SHOWN]) + more)
