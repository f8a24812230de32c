"""Where on this machine a task may run: how many are taken, from which queues, and what each is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from clearml_agent.errors import UsageError
from clearml_agent.queues import Queue
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
        queues, limits: the queues that are served, and how many tasks of some of them run at a time (by position).
    """

    def __init__(
        self, count: int, worker: str, queues: Sequence[Queue] = (), limits: Mapping[int, int] | None = None
    ) -> None:
        self.count, self.worker, self.queues, self.limits = count, worker, list(queues), dict(limits or {})

    def room(self, running: Sequence[Record]) -> Room:
        own = [record for record in running if record.worker == self.worker]
        left = max(0, self.count - len(own))
        if not self.limits:
            return Room(left)
        open_queues: list[str] = []
        for number, queue in enumerate(self.queues) if left else ():
            # An answer may bring all of its entries from one queue: as many are asked for as fit into each.
            of_queue = left
            if number in self.limits:
                of_queue = self.limits[number] - sum(1 for record in own if record.queue == queue.id)
            if of_queue > 0:
                open_queues.append(queue.id)
                left = min(left, of_queue)
        return Room(left, open_queues)

    def hear(self, waiting: Sequence[str]) -> None:
        pass  # every queue is asked as long as there is room

    def place(self, record: Record, running: Sequence[Record]) -> None:
        pass  # the record names the daemon's own worker, and its GPUs are the configuration's


def parse_limits(names: Iterable[str]) -> tuple[list[str], dict[int, int]]:
    """`services=20` is queue `services`, of which 20 tasks run at a time: the names, and the limits by position. Pure.

    Raises UsageError for a limit below 1.
    """
    found: list[str] = []
    limits: dict[int, int] = {}
    for text in names:
        name, separator, number = text.rpartition("=")
        is_limited = bool(separator and name and number.lstrip("-").isdigit())
        if is_limited:
            if int(number) < 1:
                raise UsageError(f"--queue {text}: the number of tasks at a time must be 1 or more")
            limits[len(found)] = int(number)
        found.append(name if is_limited else text)
    return found, limits
