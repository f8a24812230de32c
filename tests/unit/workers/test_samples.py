"""Packing of machine statistics against its inverse, and sums against plain lists."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.store.samples import (
    DEVICES,
    METRICS,
    Sample,
    compress,
    decompress,
    joined,
    pack,
    pack_hours,
    readable,
    stretch,
    unpack,
    unpack_hours,
)

VALUES = st.lists(st.floats(-1e9, 1e9, width=32), min_size=1, max_size=4)
SAMPLE = st.builds(
    Sample,
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.dictionaries(st.sampled_from(METRICS), VALUES, max_size=5),
)


def near(value: float) -> Any:
    return pytest.approx(value, rel=3e-4, abs=1e-30)


@given(st.lists(SAMPLE, max_size=5))
def test_samples_come_back_near_to_what_they_were(some: list[Sample]) -> None:
    raw = b"".join(map(pack, some))
    found = list(unpack(decompress(compress(raw))))
    assert [(sample.at_s, sample.is_busy, sample.values.keys()) for sample in found] == [
        (sample.at_s, sample.is_busy, sample.values.keys()) for sample in some
    ]
    for sample, back in zip(some, found, strict=True):
        for name, values in sample.values.items():
            assert list(back.values[name]) == [near(value) for value in values]


@given(st.lists(SAMPLE, min_size=1, max_size=8), st.sampled_from([60, 3600, 86400]))
def test_a_stretch_sums_its_samples_up(some: list[Sample], interval_s: int) -> None:
    found = joined(map(stretch, some), interval_s)
    assert sum(one.reports for one in found.values()) == len(some)
    for at_s, one in found.items():
        inside = [sample for sample in some if sample.at_s // interval_s * interval_s == at_s]
        assert one.busy == sum(sample.is_busy for sample in inside)
        for (name, device), total in one.totals.items():
            values = [sample.values[name][device] for sample in inside if len(sample.values.get(name, ())) > device]
            assert (total.count, total.min, total.max) == (len(values), min(values), max(values))
            assert math.isclose(total.sum, sum(values), rel_tol=1e-9, abs_tol=1e-3)
    for back, one in zip(unpack_hours(pack_hours(found.values())), found.values(), strict=True):
        assert (back.at_s, back.reports, back.busy, back.totals.keys()) == (
            one.at_s, one.reports, one.busy, one.totals.keys(),
        )  # fmt: skip
        for name, total in one.totals.items():
            assert (back.totals[name].min, back.totals[name].max) == (near(total.min), near(total.max))


def test_only_numbers_of_known_metrics_are_kept() -> None:
    reported = {
        "cpu_usage": [12.5], "memory_free": 1024, "gpu_usage": list(range(200)), "disk_read": math.nan,
        "disk_write": "much", "network_tx": True, "gpu_temperature": [50, None], "cpu_temperature": [], "weird": 1,
    }  # fmt: skip
    assert readable(reported) == {"cpu_usage": [12.5], "memory_free": [1024.0], "gpu_usage": list(range(DEVICES))}


def test_an_hour_of_a_machine_with_a_gpu_takes_few_bytes() -> None:
    values: dict[str, Any] = {name: [50.0 + len(name) + 0.5] for name in METRICS}
    hour = [Sample(i * 30, True, {n: [v[0] + i % 7 / 10] for n, v in values.items()}) for i in range(120)]
    raw = b"".join(map(pack, hour))
    assert len(raw) == 120 * (7 + 6 * len(METRICS))
    assert len(compress(raw)) < len(raw) / 3
    assert len(pack_hours(joined(map(stretch, hour), 3600).values())) == 14 + 18 * len(METRICS)
