"""Packed blocks: how events lie in a stream entry. Pure; packing and its inverse.

A block of scalars is the points of one series from one batch, in the order they came: 16 bytes a point in the common
case (iteration int32, time uint32 after the block's first, value float64) and little beside. Other families (logs,
plots, images, vectors) are a list of records.
"""

from __future__ import annotations

import operator
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, islice, pairwise
from typing import Any, Final, Literal

import msgspec

from control_plane.store.squeezing import LEAST_BYTES, is_squeezed, plain, plain_size, split, squeeze

Family = Literal["scalar", "log", "plot", "image", "vector"]
FAMILIES: Final[tuple[Family, ...]] = ("scalar", "log", "plot", "image", "vector")

POINTS_A_BLOCK = 1000
"""The knee of size against work (benchmarks of the packing, 100 to 10,000)."""

BLOCK_BYTES = 256 * 1024
"""Of a console, in a block of several lines: what reading one page of it costs at most, for sealed it stays one run."""
LINES_A_BLOCK = 1500

BYTES_OF: Final = {"i": 4, "I": 4, "q": 8}
"""How wide a number of a column is, by its type."""

_INT32 = (-(2**31), 2**31 - 1)
_UINT32_MAX = 2**32 - 1


class Points(msgspec.Struct, array_like=True, gc=False):
    """One series' points from one batch.

    `steps`, `times`, `values`: little-endian arrays of the same length; types `steps_type` (i or q), `times_type`
    (I: ms after `first_ms`; q: the same, signed), float64.
    """

    metric: str
    variant: str
    worker: str
    x_axis_label: str
    first_ms: int
    steps_type: str
    times_type: str
    steps: bytes
    times: bytes
    values: bytes

    def __len__(self) -> int:
        return len(self.values) // 8


class Record(msgspec.Struct, array_like=True, gc=False, omit_defaults=True):
    """One event that is no scalar: `text` is a console line's message, a plot's JSON, an image's URL."""

    at_ms: int
    iteration: int
    metric: str
    variant: str
    worker: str
    text: str
    level: str = ""
    """Of a console line."""
    key: str = ""
    """Of an image: its path in the file server."""
    values: list[float] | None = None
    """Of a vector."""

    @property
    def identity(self) -> tuple[int, str, str, str]:
        """Records of one identity overwrite each other, console lines apart."""
        return self.iteration, self.metric, self.variant, self.key


class Moment(msgspec.Struct, array_like=True, gc=False):
    """How a packed record begins."""

    at_ms: int
    iteration: int


class Facts(Moment, array_like=True, gc=False):
    """How it goes on."""

    metric: str
    variant: str


@dataclass
class Packed:
    """Records as they were packed: who only moves them need not look at their texts.

    They lie in pieces, at first the blocks that they came in; a piece is moved as one run of bytes, compressed
    still where it came so.
    """

    times: list[int] = field(default_factory=list)
    """In ms, of each record; so are"""
    iterations: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    """How many records each piece has."""
    bodies: list[bytes | msgspec.Raw] = field(default_factory=list)
    """The pieces, without what says how many there are unless they are compressed."""

    @classmethod
    def of(cls, records: Sequence[Record]) -> Packed:
        """These records."""
        made = cls()
        made.add(pack_records(records))
        return made

    def __len__(self) -> int:
        return len(self.times)

    def add(self, block: bytes) -> None:
        """The records of a block, behind those that are there."""
        column, block = split(block)
        if column is not None:
            times = integers("q", column).tolist()
            self.times += times
            self.iterations += [0] * len(times)
            self.counts.append(len(times))
            self.bodies.append(block)
            return
        found = _decode_moments(plain(block))
        if found:
            self.times += [moment.at_ms for moment in found]
            self.iterations += [moment.iteration for moment in found]
            self.counts.append(len(found))
            self.bodies.append(block if is_squeezed(block) else block[len(_head(len(found))) :])

    def by_time(self) -> tuple[Packed, Sequence[int]]:
        """The same by time, those of one moment as they were, and the places that they were at."""
        times, ends = self.times, list(accumulate(self.counts, initial=0))
        spans = list(pairwise(ends))
        order = sorted(range(len(spans)), key=lambda piece: times[ends[piece]])
        if all(_ascend(times[begin:end]) for begin, end in spans) and self._follow(order, spans):
            if _ascend(order):
                return self, range(len(self))
            by_piece = list(chain.from_iterable(range(*spans[piece]) for piece in order))
            counts, bodies = [self.counts[one] for one in order], [self.bodies[one] for one in order]
            return self._of(by_piece, counts, bodies), by_piece
        places = sorted(range(len(self)), key=times.__getitem__)
        return self.taken(places), places

    def _follow(self, order: Sequence[int], spans: Sequence[tuple[int, int]]) -> bool:
        """Whether each piece in this order is over when the next begins; of one moment, the one that came first goes
        first."""
        return all(
            (self.times[spans[one][1] - 1], one) < (self.times[spans[other][0]], other)
            for one, other in pairwise(order)
        )

    def taken(self, places: Iterable[int]) -> Packed:
        """Those at some places, in this order."""
        places, single = list(places), self.apart(0, 0).bodies
        return self._of(places, [1] * len(places), [single[place] for place in places])

    def apart(self, most_bytes: int, most_records: int) -> Packed:
        """The same with pieces of one record in the place of larger ones than these."""
        counts: list[int] = []
        bodies: list[bytes | msgspec.Raw] = []
        for count, body in zip(self.counts, self.bodies, strict=True):
            if count == 1 or (plain_size(body) <= most_bytes and count <= most_records):
                counts.append(count)
                bodies.append(body)
            else:
                counts += [1] * count
                bodies += _decode_raw(_head(count) + _bare(count, body))
        return Packed(self.times, self.iterations, counts, bodies)

    def block(self, first: int, last: int) -> bytes:
        """One block of the pieces from `first` on, up to `last`; a single one may be compressed, as it came."""
        if last - first == 1 and is_squeezed(self.bodies[first]):
            return bytes(self.bodies[first])
        counts, bodies = self.counts[first:last], self.bodies[first:last]
        return b"".join((_head(sum(counts)), *map(_bare, counts, bodies)))

    def records(self) -> list[Record]:
        """All of them."""
        return unpack_records(self.block(0, len(self.counts)))

    def _of(self, places: list[int], counts: list[int], bodies: list[bytes | msgspec.Raw]) -> Packed:
        times, iterations = map(self.times.__getitem__, places), map(self.iterations.__getitem__, places)
        return Packed(list(times), list(iterations), counts, bodies)


