"""Segments against their inverse: every number bit by bit, every record, and no damage taken for content."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.store.blocks import Packed, Record
from control_plane.store.segments import format as segment
from control_plane.store.segments.arrays import pack_floats, pack_integers, unpack_floats, unpack_integers
from control_plane.store.segments.arrivals import Arrivals
from control_plane.store.segments.format import Contents, DamagedSegment, Sealed

INT64 = st.integers(-(2**63), 2**63 - 1)
BITS = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])
"""Any double there is, NaNs with a payload too."""
FLOATS = BITS | st.floats(width=32) | st.integers(-100, 100).map(float)
TEXTS = st.text(max_size=30)
RECORD = st.builds(
    Record, st.integers(0, 2**45), INT64, TEXTS, TEXTS, TEXTS, TEXTS, level=TEXTS, key=TEXTS,
    values=st.none() | st.lists(st.floats(allow_nan=False), max_size=3),
)  # fmt: skip


def bits(values: object) -> list[int]:
    return list(np.asarray(values, np.float64).view(np.uint64).tolist())


@given(st.lists(INT64, min_size=1, max_size=60) | st.lists(st.integers(0, 300), min_size=1, max_size=60))
def test_integers_come_back(values: list[int]) -> None:
    packed = pack_integers(np.array(values, np.int64))
    assert unpack_integers(packed, len(values)).tolist() == values


@given(st.integers(-(2**40), 2**40), st.integers(-1000, 1000), st.integers(1, 3000))
def test_even_steps_cost_nothing(first: int, step: int, count: int) -> None:
    values = [first + step * place for place in range(count)]
    packed = pack_integers(np.array(values, np.int64))
    assert len(packed) < 20
    assert unpack_integers(packed, count).tolist() == values


@given(st.lists(FLOATS, min_size=1, max_size=80))
def test_floats_come_back_bit_by_bit(values: list[float]) -> None:
    packed = pack_floats(np.array(values, np.float64))
    assert bits(unpack_floats(packed, len(values))) == bits(values)


@st.composite
def contents(draw: st.DrawFn) -> Contents:
    series = []
    for metric, variant in draw(st.lists(st.tuples(TEXTS, TEXTS), unique=True, max_size=4)):
        points = draw(st.lists(st.tuples(INT64, INT64, FLOATS), min_size=1, max_size=20))
        steps, times, values = zip(*points, strict=True)
        workers = [(len(points), draw(TEXTS))]
        columns = np.array(steps, np.int64), np.array(times, np.int64), np.array(values, np.float64)
        series.append(Sealed(metric, variant, *columns, workers))
    records = draw(
        st.dictionaries(st.sampled_from(["plot", "image", "vector"]), st.lists(RECORD, min_size=1, max_size=6))
    )
    made = Contents(series, {family: Packed.of(some) for family, some in records.items()})
    if lines := draw(st.lists(RECORD, max_size=6)):
        made.records["log"] = Packed.of(lines)
        ids = draw(st.lists(st.tuples(INT64, INT64), min_size=len(lines), max_size=len(lines)))
        made.arrivals = Arrivals(np.array([ms for ms, _ in ids], np.int64), np.array([n for _, n in ids], np.int64))
    return made


def decoded(body: bytes) -> Contents:
    """Everything in a file, as a reader takes it range by range."""
    offset, length = segment.footer_place(body[-segment.TAIL.size :], len(body))
    footer = segment.decode_footer(body[offset : offset + length])
    found = Contents()
    for place in footer.series:
        columns = segment.decode_series(place, body[place.offset : place.offset + place.length])
        found.series.append(Sealed(place.metric, place.variant, *columns, place.workers))
    for chunk in footer.chunks:
        raw = body[chunk.offset : chunk.offset + chunk.length]
        assert len(segment.decode_records(raw)) == chunk.count
        found.records.setdefault(chunk.family, Packed()).add(segment.decode_block(raw))
    if footer.arrivals is not None:
        at = footer.arrivals.offset
        found.arrivals = segment.decode_arrivals(footer.arrivals, body[at : at + footer.arrivals.length])
    return found


def plain(made: Contents) -> object:
    series = [
        (one.metric, one.variant, one.steps.tolist(), one.times_ms.tolist(), bits(one.values), one.workers)
        for one in made.series
    ]
    came = None if made.arrivals is None else (made.arrivals.ms.tolist(), made.arrivals.numbers.tolist())
    return series, {family: some.records() for family, some in sorted(made.records.items())}, came


@settings(deadline=None, max_examples=40)
@given(contents())
def test_a_segment_holds_what_was_put_in(made: Contents) -> None:
    body = segment.encode("owner", 3, made, salt="s")
    assert plain(decoded(body)) == plain(made)
    assert segment.name_of(body) != segment.name_of(segment.encode("owner", 3, made, salt="t"))


@settings(deadline=None, max_examples=40)
@given(contents(), st.data())
def test_a_changed_byte_is_no_other_content(made: Contents, data: st.DataObject) -> None:
    body = bytearray(segment.encode("owner", 3, made))
    place = data.draw(st.integers(len(segment.MAGIC), len(body) - 1))
    body[place] ^= data.draw(st.integers(1, 255))
    try:
        found = decoded(bytes(body))
    except DamagedSegment:
        return
    assert plain(found) == plain(made), "damage was taken for content"


@settings(deadline=None, max_examples=40)
@given(contents(), st.data())
def test_a_file_that_was_cut_off_is_damaged(made: Contents, data: st.DataObject) -> None:
    body = segment.encode("owner", 3, made)
    with pytest.raises(DamagedSegment):
        decoded(body[: data.draw(st.integers(0, len(body) - 1))])


def test_a_footer_of_before_arrivals_is_read() -> None:
    lines = [Record(1, 0, "", "", "w", "a line")]
    body = segment.encode("owner", 0, Contents([], {"log": Packed.of(lines)}))
    assert decoded(body).arrivals is None
    assert decoded(body).records["log"].records() == lines
