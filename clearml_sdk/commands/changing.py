"""`clearml clone`, `enqueue` and `abort`."""

from __future__ import annotations

import sys

from clearml_sdk import queueing
from clearml_sdk.command_line import meant
from clearml_sdk.commands import lookup, output
from clearml_sdk.commands.errors import FAILED, CommandError
from clearml_sdk.commands.options import TASK_HELP, parser
from clearml_sdk.errors import ApiError
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any


def main(name: str, arguments: Sequence[str]) -> int:
    """Run the command."""
    return {"clone": clone, "enqueue": enqueue, "abort": abort}[name](arguments)


def clone(arguments: Sequence[str]) -> int:
    """A copy of a task; with a queue it runs."""
    command = parser("clone", task=True)
    add = command.add_argument
    add("--name", help="of the copy (default: the task's)")
    add("--project", help="full name (default: the task's)")
    add("-p", "--set", action="append", default=[], metavar="SECTION/NAME=VALUE", help="another value of a parameter")
    add("-q", "--queue", help="put the copy into this queue")
    given = command.parse_args(arguments)
    values = {}
    for pair in given.set:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            command.error(f"--set takes SECTION/NAME=VALUE, not {pair!r}")
        values[key] = value
    from clearml_sdk.automation.jobs.cloned import ClearmlJob

    session = Session.default()
    queue = _queue(session, given.queue) if given.queue else None
    base = lookup.find(session, given.task)
    _tell_of_new(session, str(base["id"]), values)
    job = ClearmlJob(
        base_task_id=str(base["id"]),
        parameter_override=values,
        target_project=given.project,
        task_name=given.name,
        session=session,
    )
    task = job.task_id()
    if queue:
        queueing.enqueue(session, task, queue=queue, force=False)
    if given.json:
        output.print_json({"id": task, "queue": given.queue})
    else:
        print(task)  # alone, so that a script can take it
        if not queue:
            print("it is a draft: `clearml enqueue` runs it", file=sys.stderr)
    return 0


def _tell_of_new(session: Session, task: str, names: Iterable[str]) -> None:
    """Parameters that the task does not have are added to its copy: nearly always they were meant otherwise."""
    sections = TaskRecord(session, task).read_fields("hyperparams").get("hyperparams") or {}
    known = [f"{section}/{name}" for section, entries in sections.items() for name in entries]
    for name in names:
        if name not in known:
            near = [one for one in known if one.endswith(f"/{name}")]
            hint = f" Did you mean {near[0]!r}?" if near else meant(name, known)
            print(f"the task has no parameter {name!r}; its copy gets it.{hint}", file=sys.stderr)


def enqueue(arguments: Sequence[str]) -> int:
    """Put tasks into a queue."""
    command = parser("enqueue")
    command.add_argument("task", nargs="+", metavar="TASK", help=TASK_HELP)
    command.add_argument("-q", "--queue", default="default", help="name or id (default)")
    command.add_argument("-f", "--force", action="store_true", help="also tasks that ended: they are reset first")
    given = command.parse_args(arguments)
    session = Session.default()
    queue = _queue(session, given.queue)

    def put(task: str) -> None:
        queueing.enqueue(session, task, queue=queue, force=given.force)

    hint = "" if given.force else " (--force resets it first)"
    return _each(session, given.task, put, f"in queue {given.queue}", given.json, hint)


def abort(arguments: Sequence[str]) -> int:
    """Stop tasks; those that wait leave their queue."""
    command = parser("abort")
    command.add_argument("task", nargs="+", metavar="TASK", help=TASK_HELP)
    command.add_argument("-m", "--message", default="aborted by a user", help="why")
    given = command.parse_args(arguments)
    session = Session.default()

    def stop(task: str) -> None:
        status = session.call("tasks.get_all", {"id": [task], "only_fields": ["status"], "search_hidden": True})
        found = str(status["tasks"][0]["status"])
        if found == "queued":
            queueing.dequeue(session, task)
            return
        if found != "in_progress":
            raise CommandError(f"it is {found}: there is nothing to stop")
        session.call("tasks.stop", {"task": task, "status_reason": given.message})

    return _each(session, given.task, stop, "stopped", given.json)


def _queue(session: Session, name: str) -> str:
    try:
        return queueing.queue_id(session, name)
    except ValueError as error:
        raise CommandError(str(error)) from None


def _each(
    session: Session, wanted: Sequence[str], act: Callable[[str], None], done: str, as_json: bool, hint: str = ""
) -> int:
    """Do it with each task; one that refuses does not keep the others from it."""
    tasks = lookup.find_all(session, wanted)  # all of them are known before the first is touched
    told: list[dict[str, Any]] = []
    for task in tasks:
        try:
            act(str(task["id"]))
            told.append({"id": task["id"], "done": True})
        except (ApiError, CommandError) as error:
            words = error.message if isinstance(error, ApiError) else str(error)
            told.append({"id": task["id"], "done": False, "error": words})
            if not as_json:
                print(f"{task['id']} {output.full_name(task)}: {words}{hint}", file=sys.stderr)
            continue
        if not as_json:
            print(f"{task['id']} {output.full_name(task)}: {done}")
    if as_json:
        output.print_json(told)
    return 0 if all(one["done"] for one in told) else FAILED
