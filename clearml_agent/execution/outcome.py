"""How a run ended, in the words the task's record and its console get. Pure.

Source: contract/agent_behaviour.md 11 (last lines) and 13 (final states).
"""

from __future__ import annotations

import signal as signals

from clearml_agent.errors import RunFailed
from clearml_agent.runs import Outcome, Result, Stop, StopKind

COMPLETED, STOPPED, FAILED = "tasks.completed", "tasks.stopped", "tasks.failed"
RELEASED = "agents.release"
LESS = "give the task less data or a smaller batch, or a worker with more memory"
INTERRUPTED = {254, 130}
"""Exit codes of a script that a Ctrl-C or its own abort ended."""


def changed_by(worker: str) -> str:
    return f"Changed by clearml-agent {worker}"


def of_result(
    result: Result,
    stop: Stop | None,
    worker: str,
    *,
    was_told: bool = False,
    full_disk: str = "",
    container: str = "",
) -> Outcome:
    """What to report for a run whose runner recorded how it ended.

    Args:
        was_told: the task knew that it was to stop, and may have ended by itself for that reason.
        full_disk: where there is no room left, of the directory with the task's output and its container's disks.
        container: the name of the one that it ran in.
    """
    code = result.exit_code if result.exit_code is not None else 128 + (result.signal or 0)
    if stop is not None and (result.stop_signal or result.exit_code is None or was_told):
        return of_stop(stop, worker, exit_code=code)
    if result.error:
        failed = RunFailed(
            f"the task's program could not be started: {result.error}. Check the task's binary, entry point and "
            "working directory.",
            reason="worker failed to start the task",
        )
        return of_failure(failed, worker, exit_code=code)
    if result.signal is not None:
        return _killed(result, worker, code, container)
    if code == 0:
        return Outcome(COMPLETED, "worker execution done", changed_by(worker), "", "Process completed successfully")
    if code in INTERRUPTED:
        return Outcome(STOPPED, "user abort", changed_by(worker), "", "Process terminated by user", code)
    if result.stop_signal:  # somebody signalled the runner, and not through this agent
        return Outcome(STOPPED, "worker was stopped", changed_by(worker), "", "Process terminated by user", code)
    why, error = "the last lines of its console say why", ""
    if result.oom:
        whose = f"its container {container}" if container else "this machine"
        why = f"{whose} ran out of memory, and a process was killed for it; {LESS}"
    if full_disk:
        where = f" of its container {container}" if container else ""
        why = f"no room was left on the disk of {full_disk}{where}: free some, or have the task write less"
    if result.oom or full_disk:
        error = f"The script ended with exit code {code}, and {why}."
    message = f"{changed_by(worker)}: the script ended with exit code {code}; {why}"
    return Outcome(FAILED, f"worker execution exit code {code}", message, error, _failed_line(code), code)


def _killed(result: Result, worker: str, code: int, container: str) -> Outcome:
    number = result.signal or 0
    name = signal_name(number)
    if number == signals.SIGINT:
        return Outcome(STOPPED, "user abort", changed_by(worker), "", "Process terminated by user", code)
    if result.oom:
        advice = (
            f"its container {container} ran out of memory: of what --memory gives it, or this machine did"
            if container
            else "this machine ran out of memory"
        )
        advice += f"; {LESS}"
    elif result.stop_signal and container:
        advice = f"its container {container} was stopped from outside: by docker stop, or with its engine"
    elif number == signals.SIGKILL:
        advice = "somebody killed it, or the machine ran out of memory (see its kernel log)"
    elif number == signals.SIGBUS and container:
        advice = "often /dev/shm is too small for it (--shm-size, or --ipc=host), or a file in it was cut; else native "
        advice += "code crashed"
    elif number in (signals.SIGSEGV, signals.SIGBUS, signals.SIGILL, signals.SIGABRT, signals.SIGFPE):
        advice = "native code crashed; run with PYTHONFAULTHANDLER=1 to see where"
    else:
        advice = "somebody sent it this signal"
    error = f"The task's process was ended by signal {number} ({name}): {advice}."
    message = f"{changed_by(worker)}: ended by signal {number} ({name}): {advice}"
    return Outcome(FAILED, f"worker execution exit code {-number}", message, error, _failed_line(-number), code)


