"""Where on this machine a task may run: how many are taken, from which queues, and what each is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from clearml_agent.runs import Record


@dataclass(frozen=True)
class Room:
    """What can be taken now: so many tasks, from these queues (None: from every queue that is served).

    known_waiting: the queues that are known to hold tasks, where that matters; again_s: how long all of this holds.
    """

    tasks: int
    queues: Sequence[str] | None = None
    known_waiting: Sequence[str] | None = None
    again_s: float | None = None


class NoRoom(Exception):
    """A task that was taken has no place here after all; it returns to its queue."""


class Placing(Protocol):
    """Asked before each wait for entries and for each entry that came."""

    def room(self, running: Sequence[Record]) -> Room:
        """What can be taken beside `running`."""
        ...

    def hear(self, waiting: Sequence[str]) -> None:
        """The queues that hold tasks, of all that are served; told where room names those that are known."""
        ...

    def place(self, record: Record, running: Sequence[Record]) -> None:
        """Give the task its GPUs, before the record is written. Raises NoRoom."""
        ...


class Slots:
    """So many tasks at a time, which share what the agent sees of this machine.

    Args:
        worker: only its tasks count; what was taken over from another worker takes no slot.
    """

    def __init__(self, count: int, worker: str) -> None:
        self.count, self.worker = count, worker

    def room(self, running: Sequence[Record]) -> Room:
        return Room(max(0, self.count - sum(1 for record in running if record.worker == self.worker)))

    def hear(self, waiting: Sequence[str]) -> None:
        pass  # every queue is asked as long as there is room

    def place(self, record: Record, running: Sequence[Record]) -> None:
        pass  # the record names the daemon's own worker, and its GPUs are the configuration's
