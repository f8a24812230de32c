"""Running tasks that nobody answers for any more: who is judged by what, and what becomes of them.

    run by an agent of ours                    its lease, and no sign of life for `lost_after_s`    stopped, or queued
                                                                                                    again if it asks
    asked to stop, and nobody there to do it   no sign of life for `worker_timeout_s`               stopped
    run by an official agent, or by hand       no sign of life for `stuck_after_s`                  stopped

A sign of life is the task's `last_update`, its worker's report, or a renewal of its lease. No silence is counted from a
time when no server was up. A task asks to be queued again with the user property `retries`: how often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from control_plane.services.status import Status
from control_plane.settings import Settings

NON_RESPONSIVE = "Forced stop (non-responsive)"
"""What official servers say."""
LOST = "Forced stop (agent lost)"
AGAIN = "Queued again (agent lost)"
RETRIES = ("hyperparams", "properties", "retries", "value")
"""Path of the user property by which a task asks to be queued again."""
LOST_AGENTS = "_lost_agents"
"""How often this task was queued again since it was made or reset: a note of the server's own."""
PARTS = (
    *("last_update", "last_worker", "last_worker_report", "status_message", "execution.queue"),
    *("hyperparams.properties", LOST_AGENTS),
)
"""What of a task must be read to judge it, beside its status."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of a task that is said to be running."""

    status: Status
    reason: str
    message: str


def judge(
    task: Mapping[str, Any],
    *,
    now_ms: int,
    since_ms: int,
    lease_until_ms: int | None,
    settings: Settings,
    silent_s: float | None = None,
) -> Verdict | None:
    """The verdict about a running task; None: it lives, or its time is not over. Pure.

    Args:
        since_ms: since when somebody has watched; silence from before does not count.
        lease_until_ms: until when an agent of ours answers for the task; None: no agent of ours took it.
        silent_s: for how long it has been silent, where the clock cannot tell (see `Signs`).
    """
    if silent_s is None:
        silent_s = (now_ms - max(since_ms, sign_ms(task, lease_until_ms, settings))) / 1000
    worker = task.get("last_worker") or "unknown"
    if lease_until_ms is not None:
        if lease_until_ms > now_ms or silent_s <= settings.lost_after_s:
            return None
        silence = f"its agent {worker} is lost: neither it nor the task has reported for {int(silent_s)} s"
        if (again := retried(task, silence)) is not None:
            return again
        used = int(task.get(LOST_AGENTS) or 0)
        tried = f" (after {used} retries)" if used else ""
        return Verdict(Status.STOPPED, LOST, f"Stopped: {silence}{tried}")
    if is_stopping(task) and silent_s > settings.worker_timeout_s:
        return Verdict(Status.STOPPED, "stopped", f"Stopped: nobody reported back for {int(silent_s)} s")
    if silent_s > settings.stuck_after_s:
        return Verdict(Status.STOPPED, NON_RESPONSIVE, NON_RESPONSIVE)
    return None


def silent_since(now: datetime, settings: Settings) -> datetime:
    """Whoever has shown a sign of life since then cannot be lost, whatever it is judged by. Pure."""
    return now - timedelta(seconds=min(settings.lost_after_s, settings.worker_timeout_s, settings.stuck_after_s))


def retried(task: Mapping[str, Any], cause: str) -> Verdict | None:
    """Queued again, where the task asks for it once more than it was; not when somebody wants it to stop. Pure."""
    used, asked = int(task.get(LOST_AGENTS) or 0), retries(task)
    if used >= asked or is_stopping(task) or not (task.get("execution") or {}).get("queue"):
        return None
    return Verdict(Status.QUEUED, AGAIN, f"Queued again ({used + 1} of {asked}): {cause}")


def is_stopping(task: Mapping[str, Any]) -> bool:
    """Whether somebody has asked a running task to stop."""
    return "stopping" in str(task.get("status_message") or "")


def sign_ms(task: Mapping[str, Any], lease_until_ms: int | None, settings: Settings) -> int:
    """The last sign of life of a task, ms since the epoch."""
    renewed_ms = 0 if lease_until_ms is None else lease_until_ms - int(settings.lease_s * 1000)
    return max(renewed_ms, *(_ms(task.get(name)) for name in ("last_update", "last_worker_report", "started")))


def retries(task: Mapping[str, Any]) -> int:
    """How often a task asks to be queued again when its agent is lost; 0 unless it says a number."""
    value: Any = task
    for key in RETRIES:
        value = value.get(key) if isinstance(value, Mapping) else None
    text = str(value if value is not None else "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def _ms(iso: Any) -> int:
    if not isinstance(iso, str) or not iso:
        return 0
    moment = datetime.fromisoformat(iso)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


class Signs:
    """Silences that no clock can tell: a sign of life that lies ahead of now, after somebody has set a clock back.

    Such a sign counts from when it was seen first.
    """

    def __init__(self) -> None:
        self._first: dict[str, tuple[int, float]] = {}

    def silent_s(self, task: str, sign_ms: int, *, now_ms: int, monotonic_s: float) -> float | None:
        """For how long a sign from the future has not changed; None for one that the clock can tell."""
        if sign_ms <= now_ms:
            self._first.pop(task, None)
            return None
        known = self._first.get(task)
        if known is None or known[0] != sign_ms:
            known = self._first[task] = (sign_ms, monotonic_s)
        return monotonic_s - known[1]

    def keep(self, tasks: set[str]) -> None:
        """Forget every other task."""
        self._first = {task: first for task, first in self._first.items() if task in tasks}
