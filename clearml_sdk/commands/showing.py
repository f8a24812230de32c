"""`clearml show`: everything about a task."""

from __future__ import annotations

from clearml_sdk.commands import lookup, output
from clearml_sdk.commands.options import parser
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

SHORTENED = 200
"""Values are shown to so many characters."""


def main(name: str, arguments: Sequence[str]) -> int:
    """Run the command."""
    command = parser(name, task=True)
    given = command.parse_args(arguments)
    session = Session.default()
    task = TaskRecord(session, str(lookup.find(session, given.task)["id"])).reload()
    if given.json:
        output.print_json(task)
        return 0
    found = session.call("projects.get_all", {"id": [task.get("project")], "search_hidden": True}).get("projects") or []
    project = str(found[0]["name"]) if found else ""
    output.print_table(["WHAT", "VALUE"], [*_facts(session, task, project)])
    for title, columns, rows in _sections(task):
        if rows:
            print()
            output.print_table([title, *columns], rows)
    return 0


def _facts(session: Session, task: Mapping[str, Any], project: str) -> Iterator[list[Any]]:
    from clearml_sdk.web_pages import task_page

    script, container = task.get("script") or {}, task.get("container") or {}
    yield ["id", task["id"]]
    yield ["name", f"{project}/{task.get('name')}" if project else task.get("name")]
    yield ["status", task.get("status")]
    values = {
        "reason": task.get("status_reason"),
        "message": task.get("status_message"),
        "type": task.get("type"),
        "tags": ", ".join(task.get("tags") or []),
        "comment": task.get("comment"),
        "created": output.clock(task.get("created")),
        "started": output.clock(task.get("started")),
        "ended": output.clock(task.get("completed")),
        "ran": output.lasted(output.runtime_s(task)),
        "iteration": task.get("last_iteration"),
        "worker": task.get("last_worker"),
        "parent": task.get("parent"),
        "repository": script.get("repository"),
        "branch": script.get("branch"),
        "commit": script.get("version_num"),
        "script": script.get("entry_point"),
        "uncommitted": f"{len(script['diff'].splitlines())} lines" if script.get("diff") else "",
        "image": container.get("image"),
        "page": task_page(session, str(task["id"]), task.get("project")),
    }
    yield from ([name, value] for name, value in values.items() if value)


def _sections(task: Mapping[str, Any]) -> Iterator[tuple[str, list[str], list[list[Any]]]]:
    parameters = [
        [f"{section}/{name}", _short(entry.get("value"))]
        for section, entries in (task.get("hyperparams") or {}).items()
        for name, entry in entries.items()
    ]
    yield "PARAMETER", ["VALUE"], parameters
    yield "SCALAR", ["LAST", "MIN", "MAX"], scalars(task)
    artifacts = (task.get("execution") or {}).get("artifacts") or []
    rows = [[item.get("key"), item.get("type"), _bytes(item.get("content_size"))] for item in artifacts]
    yield "ARTIFACT", ["TYPE", "SIZE"], rows
    models = task.get("models") or {}
    rows = [
        [item.get("name"), kind, item.get("model")] for kind in ("input", "output") for item in models.get(kind) or []
    ]
    yield "MODEL", ["KIND", "ID"], rows


def scalars(task: Mapping[str, Any]) -> list[list[Any]]:
    """(title/series, last, min, max) of a task's newest values."""
    entries = [entry for series in (task.get("last_metrics") or {}).values() for entry in series.values()]
    rows = [
        [
            f"{entry.get('metric')}/{entry.get('variant')}",
            *(output.number(entry.get(key)) for key in ("value", "min_value", "max_value")),
        ]
        for entry in entries
        if not str(entry.get("metric")).startswith(":monitor:")
    ]
    return sorted(rows)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= SHORTENED else f"{text[:SHORTENED]}..."


def _bytes(size: Any) -> str:
    found = float(size or 0)
    for unit in ("B", "kB", "MB", "GB"):
        if found < 1000:
            return f"{found:.0f} {unit}" if unit == "B" else f"{found:.1f} {unit}"
        found /= 1000
    return f"{found:.1f} TB"
