"""A segment: the sealed events of one task or model in one immutable file. Pure.

    magic | chunks, each compressed on its own | summaries | footer: what is where | tail: the footer's place

The footer says of every series and chunk of records where it lies and what it spans, so a reader takes the few ranges
it needs. Every chunk and the footer carry a checksum. A file is named by the hash of its bytes.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec
import numpy as np
import zstandard

from control_plane.store.blocks import Packed, Record, names, unpack_records
from control_plane.store.segments.arrays import (
    Floats,
    Integers,
    pack_floats,
    pack_integers,
    unpack_floats,
    unpack_integers,
)
from control_plane.store.segments.arrivals import Arrivals
from control_plane.store.segments.summaries import LEAST_POINTS, Summary, pack_summary, summarize, unpack_summary
from control_plane.store.squeezing import compressed, is_squeezed, plain_size

MAGIC = b"CLSEG\x00\x01\n"
TAIL = struct.Struct("<QI8s")
TAIL_READ = 64 * 1024
"""What a reader takes from the end first: the footer of all but large segments is in it."""
CHUNK_BYTES = 256 * 1024
"""Of a chunk of records, before compression: what reading one page of a console costs."""
WHOLE_BYTES = CHUNK_BYTES // 4
"""A block that has so many, and came compressed, is a chunk as it is."""
CHUNK_RECORDS = 4096


class DamagedSegment(ValueError):
    """The bytes are not those that were written."""


@dataclass
class Sealed:
    """Points of one series in the order they were written: three arrays of the same length, at least 1."""

    metric: str
    variant: str
    steps: Integers
    times_ms: Integers
    values: Floats
    workers: list[tuple[int, str]] = field(default_factory=list)
    """Who reported them: (how many points in a row, worker)."""


@dataclass
class Contents:
    """What one segment holds."""

    series: list[Sealed] = field(default_factory=list)
    records: dict[str, Packed] = field(default_factory=dict)
    """Family -> its records in the order they were written; a console's by time."""
    arrivals: Arrivals | None = None
    """Of the console's lines, in their order."""


class SummaryPlace(msgspec.Struct, array_like=True, frozen=True):
    """Where the summary of a series lies."""

    offset: int
    length: int
    shift: int
    check: int
    """CRC-32."""


class SeriesPlace(msgspec.Struct, array_like=True, frozen=True):
    """Where a series lies: its three columns follow one another."""

    metric: str
    variant: str
    count: int
    lowest: int
    highest: int
    """Iterations it spans."""
    is_ascending: bool
    """Whether every iteration is above the one before."""
    offset: int
    steps_length: int
    times_length: int
    values_length: int
    check: int
    """CRC-32 of the three."""
    workers: list[tuple[int, str]]
    summary: SummaryPlace | None = None
    """None: it is short, not ascending, or was sealed before there were summaries."""

    @property
    def length(self) -> int:
        """Bytes of the three columns."""
        return self.steps_length + self.times_length + self.values_length


class ChunkPlace(msgspec.Struct, array_like=True, frozen=True):
    """Where some records lie."""

    family: str
    count: int
    first_ms: int
    last_ms: int
    """Times they span."""
    lowest: int
    highest: int
    """Iterations they span."""
    offset: int
    length: int
    names: list[tuple[str, str]]
    """(metric, variant) of each record once; empty for a console."""


class ArrivalsPlace(msgspec.Struct, array_like=True, frozen=True):
    """Where the arrivals of a console's lines lie: two columns that follow one another."""

    count: int
    offset: int
    ms_length: int
    numbers_length: int
    check: int
    """CRC-32 of the two."""

    @property
    def length(self) -> int:
        """Bytes of the two columns."""
        return self.ms_length + self.numbers_length


class Footer(msgspec.Struct, array_like=True, frozen=True):
    """What is where."""

    owner: str
    generation: int
    series: list[SeriesPlace]
    chunks: list[ChunkPlace]
    salt: str = ""
    """Makes every file another one, so that none is written where an equal one is just being swept."""
    arrivals: ArrivalsPlace | None = None
    """None: there is no console, or it was sealed before arrivals were kept."""

    @property
    def points(self) -> int:
        """How many scalars it holds."""
        return sum(place.count for place in self.series)


