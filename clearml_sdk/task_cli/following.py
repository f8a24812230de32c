"""A task watched from outside: its console as it comes, until it ends."""

from __future__ import annotations

import re
import sys

from clearml_sdk import status_watch
from clearml_sdk.record import TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

WAIT_S = 1.0
PAGE = 1000
STOPPED = 130
"""Exit code for a task that somebody stopped."""
_CODE = re.compile(r"exit code (-?\d+)")


def follow(record: TaskRecord, out: TextIO | None = None) -> tuple[str, int]:
    """Print the console of a task until it ends; returns (its status, the exit code that says so).

    The code is that of the task's process where its agent has recorded it, else 0 for a completed task and 1 for a
    failed one. Waits; raises ClearmlError when the server is away for too long.
    """
    out = out or sys.stdout
    console = _Console(record)
    status = str(record.read_fields("status").get("status") or "")
    told: dict[str, Any] = {}
    while status not in status_watch.TERMINAL and status != status_watch.GONE:
        console.show(out)
        changed = status_watch.changed(record.session, {record.id: status}, WAIT_S)
        told = changed.get(record.id) or told
        status = str(told.get("status") or status)
    if status == status_watch.GONE:
        return status, 1
    console.show(out)
    facts = record.read_fields("status", "status_reason", "status_message")
    return status, exit_code(status, f"{facts.get('status_reason')} {facts.get('status_message')}")


def exit_code(status: str, reason: str) -> int:
    """The exit code that stands for a final status."""
    if status == "failed":
        match = _CODE.search(reason)
        code = int(match[1]) if match else 1
        return 128 - code if code < 0 else code or 1
    return STOPPED if status == "stopped" else 0


class _Console:
    """What was printed of a console; lines of one moment are told apart by their text."""

    def __init__(self, record: TaskRecord) -> None:
        self._record = record
        self._at: int | None = None
        self._seen: list[str] = []

    def show(self, out: TextIO) -> None:
        """Print what has come since."""
        size = PAGE
        while True:
            body: dict[str, Any] = {"batch_size": size, "navigate_earlier": False, "order": "asc"}
            if self._at is not None:
                body["from_timestamp"] = self._at - 1
            events = self._record.call("events.get_task_log", body).get("events") or []
            fresh = self._fresh(events)
            for text in fresh:
                out.write(text if text.endswith("\n") else f"{text}\n")
            out.flush()
            if len(events) < size:
                return
            if not fresh:
                size *= 2  # more lines of one moment than a page has

    def _fresh(self, events: list[dict[str, Any]]) -> list[str]:
        known = list(self._seen)
        fresh = []
        for event in events:
            at, text = int(event.get("timestamp") or 0), str(event.get("msg") or "")
            if at == self._at and text in known:
                known.remove(text)
                continue
            fresh.append(text)
            if at != self._at:
                self._at, self._seen, known = at, [], []
            self._seen.append(text)
        return fresh
