"""Why a task waits, why it failed, why its environment was not reused: facts of the server put into words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from clearml_agent.environments.explain import NOT_REUSED

CONSOLE_LINES = 12
"""So many of the last lines are shown of a task that failed."""


class Facts(msgspec.Struct, frozen=True):
    """What the server knows. queue: with its entries, None when the task is in none; workers: all that live.

    console: the task's lines, the oldest first.
    """

    task: Mapping[str, Any]
    queue: Mapping[str, Any] | None = None
    workers: Sequence[Mapping[str, Any]] = ()
    console: Sequence[str] = ()


class Explanation(msgspec.Struct, frozen=True):
    """What is said: one line what is, then lines why, then lines what to do."""

    task: str
    name: str
    status: str
    what: str
    why: list[str] = []
    advice: list[str] = []
    environment: list[str] = []


def explain(facts: Facts, now: datetime) -> Explanation:
    """The explanation for a task in any status."""
    task = facts.task
    status = str(task.get("status"))
    describe = {"queued": _queued, "created": _created, "in_progress": _running, "failed": _ended, "stopped": _ended}
    what, why, advice = describe.get(status, _over)(facts, now)
    return Explanation(
        task=str(task["id"]),
        name=str(task.get("name") or ""),
        status=status,
        what=what,
        why=why,
        advice=advice,
        environment=environment(facts.console),
    )


Words = tuple[str, list[str], list[str]]


def _created(facts: Facts, _now: datetime) -> Words:
    reason = str(facts.task.get("status_reason") or "")
    return (
        "it is a draft: it waits in no queue",
        [f"last change: {reason}"] if reason else [],
        ["enqueue it: in the web page, by Task.enqueue, or run it here with `clearml-agent execute --id`"],
    )


def _queued(facts: Facts, now: datetime) -> Words:
    queue = facts.queue
    if queue is None:
        return (
            "it is queued, and its queue does not hold it",
            ["an agent has taken it just now, or its queue was deleted"],
            ["look again in a minute; reset and enqueue it if nothing has changed"],
        )
    entries = [str(entry.get("task")) for entry in queue.get("entries") or ()]
    name = str(queue.get("name") or queue.get("id"))
    place = entries.index(str(facts.task["id"])) + 1 if str(facts.task["id"]) in entries else 0
    since = next(
        (entry.get("added") for entry in queue.get("entries") or () if entry.get("task") == facts.task["id"]), None
    )
    what = f"it waits in queue {name}" + (f", as number {place} of {len(entries)}" if place else "")
    what += f", for {_ago(since, now)}" if since else ""
    serving = [worker for worker in facts.workers if _serves(worker, str(queue.get("id")))]
    why = [f"{worker.get('id')}: {worker_state(worker, now)}" for worker in serving]
    if not serving:
        return what, [f"no worker serves queue {name}"], [f"start one: clearml-agent daemon --queue {name}"]
    idle = [worker for worker in serving if not worker.get("task") and not worker.get("drain")]
    if not idle:
        advice = ["wait for one of them, start another agent, or move the task to another queue"]
    elif place > 1:
        advice = ["a worker is free: the entries before this one go first"]
    else:
        advice = ["a worker is free and takes it as soon as its timetable, GPUs and other queues allow"]
        advice.append("`clearml-agent daemon --status` on its machine, and its output, say more")
    return what, why, advice


def worker_state(worker: Mapping[str, Any], now: datetime) -> str:
    """What one worker does, in a few words."""
    task = worker.get("task") or {}
    seen = (
        f", last heard of {_ago(worker.get('last_activity_time'), now)} ago" if worker.get("last_activity_time") else ""
    )
    if worker.get("drain"):
        return f"drained: it takes nothing new{seen}"
    if task:
        return f"busy with {task.get('name') or task.get('id')}{seen}"
    return f"free{seen}"


def _serves(worker: Mapping[str, Any], queue: str) -> bool:
    return any(str(served.get("id")) == queue for served in worker.get("queues") or ())


def _running(facts: Facts, now: datetime) -> Words:
    task = facts.task
    worker = str(task.get("last_worker") or "")
    alive = next((found for found in facts.workers if str(found.get("id")) == worker), None)
    what = (
        "it runs" + (f" on {worker}" if worker else "") + (f" since {task['started']}" if task.get("started") else "")
    )
    if "stopping" in str(task.get("status_message") or ""):
        return what, ["it was asked to stop and has not ended yet"], []
    if worker and alive is None:
        return (
            what,
            [f"worker {worker} is not registered (any more)"],
            [
                "its agent is away or was killed: start it again on that machine and it takes the task up; the server "
                "ends the task when nothing of it has been heard for a while"
            ],
        )
    heard = task.get("last_update")
    return what, [f"last sign of life {_ago(heard, now)} ago"] if heard else [], []


def _ended(facts: Facts, _now: datetime) -> Words:
    task = facts.task
    reason, message = str(task.get("status_reason") or ""), str(task.get("status_message") or "")
    why = [f"reason: {reason}"] if reason else []
    why += [f"message: {message}"] if message and message != reason else []
    if task.get("last_worker"):
        why.append(f"worker: {task['last_worker']}")
    lines = [line for line in facts.console if line.strip()][-CONSOLE_LINES:]
    why += ["the end of its console:", *(f"  {line}" for line in lines)] if lines else []
    return f"it {'failed' if task.get('status') == 'failed' else 'was stopped'}", why, advice_for(reason, facts.console)


def advice_for(reason: str, console: Sequence[str]) -> list[str]:
    """What to do about a failure, by its reason and what the console says."""
    text = "\n".join(console[-200:])
    known = {
        "failed cloning repository": "correct the repository, branch or commit (Execution > Source code), push the "
        "commit, or give the agent git credentials",
        "failed installing packages": "correct the task's packages (Execution > Installed packages); the console names "
        "the one that failed",
        "agent lost": "its agent died or lost its network: look at that machine, then enqueue the task again",
    }
    found = [advice for part, advice in known.items() if part in reason]
    if "MemoryError" in text or "exit code 137" in reason or "signal 9" in reason:
        found.append("it was killed or out of memory: give it a larger machine, or less at once")
    if "CUDA out of memory" in text:
        found.append("the GPU's memory was full: a smaller batch, or a GPU of its own")
    if "No space left on device" in text or "no room was left on the disk" in text:
        found.append("that machine's disk was full: free some; `clearml-agent cache prune` removes what no task uses")
    if missing := [line for line in console if "ModuleNotFoundError: No module named" in line]:
        found.append(f"a package is missing: {missing[-1].strip()}; add it to the task's installed packages")
    return found


def _over(_facts: Facts, _now: datetime) -> Words:
    return "it has ended, and nothing failed", [], []


def environment(console: Sequence[str]) -> list[str]:
    """Why this task's environment was built instead of reused, as the agent said then."""
    return list(
        dict.fromkeys(line.partition(NOT_REUSED)[2].strip() for line in console if line.lstrip().startswith(NOT_REUSED))
    )


def _ago(when: Any, now: datetime) -> str:
    """The time since an ISO date, in the largest unit that fits."""
    try:
        seconds = max(0.0, (now - datetime.fromisoformat(str(when).replace("Z", "+00:00"))).total_seconds())
    except (ValueError, TypeError):
        return "some time"
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