_encode = msgspec.msgpack.Encoder().encode
_decode_footer = msgspec.msgpack.Decoder(Footer).decode


def name_of(body: bytes) -> str:
    """A segment's name: the hash of its bytes."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def encode(owner: str, generation: int, contents: Contents, *, salt: str = "") -> bytes:
    """The whole file; of equal contents with another salt it is another one."""
    pieces: list[bytes] = [MAGIC]
    at = len(MAGIC)
    series: list[SeriesPlace] = []
    for one in contents.series:
        steps, times, values = pack_integers(one.steps), pack_integers(one.times_ms), pack_floats(one.values)
        columns = steps + times + values
        place = SeriesPlace(
            one.metric,
            one.variant,
            count=len(one.steps),
            lowest=int(one.steps.min()),
            highest=int(one.steps.max()),
            is_ascending=bool((one.steps[1:] > one.steps[:-1]).all()),
            offset=at,
            steps_length=len(steps),
            times_length=len(times),
            values_length=len(values),
            check=zlib.crc32(columns),
            workers=one.workers,
        )
        series.append(place)
        pieces.append(columns)
        at += len(columns)
    for number, one in enumerate(contents.series):
        if series[number].is_ascending and len(one.steps) >= LEAST_POINTS:
            summary = summarize(one.steps, one.values)
            packed = pack_summary(summary)
            lies = SummaryPlace(at, len(packed), summary.shift, zlib.crc32(packed))
            series[number] = msgspec.structs.replace(series[number], summary=lies)
            pieces.append(packed)
            at += len(packed)
    chunks: list[ChunkPlace] = []
    for family, records in sorted(contents.records.items()):
        for begin, end, block in _cut(records):
            packed = block if is_squeezed(block) else compressed(block)
            moments, iterations = records.times[begin:end], records.iterations[begin:end]
            chunks.append(
                ChunkPlace(
                    family,
                    end - begin,
                    min(moments),
                    max(moments),
                    min(iterations),
                    max(iterations),
                    at,
                    len(packed),
                    [] if family == "log" else names(block),
                )
            )
            pieces.append(packed)
            at += len(packed)
    arrivals = None
    if contents.arrivals is not None:
        ms, numbers = pack_integers(contents.arrivals.ms), pack_integers(contents.arrivals.numbers)
        arrivals = ArrivalsPlace(len(contents.arrivals), at, len(ms), len(numbers), zlib.crc32(ms + numbers))
        pieces += ms, numbers
        at += arrivals.length
    footer = compressed(_encode(Footer(owner, generation, series, chunks, salt, arrivals)))
    return b"".join((*pieces, footer, TAIL.pack(at, len(footer), MAGIC)))


def _cut(records: Packed) -> Iterator[tuple[int, int, bytes]]:
    """(first, behind the last, block) of runs of about CHUNK_BYTES; a longer record has one of its own.

    A block is compressed already where it came so and is large enough for a run of its own.
    """
    records = records.apart(CHUNK_BYTES, CHUNK_RECORDS)
    first, begin, end, size = 0, 0, 0, 0
    for place, (count, body) in enumerate(zip(records.counts, records.bodies, strict=True)):
        more = plain_size(body)
        is_whole = more >= WHOLE_BYTES and is_squeezed(body)
        if size and (is_whole or size + more > CHUNK_BYTES or end - begin + count > CHUNK_RECORDS):
            yield begin, end, records.block(first, place)
            first, begin, size = place, end, 0
        end += count
        size += more
        if is_whole:
            yield begin, end, records.block(first, place + 1)
            first, begin, size = place + 1, end, 0
    if size:
        yield begin, end, records.block(first, len(records.counts))


def footer_place(tail: bytes, size: int) -> tuple[int, int]:
    """(offset, length) of the footer, from the last bytes of a file of `size` bytes. Raises DamagedSegment."""
    if len(tail) < TAIL.size:
        raise DamagedSegment("it is too short")
    offset, length, magic = TAIL.unpack(tail[-TAIL.size :])
    if magic != MAGIC or offset + length + TAIL.size != size:
        raise DamagedSegment("its end is not a segment's")
    return offset, length


def decode_footer(raw: bytes) -> Footer:
    """The footer of its bytes. Raises DamagedSegment."""
    try:
        return _decode_footer(_decompress(raw))
    except msgspec.DecodeError as error:
        raise DamagedSegment(str(error)) from None


def decode_records(raw: bytes) -> list[Record]:
    """The records of a chunk. Raises DamagedSegment."""
    try:
        return unpack_records(_decompress(raw))
    except msgspec.DecodeError as error:
        raise DamagedSegment(str(error)) from None


def decode_block(raw: bytes) -> bytes:
    """The same, packed still. Raises DamagedSegment."""
    return _decompress(raw)


def decode_series(place: SeriesPlace, raw: bytes, *, with_times: bool = True) -> tuple[Integers, Integers, Floats]:
    """(iterations, times in ms, values) of the bytes at a series' place; without times they are empty.

    Raises DamagedSegment.
    """
    if zlib.crc32(raw) != place.check:
        raise DamagedSegment(f"the checksum of series {place.metric!r} {place.variant!r} is another")
    times_at = place.steps_length
    values_at = times_at + place.times_length
    try:
        steps = unpack_integers(raw[:times_at], place.count)
        times = unpack_integers(raw[times_at:values_at], place.count) if with_times else np.empty(0, np.int64)
        return steps, times, unpack_floats(raw[values_at:], place.count)
    except (ValueError, IndexError, KeyError, struct.error) as error:
        raise DamagedSegment(f"series {place.metric!r} {place.variant!r}: {error}") from None


def decode_summary(place: SeriesPlace, raw: bytes) -> Summary:
    """The summary of a series of the bytes at `range_in_short`. Raises DamagedSegment."""
    lies = place.summary
    if lies is None:
        steps, _, values = decode_series(place, raw, with_times=False)
        return summarize(steps, values)
    if zlib.crc32(raw) != lies.check:
        raise DamagedSegment(f"the checksum of the summary of {place.metric!r} {place.variant!r} is another")
    try:
        return unpack_summary(raw)
    except (ValueError, struct.error) as error:
        raise DamagedSegment(f"the summary of {place.metric!r} {place.variant!r}: {error}") from None


def range_in_short(place: SeriesPlace) -> tuple[int, int]:
    """(offset, length) of what its summary is read from: that, or the points of an ascending series without one."""
    return (place.offset, place.length) if place.summary is None else (place.summary.offset, place.summary.length)


def decode_arrivals(place: ArrivalsPlace, raw: bytes) -> Arrivals:
    """The arrivals of the bytes at their place. Raises DamagedSegment."""
    if zlib.crc32(raw) != place.check:
        raise DamagedSegment("the checksum of the console's arrivals is another")
    try:
        ms = unpack_integers(raw[: place.ms_length], place.count)
        return Arrivals(ms, unpack_integers(raw[place.ms_length :], place.count))
    except (ValueError, IndexError, KeyError, struct.error) as error:
        raise DamagedSegment(f"the console's arrivals: {error}") from None


def wanted(footer: Footer, names: Iterable[tuple[str, str | None]] | None) -> list[SeriesPlace]:
    """The places of some series; names without a variant mean every one of the metric, None means all."""
    if names is None:
        return footer.series
    exact = set(names)
    return [one for one in footer.series if (one.metric, one.variant) in exact or (one.metric, None) in exact]


def _decompress(raw: bytes) -> bytes:
    try:
        return zstandard.ZstdDecompressor().decompress(raw)
    except zstandard.ZstdError as error:
        raise DamagedSegment(str(error)) from None
