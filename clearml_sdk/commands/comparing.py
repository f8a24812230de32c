"""`clearml compare`: tasks side by side."""

from __future__ import annotations

from clearml_sdk.commands import lookup, output
from clearml_sdk.commands.options import TASK_HELP, parser
from clearml_sdk.queries import by_ids
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_CODE = ("repository", "branch", "version_num", "entry_point", "diff")


def main(name: str, arguments: Sequence[str]) -> int:
    """Run the command."""
    command = parser(name)
    command.add_argument("task", nargs="+", metavar="TASK", help=TASK_HELP)
    command.add_argument("-a", "--all", action="store_true", help="also what is the same")
    given = command.parse_args(arguments)
    session = Session.default()
    found = lookup.find_all(session, given.task)
    if len(found) < 2:
        command.error("name two tasks or more")
    tasks = by_ids(session, [str(task["id"]) for task in found])
    rows = differences(tasks, everything=given.all)
    if given.json:
        output.print_json({"tasks": [task["id"] for task in tasks], "values": {row[0]: row[1:] for row in rows}})
        return 0
    names = {task["id"]: output.full_name(task) for task in found}
    head = [["name", *(names[task["id"]] for task in tasks)]] if len(set(names.values())) > 1 else []
    head.append(["status", *(str(task.get("status")) for task in tasks)])
    output.print_table(["", *(output.shown_id(task["id"]) for task in tasks)], [*head, *rows])
    return 0


def differences(tasks: Sequence[dict[str, Any]], *, everything: bool) -> list[list[str]]:
    """(what, value of each task) for what is not the same everywhere: parameters, code, then scalars. Pure."""
    columns = [described(task) for task in tasks]
    found = []
    for name in dict.fromkeys(name for column in columns for name in column):
        values = [column.get(name, "") for column in columns]
        if everything or len(set(values)) > 1:
            found.append([name, *values])
    return found


def described(task: dict[str, Any]) -> dict[str, str]:
    """What a task is and what came of it, by name."""
    found: dict[str, str] = {}
    for section, entries in sorted((task.get("hyperparams") or {}).items()):
        for name, entry in sorted(entries.items()):
            found[f"{section}/{name}"] = str(entry.get("value"))
    script = task.get("script") or {}
    for name in _CODE:
        value = str(script.get(name) or "")
        found[f"script.{name}"] = (
            f"{len(value.splitlines())} lines, {hash_of(value)}" if name == "diff" and value else value
        )
    found["image"] = str((task.get("container") or {}).get("image") or "")
    for series in (task.get("last_metrics") or {}).values():
        for entry in series.values():
            title = str(entry.get("metric"))
            if not title.startswith(":monitor:"):
                found[f"{title}/{entry.get('variant')}"] = output.number(entry.get("value"))
    return found


def hash_of(text: str) -> str:
    """A few characters that tell two texts apart."""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:7]
