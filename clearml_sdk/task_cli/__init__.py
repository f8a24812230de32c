"""`clearml-task`: make a task of a script, a folder or a repository from the command line, and enqueue it."""

from __future__ import annotations

import contextlib
import sys

from clearml_sdk.errors import ClearmlError
from clearml_sdk.task_cli.options import check, parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any


def main(argv: list[str] | None = None) -> int:
    """Create the task, print its id and link, and enqueue it where a queue is given. Returns the exit status."""
    command = parser()
    given = command.parse_args(argv)
    try:
        if given.import_offline_session:
            return import_session(given)
        check(command, given)
        return tell(given) if given.dry_run else launch(given)
    except (ClearmlError, OSError, ValueError) as error:
        print(f"clearml-task: {error}", file=sys.stderr if given.json else sys.stdout)
        return 1
    except KeyboardInterrupt:
        print("the task goes on; stop it with `clearml abort` or on the page", file=sys.stderr)
        return 130


def launch(given: argparse.Namespace) -> int:
    """Make the task; enqueue and follow it where that is asked for. Returns the exit status."""
    from clearml_sdk.queueing import queue_id
    from clearml_sdk.session import Session
    from clearml_sdk.task import Task
    from clearml_sdk.task_cli.drafts import create

    with _outcome(given) as outcome:
        if given.queue:
            queue_id(Session.default(), given.queue, None)  # one that is not there must leave no task behind
        task = create(given)
        page = task.get_output_log_web_page()
        outcome.update(id=task.id, page=page, status="created")
        print(f"New {'pipeline' if given.pipeline else 'task'} created id={task.id}")
        print(f"Task log page: {page}", flush=True)
        if not given.queue:
            print("It is a draft; enqueue it when it is to run (Task.enqueue, or --queue next time).")
            return 0
        Task.enqueue(task, queue_name=given.queue)
        outcome.update(status="queued", queue=given.queue)
        print(f"Task id={task.id} sent for execution on queue {given.queue}", flush=True)
        if not given.follow:
            return 0
        from clearml_sdk.task_cli.following import follow

        status, code = follow(task._record)
        outcome.update(status=status, exit_code=code)
        print(f"Task id={task.id} is {status}")
        return code


def tell(given: argparse.Namespace) -> int:
    """Print what the task would be."""
    from clearml_sdk.data_cli.tables import print_json
    from clearml_sdk.task_cli.drafts import describe

    found = describe(given)
    if given.json:
        print_json(found)
        return 0
    print("Nothing is made (--dry-run). The task would be:")
    for key, value in found.items():
        if not isinstance(value, dict):
            print(f"{key}: {value}")
            continue
        print(f"{key}:")
        for name, text in value.items():
            lines = str(text["pip"] if name == "requirements" else text).splitlines() or [""]
            print(f"  {name}: {lines[0]}" if len(lines) == 1 else f"  {name}:")
            for line in lines if len(lines) > 1 else []:
                print(f"    {line}")
    return 0


def import_session(given: argparse.Namespace) -> int:
    """Import an offline session, print the id of its task, and return the exit status."""
    from clearml_sdk.task import Task

    with _outcome(given) as outcome:
        outcome["id"] = Task.import_offline_session(given.import_offline_session)
        print(f"Task id={outcome['id']} holds the session {given.import_offline_session}")
    return 0


@contextlib.contextmanager
def _outcome(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """With `--json` what is yielded is printed at the end, and all other words go to standard error."""
    outcome: dict[str, Any] = {}
    if not given.json:
        yield outcome
        return
    from clearml_sdk.data_cli.tables import print_json

    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield outcome
    finally:
        if outcome:
            print_json(outcome)
