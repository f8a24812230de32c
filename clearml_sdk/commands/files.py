"""`clearml artifacts` and `clearml open`: what a task stored, and its page."""

from __future__ import annotations

import os
import shutil

from clearml_sdk.artifacts.artifact import Artifact
from clearml_sdk.commands import lookup, output
from clearml_sdk.commands.errors import CommandError
from clearml_sdk.commands.options import TASK_HELP, parser
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any


def main(name: str, arguments: Sequence[str]) -> int:
    """Run the command."""
    return artifacts(arguments) if name == "artifacts" else open_page(arguments)


def artifacts(arguments: Sequence[str]) -> int:
    """List or fetch the artifacts of a task."""
    command = parser("artifacts")
    command.add_argument("action", choices=("ls", "get"), help="list them, or fetch them")
    command.add_argument("task", metavar="TASK", help=TASK_HELP)
    command.add_argument("name", nargs="*", metavar="NAME", help="which (default: all)")
    command.add_argument("-o", "--output", default=".", metavar="FOLDER", help="where to put them (here)")
    given = command.parse_args(arguments)
    session = Session.default()
    task = str(lookup.find(session, given.task)["id"])
    entries = (TaskRecord(session, task).reload().get("execution") or {}).get("artifacts") or []
    found = {str(entry["key"]): entry for entry in entries}
    missing = [name for name in given.name if name not in found]
    if missing:
        raise CommandError(f"task {task} has no artifact {missing[0]!r}; it has: {', '.join(found) or 'none'}")
    chosen = {name: found[name] for name in given.name or found}
    if given.action == "ls":
        return _list(chosen, given.json)
    got: dict[str, str] = {}
    for name, entry in chosen.items():
        got[name] = _fetch(session, name, entry, given.output, taken=got.values())
    if given.json:
        output.print_json(got)
    else:
        for path in got.values():
            print(path)
    return 0


def _list(chosen: dict[str, dict[str, Any]], as_json: bool) -> int:
    if as_json:
        output.print_json(list(chosen.values()))
        return 0
    rows = [[name, entry.get("type"), entry.get("content_size"), entry.get("uri")] for name, entry in chosen.items()]
    output.print_table(["NAME", "TYPE", "BYTES", "URL"], rows)
    return 0


def _fetch(session: Session, name: str, entry: dict[str, Any], folder: str, *, taken: Collection[str]) -> str:
    """Copy one artifact's file (or folder) to `folder`, and return its path there.

    taken: paths of the artifacts before it; another file of that name goes into a folder of its artifact's name.
    """
    local = str(Artifact.of(session, entry).get_local_copy(raise_on_error=True))
    os.makedirs(folder, exist_ok=True)
    file_name = os.path.basename(str(entry.get("uri") or "").rstrip("/")) if os.path.isfile(local) else name
    target = os.path.join(folder, os.path.basename(file_name) or "artifact")
    if target in taken:
        folder = os.path.join(folder, name.replace(os.sep, "_"))
        os.makedirs(folder, exist_ok=True)
        target = os.path.join(folder, os.path.basename(target))
    if os.path.isdir(local):
        shutil.copytree(local, target, dirs_exist_ok=True)
    else:
        partial = f"{target}.part"
        shutil.copyfile(local, partial)
        os.replace(partial, target)
    return target


def open_page(arguments: Sequence[str]) -> int:
    """Show the task's page in the browser."""
    command = parser("open", task=True)
    command.add_argument("-n", "--print", action="store_true", help="print the address only")
    given = command.parse_args(arguments)
    session = Session.default()
    found = lookup.find(session, given.task)
    from clearml_sdk.web_pages import task_page

    project = found.get("project")
    address = task_page(session, str(found["id"]), project.get("id") if isinstance(project, dict) else project)
    if given.json:
        output.print_json({"id": found["id"], "page": address})
        return 0
    print(address)
    if not given.print:
        import webbrowser

        webbrowser.open(address)
    return 0
