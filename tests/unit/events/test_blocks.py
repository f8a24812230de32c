"""Packing of events and its inverse."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from control_plane.store.blocks import (
    POINTS_A_BLOCK,
    Record,
    columns,
    pack_points,
    pack_records,
    unpack_points,
    unpack_records,
)

INT64 = st.integers(-(2**63), 2**63 - 1)
TIME = st.integers(0, 2**45)
POINT = st.tuples(INT64, TIME, st.floats(width=64))
NAMES = st.text(max_size=20)


def unpacked(blocks: list[bytes]) -> list[tuple[int, int, float]]:
    points = []
    for block in blocks:
        steps, times, values = columns(unpack_points(block))
        points += list(zip(steps, times, values, strict=True))
    return points


def same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))


@given(NAMES, NAMES, st.lists(POINT, min_size=1, max_size=40))
def test_unpacking_gives_the_points_back(metric: str, variant: str, points: list[tuple[int, int, float]]) -> None:
    steps, times, values = ([*column] for column in zip(*points, strict=True))
    blocks = list(pack_points(metric, variant, "w", "epochs", steps, times, values))
    assert (unpack_points(blocks[0]).metric, unpack_points(blocks[0]).variant) == (metric, variant)
    for (step, at, value), (wanted_step, wanted_at, wanted) in zip(unpacked(blocks), points, strict=True):
        assert (step, at) == (wanted_step, wanted_at)
        assert same(value, wanted)


def test_a_point_costs_sixteen_bytes_and_a_block_holds_a_thousand() -> None:
    count = 2 * POINTS_A_BLOCK + 1
    steps, times, values = (
        list(range(count)),
        [1_700_000_000_000 + n for n in range(count)],
        [n / 3 for n in range(count)],
    )
    blocks = list(pack_points("loss", "train", "worker", "", steps, times, values))
    assert [len(unpack_points(block)) for block in blocks] == [POINTS_A_BLOCK, POINTS_A_BLOCK, 1]
    assert len(blocks[0]) <= 16 * POINTS_A_BLOCK + 64


RECORD = st.builds(
    Record,
    at_ms=TIME,
    iteration=INT64,
    metric=NAMES,
    variant=NAMES,
    worker=NAMES,
    text=st.text(),
    level=NAMES,
    key=NAMES,
)


@given(st.lists(RECORD, max_size=10))
def test_unpacking_gives_the_records_back(records: list[Record]) -> None:
    assert unpack_records(pack_records(records)) == records
