"""The reporters of this process: one for each task that something is reported to."""

from __future__ import annotations

import atexit

from clearml_sdk import run as runs
from clearml_sdk.fork_lock import ForkLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from clearml_sdk.reporting.reporter import Reporter
    from clearml_sdk.session import Session

EXIT_LIMIT_S = 30.0

_open: dict[str, Reporter] = {}
_lock = ForkLock()


def reporter_of(session: Session, task_id: str) -> Reporter:
    """The reporter of a task, opened when it is first asked for.

    That of the run of this process is closed by the run, the others at the end of the process.
    """
    with _lock:
        found = _open.get(task_id)
        if found is None:
            from clearml_sdk.reporting.reporter import Reporter

            if not _open:
                atexit.register(close_all)
            found = _open[task_id] = Reporter.open(session, task_id)
        return found


def flush(task_id: str, timeout_s: float | None = None) -> bool:
    """Wait until what was reported to a task so far is at the server."""
    found = _open.get(task_id)
    return True if found is None else found.flush(timeout_s)


def close_all() -> None:
    """Close the reporters of the tasks that this process does not run."""
    run = runs.current()
    for task_id, reporter in list(_open.items()):
        if run is None or run.record.id != task_id:
            reporter.close(EXIT_LIMIT_S)
            _open.pop(task_id, None)


def close(task_id: str, timeout_s: float | None) -> bool:
    """Close the reporter of one task; whether everything was sent."""
    with _lock:
        found = _open.pop(task_id, None)
    return True if found is None else found.close(timeout_s)
