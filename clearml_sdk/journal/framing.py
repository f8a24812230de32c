"""How records lie in a journal segment: pure functions between records and bytes.

    record   crc u32 | head u32 = kind << 24 | payload length | payload
    SERIES   id u32 | length of the title u16 | title | series       (the names of a series, before its first point)
    POINTS   slots: iteration i64 | at i64, ms since epoch | value f64 | series id u32 | mark u32
    LOG      at u64, ms since epoch | level u8 | text
    EVENT    a whole event as JSON text

Little endian; texts are UTF-8. The checksum covers head and payload, so that a record of which only a part reached the
file is seen as the end of the segment: what is read back is always a prefix of what was written.

POINTS are framed before they are there, with a constant in place of the checksum: each slot is filled by one call, in
the order of its fields, and holds a point once its mark says so. Slots begin at multiples of their size, so that none
lies across two sectors of a disk.
"""

from __future__ import annotations

import struct
from zlib import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

SERIES, POINTS, LOG, EVENT = 1, 2, 3, 4
KINDS = frozenset({SERIES, POINTS, LOG, EVENT})
FILLED, VOID = 1, 2
"""Marks of a slot: it holds a point, or never will. 0: not yet."""

PREFIX_BYTES = 8
MAX_PAYLOAD_BYTES = (1 << 24) - 1

LEVELS = ("notset", "debug", "info", "warning", "error", "critical")
LEVEL_CODES = {name: code for code, name in enumerate(LEVELS)} | {"warn": 3, "fatal": 5}

_CRC = struct.Struct("<I")
_PREFIX = struct.Struct("<II")
_SLOT = struct.Struct("<qqdII")
_MARK = struct.Struct("<I")
_SERIES = struct.Struct("<IH")
_LOG = struct.Struct("<QB")

SLOT_BYTES = _SLOT.size
MARK_AT = SLOT_BYTES - _MARK.size

_BLOCK = 0x534E5450

unpack_prefix = _PREFIX.unpack_from
pack_slot = _SLOT.pack_into
pack_mark = _MARK.pack_into


def point(series_id: int, iteration: int, at_ms: int, value: float) -> bytes:
    """A filled slot. Raises struct.error when a number is out of range."""
    return _SLOT.pack(iteration, at_ms, value, series_id, FILLED)


def slots_at(head: int) -> int:
    """Where the slots begin of a block whose prefix is at `head`."""
    return (head + PREFIX_BYTES + SLOT_BYTES - 1) & -SLOT_BYTES


def block_prefix(head: int, end: int) -> bytes:
    """The prefix of a block between two offsets."""
    return _PREFIX.pack(_BLOCK, POINTS << 24 | (end - head - PREFIX_BYTES))


def series(series_id: int, title: str, name: str) -> bytes:
    """The names behind a series id; the title is cut at 65,535 bytes."""
    title_bytes = encode(title)[:0xFFFF]
    return record(SERIES, _SERIES.pack(series_id, len(title_bytes)) + title_bytes + encode(name))


def log(at_ms: int, level: str, text: str) -> bytes:
    """A console text; an unknown level counts as info."""
    return record(LOG, _LOG.pack(at_ms, LEVEL_CODES.get(level.lower(), 2)) + encode(text))


def event(text: bytes) -> bytes:
    """An event that is JSON already."""
    return record(EVENT, text)


def record(kind: int, payload: bytes) -> bytes:
    """A framed record. Raises ValueError when the payload is longer than MAX_PAYLOAD_BYTES."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a record of {len(payload)} bytes: the limit is {MAX_PAYLOAD_BYTES}")
    head = (kind << 24 | len(payload)).to_bytes(4, "little")
    return _CRC.pack(crc32(payload, crc32(head))) + head + payload


def read_series(payload: bytes) -> tuple[int, str, str]:
    """(id, title, series) of a SERIES record's payload."""
    series_id, length = _SERIES.unpack_from(payload)
    names = payload[_SERIES.size :]
    return series_id, decode(names[:length]), decode(names[length:])


def read_log(payload: bytes) -> tuple[int, str, str]:
    """(at, ms since epoch; level; text) of a LOG record's payload."""
    at_ms, level = _LOG.unpack_from(payload)
    return at_ms, LEVELS[level] if level < len(LEVELS) else "info", decode(payload[_LOG.size :])


def records(data: bytes | mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(kind, offset of the payload, offset of the next record) for each record between two offsets.

    `end` is a record's end that the writer announced: nothing is checked.
    """
    while start < end:
        _, head = unpack_prefix(data, start)
        payload = start + PREFIX_BYTES
        start = payload + (head & MAX_PAYLOAD_BYTES)
        yield head >> 24, payload, start


def valid_end(data: bytes | mmap, start: int, end: int) -> int:
    """The offset behind the last whole record between two offsets: where a writer that died had come to."""
    while start + PREFIX_BYTES <= end:
        crc, head = unpack_prefix(data, start)
        following = start + PREFIX_BYTES + (head & MAX_PAYLOAD_BYTES)
        if head >> 24 not in KINDS or following > end:
            break
        if crc != (_BLOCK if head >> 24 == POINTS else crc32(data[start + 4 : following])):
            break
        start = following
    return start


def encode(text: str) -> bytes:
    """UTF-8; what it cannot carry (a lone surrogate) is replaced."""
    return str(text).encode("utf-8", "replace")


def decode(data: bytes) -> str:
    return data.decode("utf-8", "replace")
