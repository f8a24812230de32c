"""What queues were like, minute by minute: how long, and how long tasks waited in them.

The scripts that change a queue note it (`lua/note_queue.lua`); once a minute the watchdogs note it for tasks that just
go on waiting. A day is kept by the minute and `HOURS_KEPT` by the hour, so a queue costs at most some 100 kB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from control_plane.store import keys
from control_plane.store.batching import Command, words
from control_plane.store.connection import Connection

MINUTE_S, HOUR_S = 60, 3600
MINUTES_KEPT_H = 25
"""Hours whose minutes are kept, the one that runs among them."""
HOURS_KEPT = 30 * 24
ENTRIES_A_READ = 1000


@dataclass(slots=True)
class Span:
    """A queue during a minute, an hour or longer."""

    at_s: int
    """When it begins, s since the epoch."""
    longest: int = 0
    """The most tasks that waited at once."""
    taken: int = 0
    waited_ms: int = 0
    """How long the taken ones had waited, summed up."""
    age_ms: int = 0
    """The largest mean age of those that waited at a look."""

    @property
    def wait_s(self) -> float:
        """How long a task waited on average: of those taken or of those still waiting, whichever is longer."""
        return max(self.waited_ms / self.taken if self.taken else 0.0, self.age_ms) / 1000

    def add(self, other: Span) -> None:
        """Take what is known of another part of this span."""
        self.longest = max(self.longest, other.longest)
        self.taken += other.taken
        self.waited_ms += other.waited_ms
        self.age_ms = max(self.age_ms, other.age_ms)


class QueueMinutes:
    """The notes about the queues of one store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def look(self, queues: Sequence[str], now_ms: int) -> None:
        """Note how long the queues are now, and how long those in them have waited."""
        for queue in queues:
            names, age_ms = [keys.queue_minutes(queue), keys.queue(queue)], await self._age_ms(queue, now_ms)
            await self._connection.run(
                lambda _, names=names, age_ms=age_ms: self._connection.script(  # type: ignore[misc]
                    "look_at_queue", names, [now_ms, age_ms]
                )
            )

    async def read(self, queue: str) -> list[Span]:
        """Everything that is known of a queue, oldest first: minutes, and hours where they are all that is kept."""
        return spans(await self._fields(queue))

    async def fold(self, queue: str, now_ms: int) -> None:
        """Sum hours up that are over, and forget what is too old. Repeating it, or dying within, does no harm."""
        now_h = now_ms // 1000 // HOUR_S
        fields = await self._fields(queue)
        hours = {f"h{hour}": _packed(span) for hour, span in _hours(fields).items() if hour < now_h}
        old = [
            name
            for name in fields
            if (name[0] == "m" and int(name[1:]) // 60 <= now_h - MINUTES_KEPT_H)
            or (name[0] == "h" and int(name[1:]) <= now_h - HOURS_KEPT)
        ]

        writes: list[Command] = []
        if hours:
            writes.append(("HSET", keys.queue_minutes(queue), *words(hours)))
        if old:
            writes.append(("HDEL", keys.queue_minutes(queue), *old))
        if writes:
            await self._connection.run(lambda client: client.many(writes, atomic=True))

    async def _fields(self, queue: str) -> dict[str, str]:
        raw: Any = await self._connection.run(lambda client: client.hgetall(keys.queue_minutes(queue)))
        return {name.decode(): value.decode() for name, value in raw.items()}

    async def _age_ms(self, queue: str, now_ms: int) -> int:
        """The mean age of what waits in a queue; 0 when nothing does."""
        total_ms = count = first = 0
        while True:
            last = first + ENTRIES_A_READ - 1
            tasks: Any = await self._connection.run(
                lambda client, first=first, last=last: client.zrange(keys.queue(queue), first, last)  # type: ignore[misc]
            )
            if tasks:
                found: Any = await self._connection.run(
                    lambda client, tasks=tasks: client.hmget(keys.entries(), tasks)  # type: ignore[misc]
                )
                ages = [max(0, now_ms - int(entry.rpartition(b" ")[2])) for entry in found if entry is not None]
                total_ms, count = total_ms + sum(ages), count + len(ages)
            if len(tasks) < ENTRIES_A_READ:
                return total_ms // count if count else 0
            first += ENTRIES_A_READ


def spans(fields: Mapping[str, str]) -> list[Span]:
    """The notes of a queue, oldest first; an hour only where none of its minutes is kept. Pure."""
    minutes = [_unpacked(int(name[1:]) * MINUTE_S, text) for name, text in fields.items() if name[0] == "m"]
    known = {span.at_s // HOUR_S for span in minutes}
    hours = [
        _unpacked(int(name[1:]) * HOUR_S, text)
        for name, text in fields.items()
        if name[0] == "h" and int(name[1:]) not in known
    ]
    return sorted(minutes + hours, key=lambda span: span.at_s)


def joined(parts: Iterable[Span], interval_s: int) -> dict[int, Span]:
    """Spans of equal length, by their beginning; those of which nothing is known are left out. Pure."""
    found: dict[int, Span] = {}
    for part in parts:
        at_s = part.at_s // interval_s * interval_s
        found.setdefault(at_s, Span(at_s)).add(part)
    return found


def _hours(fields: Mapping[str, str]) -> dict[int, Span]:
    minutes = (_unpacked(int(name[1:]) * MINUTE_S, text) for name, text in fields.items() if name[0] == "m")
    return {at_s // HOUR_S: span for at_s, span in joined(minutes, HOUR_S).items()}


def _packed(span: Span) -> str:
    return f"{span.longest} {span.taken} {span.waited_ms} {span.age_ms}"


def _unpacked(at_s: int, text: str) -> Span:
    return Span(at_s, *map(int, text.split()))
