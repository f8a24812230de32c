"""What one batch holds of one owner, and writing it: alone, or in one step with the change of its owner's document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from control_plane.store import keys, series
from control_plane.store.blocks import FAMILIES, Family, Points, Record, cut, pack_lines, pack_points, pack_records
from control_plane.store.connection import Connection
from control_plane.store.errors import Guard, GuardFailed
from control_plane.store.series import Statistics
from control_plane.store.transaction import FIELDS_A_COMMAND, Transaction

KEPT_MS = 24 * 3600 * 1000
"""How long a stored part is recognised when it is sent again: official clients retry for hours."""

EVENTS = "events"
"""What a condition on events says it looks at."""

DONE, AGAIN, REPEATED = 0, 1, 2
"""What became of a part: stored; to be prepared again, for the owner's events changed; it was stored before."""


@dataclass
class Run:
    """Points of one series in one batch, in the order they came; the three lists have the same length."""

    metric: str
    variant: str
    worker: str = ""
    x_axis_label: str = ""
    steps: list[int] = field(default_factory=list)
    times_ms: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.steps)


@dataclass
class Part:
    """What one batch holds of one owner.

    `id` identifies it when it is sent again; `answer` is what to tell the repeat.
    """

    id: str
    now_ms: int
    answer: bytes = b""
    runs: dict[tuple[str, str], Run] = field(default_factory=dict)
    records: dict[Family, list[Record]] = field(default_factory=dict)
    generation: int | None = None
    """The only generation that may take the part; None: whichever there is."""
    packed: list[Points] = field(default_factory=list)
    """Scalars that came packed: written before those of `runs`."""


@dataclass(frozen=True)
class Prepared:
    """A part as it will be written, for one belief of what its owner has."""

    owner: str
    part: Part
    generation: int
    sequence: int
    blocks: Sequence[tuple[Family, bytes]]
    changed: Sequence[Statistics]


def blocks(part: Part) -> list[tuple[Family, bytes]]:
    """What goes into the streams, in order."""
    found: list[tuple[Family, bytes]] = [("scalar", block) for points in part.packed for block in cut(points)]
    for run in part.runs.values():
        packed = pack_points(
            run.metric, run.variant, run.worker, run.x_axis_label, run.steps, run.times_ms, run.values
        )  # fmt: skip
        found += [("scalar", block) for block in packed]
    for family in FAMILIES:
        if records := part.records.get(family):
            some = pack_lines(records) if family == "log" else [pack_records(records)]
            found += [(family, block) for block in some]
    return found


def text_size(part: Part) -> int:
    """Characters of its console."""
    return sum(len(line.text) for line in part.records.get("log", ()))


async def write(connection: Connection, one: Prepared) -> tuple[int, int, bytes]:
    """Store a part with its statistics, in one script; returns (what became of it, sequence, the first answer)."""
    families = list(dict.fromkeys(family for family, _ in one.blocks))
    script_keys = [
        keys.event_meta(one.owner), keys.event_parts(one.owner), keys.event_part_results(one.owner),
        keys.event_series(one.owner, one.generation),
        *(keys.event_stream(one.owner, one.generation, family) for family in families),
    ]  # fmt: skip
    args = [
        one.generation, one.sequence if one.changed else "", one.part.id, one.part.now_ms, one.part.answer, KEPT_MS,
        len(one.blocks), *(word for family, block in one.blocks for word in (5 + families.index(family), block)),
        *_statistics(one.changed),
    ]  # fmt: skip
    # A repeat after a lost connection finds its own part id.
    answer: Any = await connection.run(lambda _: connection.script("append_events", script_keys, args), owner=one.owner)
    became = int(answer[0])
    return became, int(answer[1]), bytes(answer[2]) if became == REPEATED else b""


async def write_with(connection: Connection, one: Prepared, transaction: Transaction) -> tuple[int, int, bytes]:
    """The same, with everything in a transaction on documents or not at all, where one node has both.

    Raises GuardFailed when one of the transaction's own conditions did not hold.
    """
    meta, parts, results = (
        keys.event_meta(one.owner), keys.event_parts(one.owner), keys.event_part_results(one.owner)
    )  # fmt: skip
    transaction.when(Guard("part", EVENTS, one.owner), "?missing", results, one.part.id)
    transaction.when(Guard("generation", EVENTS, one.owner), "?count", meta, "gen", str(one.generation))
    if one.changed:
        transaction.when(Guard("sequence", EVENTS, one.owner), "?count", meta, "seq", str(one.sequence))
    for family, block in one.blocks:
        transaction.also("XADD", keys.event_stream(one.owner, one.generation, family), "*", "b", block)
    words = _statistics(one.changed)
    for first in range(0, len(words), 2 * FIELDS_A_COMMAND):
        some = words[first : first + 2 * FIELDS_A_COMMAND]
        transaction.also("HSET", keys.event_series(one.owner, one.generation), *some)
    if one.changed:
        transaction.also("HINCRBY", meta, "seq", 1)
    transaction.also("ZADD", parts, one.part.now_ms, one.part.id)
    transaction.also("HSET", results, one.part.id, one.part.answer)
    transaction.also("forget", parts, one.part.now_ms - KEPT_MS, of=results)
    try:
        await transaction.commit()
    except GuardFailed as failed:
        if failed.guard.entity != EVENTS:
            raise
        if failed.guard.kind != "part":
            return AGAIN, 0, b""
        sequence: Any = await connection.run(lambda client: client.hget(meta, "seq"), owner=one.owner)
        return REPEATED, int(sequence or 0), str(failed.found).encode()
    return DONE, one.sequence + bool(one.changed), b""


def _statistics(changed: Sequence[Statistics]) -> list[bytes | str]:
    return [word for one in changed for word in (series.field(one.metric, one.variant), series.pack(one))]
