"""Columns of sealed series: packing and its inverse, bit by bit."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.store.segments.arrays import pack_floats, pack_integers, unpack_floats, unpack_integers

int64 = st.integers(-(2**63), 2**63 - 1)
any_float = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])
single = st.floats(width=32)


@given(st.lists(int64, min_size=1, max_size=300))
def test_any_integers_come_back(values: list[int]) -> None:
    packed = pack_integers(np.array(values, np.int64))
    assert unpack_integers(packed, len(values)).tolist() == values


@given(st.integers(-(2**40), 2**40), st.integers(-1000, 1000), st.integers(1, 5000))
def test_even_steps_take_no_room(first: int, step: int, count: int) -> None:
    values = first + step * np.arange(count)
    packed = pack_integers(values)
    assert len(packed) < 20
    assert (unpack_integers(packed, count) == values).all()


@given(st.lists(any_float | single, min_size=1, max_size=300))
def test_any_floats_come_back_with_every_bit(values: list[float]) -> None:
    array = np.array(values)
    packed = pack_floats(array)
    assert unpack_floats(packed, len(values)).tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("values", "most"),
    [
        (np.random.default_rng(1).normal(size=10_000), 7.6),
        (np.random.default_rng(1).normal(size=10_000).astype("f4").astype("f8"), 4.0),
        (np.exp(-np.arange(10_000) / 2e3), 2.0),
        (1e-3 * (1 - np.arange(10_000) / 10_000), 0.3),
        (np.full(10_000, math.nan), 0.01),
    ],
    ids=["noise", "noise in single precision", "decay", "line", "nothing but NaN"],
)
def test_bytes_a_value(values: np.ndarray, most: float) -> None:
    assert len(pack_floats(values)) / len(values) <= most
