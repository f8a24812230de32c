"""What this process is to a task: its own run, a run that an agent started, or a child of a process that has one."""

from __future__ import annotations

import os

from clearml_sdk.config import environment
from clearml_sdk.config.local_server import is_alive

MASTER = "CLEARML_PROC_MASTER_ID"
"""`<pid>:<task id>` of the process that has the task, for the processes that it starts."""

STREAMS = "CLEARML_CHILD_STREAMS"
"""Which of its streams a child process reports, such as `stdout,stderr`: what its master does."""

_simulated: str | None = None


def remote_task_id() -> str | None:
    """The task that an agent started this process for; None in a process that a person started."""
    if _simulated:
        return _simulated
    return environment.read("TASK_ID") or environment.read("SIMULATE_REMOTE_TASK")


def running_remotely() -> bool:
    """Whether an agent runs this process (or a simulation of one was asked for)."""
    return remote_task_id() is not None


def is_simulated() -> bool:
    """Whether nobody but this process looks after the task: `simulate`, or its environment variable, says so."""
    return bool(_simulated) or bool(environment.read("SIMULATE_REMOTE_TASK"))


def simulate(task_id: str) -> None:
    """Behave from now on as if an agent had started this process for `task_id`."""
    global _simulated
    _simulated = task_id


def sends_console() -> bool:
    """Whether the SDK sends the console; an agent that sends it itself says no."""
    return environment.read_flag("LOG_TASK_TO_BACKEND", True)


def master() -> tuple[int, str] | None:
    """(pid, task id) of the living process that has the task which this child process belongs to.

    None in that process itself, and where no parent has a task.
    """
    pid, _, task_id = os.environ.get(MASTER, "").partition(":")
    if not pid.isdigit() or not task_id or int(pid) == os.getpid() or not is_alive(int(pid)):
        return None
    return int(pid), task_id


def become_master(task_id: str) -> None:
    """Tell the processes that this one starts that they belong to its task."""
    os.environ[MASTER] = f"{os.getpid()}:{task_id}"


def resign(task_id: str) -> None:
    """The opposite of `become_master`, once the task is closed."""
    if os.environ.get(MASTER) == f"{os.getpid()}:{task_id}":
        del os.environ[MASTER]
        os.environ.pop(STREAMS, None)
