"""Packed machine statistics: the samples of a worker, and what an hour of them was like. Pure.

A sample is 7 bytes and 2 + 4 n bytes a metric of n devices; values keep 12 significant bits (0.02 %), so that an hour
of them compresses well. A summary has three numbers and a count where a sample has one value.
"""

from __future__ import annotations

import math
import struct
import zlib
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

METRICS: tuple[str, ...] = (
    "cpu_usage", "cpu_temperature",
    "gpu_usage", "gpu_temperature", "gpu_memory_free", "gpu_memory_used",
    "memory_free", "memory_used",
    "disk_free_home", "disk_free_temp", "disk_read", "disk_write",
    "network_tx", "network_rx",
)  # fmt: skip
"""What workers report; a metric's place here is its code in the data, so new ones come last."""

DEVICES = 64
"""So many values of one metric are kept."""

HOUR_S = 3600
_CODES = {name: code for code, name in enumerate(METRICS)}
_HEAD = struct.Struct("<IBH")
_SUMMARY = struct.Struct("<III")
_FOUR = 16
"""Bytes of a device in a summary."""


@dataclass(slots=True)
class Sample:
    """One report. `values`: metric -> a value for each device."""

    at_s: int
    is_busy: bool
    values: dict[str, Sequence[float]] = field(default_factory=dict)


@dataclass(slots=True)
class Total:
    """Some values of one metric of one device."""

    count: int = 0
    sum: float = 0.0
    min: float = math.inf
    max: float = -math.inf

    def add(self, other: Total) -> None:
        """Take other values of the same."""
        self.count += other.count
        self.sum += other.sum
        self.min = min(self.min, other.min)
        self.max = max(self.max, other.max)


@dataclass(slots=True)
class Stretch:
    """What a worker reported in some time: one sample, an hour, or what a reader asks for."""

    at_s: int
    """When it begins, s since the epoch."""
    reports: int = 0
    busy: int = 0
    """Reports of running a task."""
    totals: dict[tuple[str, int], Total] = field(default_factory=dict)
    """(metric, device) -> its values."""

    def add(self, other: Stretch) -> None:
        """Take another part of the same time."""
        self.reports += other.reports
        self.busy += other.busy
        for name, total in other.totals.items():
            self.totals.setdefault(name, Total()).add(total)


def readable(machine_stats: Mapping[str, object]) -> dict[str, Sequence[float]]:
    """What of a report's `machine_stats` is kept: known metrics that are finite numbers, or lists of them."""
    found: dict[str, Sequence[float]] = {}
    for name in METRICS:
        value = machine_stats.get(name)
        devices = value if isinstance(value, list) else [value]
        numbers = [
            float(one) for one in devices[:DEVICES] if isinstance(one, (int, float)) and not isinstance(one, bool)
        ]
        if numbers and len(numbers) == len(devices[:DEVICES]) and all(math.isfinite(number) for number in numbers):
            found[name] = numbers
    return found


def pack(sample: Sample) -> bytes:
    """One sample; samples are simply put one after the other."""
    body = bytearray()
    for name, values in sample.values.items():
        body += bytes((_CODES[name], len(values))) + _floats(values)
    return _HEAD.pack(sample.at_s, sample.is_busy, len(body)) + bytes(body)


def unpack(raw: bytes, metrics: Collection[str] = METRICS) -> Iterator[Sample]:
    """The inverse of `pack`, for any number of samples. `metrics`: only these."""
    wanted = frozenset(_CODES[name] for name in metrics if name in _CODES)
    at = 0
    while at < len(raw):
        at_s, is_busy, size = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        sample, end = Sample(at_s, bool(is_busy)), at + size
        while wanted and at < end:
            code, count = raw[at], raw[at + 1]
            if code in wanted:
                values = array("f")
                values.frombytes(raw[at + 2 : at + 2 + 4 * count])
                sample.values[METRICS[code]] = values
            at += 2 + 4 * count
        at = end
        yield sample


def compress(raw: bytes) -> bytes:
    """An hour's samples that will not grow any more."""
    return zlib.compress(raw, 6)


def decompress(packed: bytes) -> bytes:
    """The inverse of `compress`."""
    return zlib.decompress(packed)


def stretch(sample: Sample) -> Stretch:
    """A sample as a stretch of time."""
    totals = {
        (name, device): Total(1, value, value, value)
        for name, values in sample.values.items()
        for device, value in enumerate(values)
    }
    return Stretch(sample.at_s, 1, int(sample.is_busy), totals)


def joined(parts: Iterable[Stretch], interval_s: int) -> dict[int, Stretch]:
    """Stretches of one length by their beginning; those without a report are left out."""
    found: dict[int, Stretch] = {}
    for part in parts:
        at_s = part.at_s // interval_s * interval_s
        known = found.get(at_s)
        if known is None:
            known = found[at_s] = Stretch(at_s)
        known.add(part)
    return found


def pack_hours(hours: Iterable[Stretch]) -> bytes:
    """Summaries of hours."""
    body = bytearray()
    for hour in hours:
        body += _SUMMARY.pack(hour.at_s, hour.reports, hour.busy) + struct.pack("<H", len(hour.totals))
        for (name, device), total in hour.totals.items():
            body += bytes((_CODES[name], device)) + struct.pack("<I", total.count)
            body += _floats((total.sum / total.count, total.min, total.max))
    return bytes(body)


def unpack_hours(raw: bytes, metrics: Collection[str] = METRICS) -> Iterator[Stretch]:
    """The inverse of `pack_hours`, but for the digits that a float32 loses. `metrics`: only these."""
    wanted = frozenset(_CODES[name] for name in metrics if name in _CODES)
    at = 0
    while at < len(raw):
        hour = Stretch(*_SUMMARY.unpack_from(raw, at))
        (count,) = struct.unpack_from("<H", raw, at + _SUMMARY.size)
        at += _SUMMARY.size + 2
        for _ in range(count):
            if raw[at] in wanted:
                code, device, values, mean, least, most = struct.unpack_from("<BBIfff", raw, at)
                hour.totals[METRICS[code], device] = Total(values, mean * values, least, most)
            at += 2 + _FOUR
        yield hour


def _floats(values: Iterable[float]) -> bytes:
    """float32 with the lower half of its digits cut off."""
    return array("f", map(_rounded, values)).tobytes()


def _rounded(value: float) -> float:
    if not value:
        return 0.0
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(mantissa * 4096), exponent - 12)