def _bare(count: int, body: bytes | msgspec.Raw) -> bytes | msgspec.Raw:
    """A piece as it can be joined with others."""
    return plain(body)[len(_head(count)) :] if is_squeezed(body) else body


def _head(count: int) -> bytes:
    """How a list of so many begins."""
    if count < 16:
        return bytes((0x90 | count,))
    return b"\xdc" + count.to_bytes(2, "big") if count < 1 << 16 else b"\xdd" + count.to_bytes(4, "big")


def _ascend(values: Sequence[Any]) -> bool:
    return all(map(operator.le, values, islice(values, 1, None)))


def names(block: bytes) -> list[tuple[str, str]]:
    """(metric, variant) of the records of a block, each once."""
    return sorted({(facts.metric, facts.variant) for facts in _decode_facts(plain(block))})


_encode = msgspec.msgpack.Encoder().encode
_decode_moments = msgspec.msgpack.Decoder(list[Moment]).decode
_decode_facts = msgspec.msgpack.Decoder(list[Facts]).decode
_decode_raw = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_decode_points = msgspec.msgpack.Decoder(Points).decode
_decode_records = msgspec.msgpack.Decoder(list[Record]).decode


def pack_points(
    metric: str,
    variant: str,
    worker: str,
    x_axis_label: str,
    steps: Sequence[int],
    times_ms: Sequence[int],
    values: Sequence[float],
) -> Iterator[bytes]:
    """The blocks of one series, at most POINTS_A_BLOCK points each, order kept."""
    for first in range(0, len(steps), POINTS_A_BLOCK):
        last = first + POINTS_A_BLOCK
        some_steps, some_times = steps[first:last], times_ms[first:last]
        base = some_times[0]
        offsets = [time - base for time in some_times]
        steps_type = "i" if min(some_steps) >= _INT32[0] and max(some_steps) <= _INT32[1] else "q"
        times_type = "I" if min(offsets) >= 0 and max(offsets) <= _UINT32_MAX else "q"
        yield _encode(
            Points(
                metric, variant, worker, x_axis_label, base, steps_type, times_type,
                _bytes(array(steps_type, some_steps)),
                _bytes(array(times_type, offsets)),
                _bytes(array("d", values[first:last])),
            )
        )  # fmt: skip


def cut(points: Points) -> Iterator[bytes]:
    """The blocks of a series that is packed already, at most POINTS_A_BLOCK points each, order kept."""
    if len(points) <= POINTS_A_BLOCK:
        yield _encode(points)
        return
    step_bytes, time_bytes = BYTES_OF[points.steps_type], BYTES_OF[points.times_type]
    for first in range(0, len(points), POINTS_A_BLOCK):
        last = first + POINTS_A_BLOCK
        yield _encode(
            msgspec.structs.replace(
                points,
                steps=points.steps[first * step_bytes : last * step_bytes],
                times=points.times[first * time_bytes : last * time_bytes],
                values=points.values[first * 8 : last * 8],
            )
        )


def unpack_points(block: bytes) -> Points:
    """The inverse of `pack_points`; its arrays are read by `columns`."""
    return _decode_points(block)


def columns(points: Points) -> tuple[array[int], list[int], array[float]]:
    """(steps, times in ms since the epoch, values) of a block."""
    times = integers(points.times_type, points.times)
    return integers(points.steps_type, points.steps), [points.first_ms + at for at in times], _floats(points.values)


def pack_records(records: Sequence[Record]) -> bytes:
    """One block of records, order kept."""
    return _encode(records)


def pack_lines(lines: Sequence[Record]) -> Iterator[bytes]:
    """Blocks of a console of at most BLOCK_BYTES; a longer line has one of its own. More than one go by time.

    Large ones are compressed.
    """
    if len(lines) <= LINES_A_BLOCK:
        block = pack_records(lines)
        if len(block) <= BLOCK_BYTES or len(lines) == 1:
            is_plain = len(block) < LEAST_BYTES or any(line.iteration for line in lines)
            yield squeeze(block, None if is_plain else _bytes(array("q", [line.at_ms for line in lines])))
            return
    lines = sorted(lines, key=operator.attrgetter("at_ms"))
    each = min(LINES_A_BLOCK, (len(lines) + 1) // 2)
    for first in range(0, len(lines), each):
        yield from pack_lines(lines[first : first + each])


def unpack_records(block: bytes) -> list[Record]:
    """The inverse of `pack_records`."""
    return _decode_records(plain(block))


def _bytes(values: array[int] | array[float]) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def integers(kind: str, raw: bytes) -> array[int]:
    """A column of whole numbers."""
    values: array[int] = array(kind)
    values.frombytes(raw)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _floats(raw: bytes) -> array[float]:
    values = array("d")
    values.frombytes(raw)
    if sys.byteorder == "big":
        values.byteswap()
    return values