def of_stop(stop: Stop, worker: str, *, exit_code: int = 0) -> Outcome:
    """What to report for a run that was stopped on request."""
    code = exit_code or 1
    if stop.kind is StopKind.USER:
        reason = "task was stopped by tasks.stop"
        error = "User aborted: stopping task"
        return Outcome(STOPPED, reason, changed_by(worker), error, "Process aborted by user", code)
    if stop.kind in (StopKind.AGENT, StopKind.REQUEUE):
        cause = f"the agent was stopped ({stop.reason}{stop.actor and f' by {stop.actor}'})"
        goes_back = stop.kind is StopKind.REQUEUE
        rest = "; it goes back to its queue" if goes_back else ""
        error = f"{cause[0].upper()}{cause[1:]}, and the task with it{rest}."
        last_line, message = "Process terminated by user", f"{changed_by(worker)}: {cause}"
        if goes_back:
            return Outcome(RELEASED, "worker was stopped", message, error, last_line, code, otherwise=STOPPED)
        return Outcome(STOPPED, "worker was stopped", message, error, last_line, code)
    if stop.kind is StopKind.LIMIT:
        message = f"{changed_by(worker)}: {stop.reason}"
        error = f"Stopped: {stop.reason}. Give it a larger share of the GPU, or less to do at a time."
        return Outcome(FAILED, "GPU memory budget exceeded", message, error, _failed_line(code), code)
    if stop.kind is StopKind.STATUS:
        return Outcome("", "", "", f"The task's process was stopped: {stop.reason}.", "Process aborted by user", code)
    return Outcome("", exit_code=code)


def of_lost(worker: str, cause: str = "") -> Outcome:
    """What to report for a run whose runner was killed: nobody knows how the task's program ended.

    Args:
        cause: what is known of how that came.
    """
    what = "the program that watched over the task's process was killed, and with it the task: its exit code is unknown"
    if cause:
        what = f"{cause}, and with it the task: its exit code is unknown"
    return _unknown(FAILED, what, worker)


def of_restart(worker: str, policy: str) -> Outcome:
    """What to report for a run that the machine's restart ended.

    Args:
        policy: `fail`; `requeue`: it runs again, however often; anything else: as the task's property `retries` says.
    """
    what = "the machine of the worker was restarted while the task ran: its exit code is unknown"
    if policy == "fail":
        return _unknown(FAILED, what, worker)
    return _unknown(RELEASED, what, worker, otherwise=FAILED, is_lost=policy != "requeue")


def _unknown(endpoint: str, what: str, worker: str, *, otherwise: str = "", is_lost: bool = False) -> Outcome:
    return Outcome(
        endpoint,
        "worker execution exit unknown",
        f"{changed_by(worker)}: {what}; reset and enqueue the task to run it again",
        f"{what[0].upper()}{what[1:]}.",
        "Process failed, exit code unknown",
        1,
        otherwise,
        is_lost,
    )


def unable(error: OSError) -> RunFailed:
    """What to say where this machine itself keeps a task from being prepared: a full disk, missing rights."""
    what = error.strerror or str(error) or type(error).__name__
    what += f": {error.filename}" if error.filename else ""
    return RunFailed(f"this worker's machine cannot prepare the task: {what}. Mend that and enqueue the task again")


def of_failure(failed: RunFailed, worker: str, *, exit_code: int = 1) -> Outcome:
    """What to report for a task that could not be run."""
    message = f"{changed_by(worker)}: {failed.message}"
    return Outcome(FAILED, failed.reason, message, failed.message, _failed_line(exit_code), exit_code)


def _failed_line(code: int) -> str:
    return f"Process failed, exit code {code}"


def signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return "unknown"
