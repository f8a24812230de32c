"""`clearml ls` and `clearml ps`: tasks as a table."""

from __future__ import annotations

from clearml_sdk.commands import lookup, output
from clearml_sdk.commands.options import at_least, parser
from clearml_sdk.paging import all_pages
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

ALIASES = {"running": "in_progress", "aborted": "stopped"}
STATUSES = ("created", "queued", "in_progress", "stopped", "completed", "failed", "published", *ALIASES)
_STATUS_HELP = f"only of this status ({', '.join(STATUSES)}); again for another one"
FIELDS = [*lookup.FIELDS, "last_worker", "last_iteration", "tags", "execution.queue.name", "execution.queue.id"]


def main(name: str, arguments: Sequence[str]) -> int:
    """Run the command."""
    return ls(arguments) if name == "ls" else ps(arguments)


def ls(arguments: Sequence[str]) -> int:
    """Tasks, newest first."""
    command = parser("ls")
    add = command.add_argument
    add("pattern", nargs="?", metavar="PATTERN", help="only tasks whose project or name has this (an expression)")
    add("-s", "--status", action="append", choices=STATUSES, metavar="STATUS", help=_STATUS_HELP)
    add("-t", "--tag", action="append", metavar="TAG", help="only with this tag; again for another one")
    add("-n", "--limit", type=at_least(1), default=20, metavar="N", help="at most so many (20)")
    add("-a", "--archived", action="store_true", help="archived ones, too")
    add("-p", "--projects", action="store_true", help="list projects instead")
    given = command.parse_args(arguments)
    session = Session.default()
    if given.projects:
        return _projects(session, given.pattern, given.limit, given.json)
    conditions: dict[str, Any] = {"only_fields": FIELDS, "limit": given.limit}
    if given.status:
        conditions["status"] = [ALIASES.get(status, status) for status in given.status]
    if given.tag:
        conditions["tags"] = ["__$all", *given.tag]
    if not given.archived:
        conditions["system_tags"] = ["__$all", "__$not", "archived"]
    found = lookup.search(session, given.pattern or "", **conditions)[: given.limit]
    if given.json:
        output.print_json(found)
        return 0
    rows = [
        [
            output.shown_id(task["id"]),
            task["status"],
            output.full_name(task),
            task.get("last_iteration") or "",
            output.lasted(output.runtime_s(task)),
            output.ago(task.get("last_update")),
        ]
        for task in found
    ]
    output.print_table(["ID", "STATUS", "NAME", "ITER", "RAN", "UPDATED"], rows)
    return 0


def _projects(session: Session, pattern: str | None, limit: int, as_json: bool) -> int:
    body: dict[str, Any] = {"order_by": ["-last_update"], "page": 0, "page_size": limit, "include_stats": True}
    if pattern:
        body["name"] = pattern
    body["shallow_search"] = False
    found = session.call("projects.get_all_ex", body).get("projects") or []
    if as_json:
        output.print_json(found)
        return 0
    rows = []
    for project in found:
        counts = ((project.get("stats") or {}).get("active") or {}).get("status_count") or {}
        running = counts.get("in_progress", 0)
        total = sum(counts.values())
        rows.append([project["name"], total, running or "", output.ago(project.get("last_update"))])
    output.print_table(["NAME", "TASKS", "RUNNING", "UPDATED"], rows)
    return 0


def ps(arguments: Sequence[str]) -> int:
    """What runs, then what waits in the order of its queue."""
    command = parser("ps")
    given = command.parse_args(arguments)
    found = active(Session.default())
    if given.json:
        output.print_json(found)
        return 0
    print_active(found)
    return 0


def active(session: Session) -> list[dict[str, Any]]:
    """Running tasks, the longest first; then queued ones by queue and `position` (from 1)."""
    body = {"status": ["in_progress", "queued"], "only_fields": FIELDS, "search_hidden": True, "order_by": ["created"]}
    tasks = all_pages(session, "tasks.get_all_ex", "tasks", body)
    running = [task for task in tasks if task["status"] == "in_progress"]
    queued = {task["id"]: task for task in tasks if task["status"] == "queued"}
    waiting: list[dict[str, Any]] = []
    if queued:
        for queue in queues(session):
            for position, entry in enumerate(queue.get("entries") or [], 1):
                task = queued.pop(str(entry.get("task")), None)
                if task is not None:
                    waiting.append({**task, "queue": queue["name"], "position": position, "added": entry.get("added")})
    running.sort(key=lambda task: str(task.get("started")))
    return [*running, *waiting, *queued.values()]


def queues(session: Session) -> list[dict[str, Any]]:
    """Every queue with its entries."""
    body = {"only_fields": ["id", "name", "entries"], "order_by": ["created"]}
    return all_pages(session, "queues.get_all", "queues", body)


def active_rows(found: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """(columns, rows) of what `active` gives."""
    rows = []
    for task in found:
        if task["status"] == "in_progress":
            place, time_ = task.get("last_worker") or "", output.lasted(output.runtime_s(task))
        else:
            place, time_ = f"{task.get('queue', '?')} #{task.get('position', '?')}", output.ago(task.get("added"))
        iteration = str(task.get("last_iteration") or "")
        rows.append([output.shown_id(task["id"]), task["status"], output.full_name(task), place, iteration, time_])
    return ["ID", "STATUS", "NAME", "WORKER / QUEUE", "ITER", "TIME"], rows


def print_active(found: Sequence[dict[str, Any]]) -> None:
    """Print what `active` gives."""
    output.print_table(*active_rows(found))
