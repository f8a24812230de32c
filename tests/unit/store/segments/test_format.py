"""A segment's bytes: writing and reading, and what is said of damaged ones."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_plane.store.blocks import Packed, Record, pack_lines, pack_records, unpack_records
from control_plane.store.segments import format as segment
from control_plane.store.segments.format import Contents, DamagedSegment, Sealed
from control_plane.store.squeezing import split

names = st.text(max_size=8)
points = st.lists(st.tuples(st.integers(-(2**31), 2**31), st.integers(0, 2**41), st.floats()), min_size=1, max_size=50)
records = st.builds(
    Record,
    at_ms=st.integers(0, 2**41),
    iteration=st.integers(-(2**31), 2**31),
    metric=names,
    variant=names,
    worker=names,
    text=st.text(max_size=50),
    level=names,
    key=names,
    values=st.none() | st.lists(st.floats(allow_nan=False), max_size=5),
)


def sealed(metric: str, variant: str, some: list[tuple[int, int, float]]) -> Sealed:
    steps, times, values = zip(*some, strict=True)
    return Sealed(metric, variant, np.array(steps), np.array(times), np.array(values), [(len(some), "w")])


def packed(texts: dict[str, list[Record]]) -> dict[str, Packed]:
    return {family: Packed.of(some) for family, some in texts.items()}


def footer_of(body: bytes) -> segment.Footer:
    offset, length = segment.footer_place(body[-segment.TAIL_READ :], len(body))
    return segment.decode_footer(body[offset : offset + length])


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.tuples(names, names), points, max_size=4),
    st.dictionaries(st.sampled_from(["log", "plot", "image", "vector"]), st.lists(records, max_size=20)),
)
def test_what_is_written_is_read(
    series: dict[tuple[str, str], list[tuple[int, int, float]]], texts: dict[str, list[Record]]
) -> None:
    contents = Contents([sealed(*name, some) for name, some in series.items()], packed(texts))
    body = segment.encode("task", 3, contents)
    footer = footer_of(body)
    assert (footer.owner, footer.generation) == ("task", 3)
    assert footer.points == sum(map(len, series.values()))
    for place in footer.series:
        raw = body[place.offset : place.offset + place.length]
        columns = segment.decode_series(place, raw)
        wanted = sealed("", "", series[place.metric, place.variant])
        expected = (wanted.steps, wanted.times_ms, wanted.values)
        assert [column.tobytes() for column in columns] == [column.tobytes() for column in expected]
        assert place.is_ascending == all(a < b for a, b in zip(wanted.steps, wanted.steps[1:], strict=False))
        assert segment.decode_series(place, raw, with_times=False)[2].tobytes() == wanted.values.tobytes()
    for family, some in texts.items():
        read = [
            record
            for place in footer.chunks
            if place.family == family
            for record in segment.decode_records(body[place.offset : place.offset + place.length])
        ]
        assert read == some


def test_a_console_is_cut_into_chunks_that_know_their_times() -> None:
    lines = [Record(at, 0, "", "", "w", "x" * 1000) for at in range(1000)]
    footer = footer_of(segment.encode("task", 0, Contents(records=packed({"log": lines}))))
    assert [(place.first_ms, place.last_ms) for place in footer.chunks] == [
        (0, 257),
        (258, 515),
        (516, 773),
        (774, 999),
    ]
    assert sum(place.count for place in footer.chunks) == 1000


def test_one_enormous_text_has_a_chunk_of_its_own() -> None:
    plots = [
        Record(1, 0, "m", "a", "", "small"),
        Record(1, 1, "m", "b", "", "x" * 3_000_000),
        Record(1, 2, "m", "c", "", "s"),
    ]
    footer = footer_of(segment.encode("task", 0, Contents(records=packed({"plot": plots}))))
    assert [place.names for place in footer.chunks] == [[("m", "a")], [("m", "b")], [("m", "c")]]


def test_every_flipped_byte_is_noticed() -> None:
    contents = Contents(
        [sealed("m", "v", [(i, 1000 * i, float(i)) for i in range(50)]), sealed("m", "c", [(1, 1, math.nan)])],
        packed({"log": [Record(1, 0, "", "", "", "line")]}),
    )
    body = segment.encode("task", 0, contents)
    for place in range(len(segment.MAGIC), len(body)):
        broken = bytearray(body)
        broken[place] ^= 0x40
        with pytest.raises(DamagedSegment):
            footer = footer_of(bytes(broken))
            for one in footer.series:
                segment.decode_series(one, bytes(broken[one.offset : one.offset + one.length]))
            for chunk in footer.chunks:
                segment.decode_records(bytes(broken[chunk.offset : chunk.offset + chunk.length]))


def test_wanted_series() -> None:
    footer = footer_of(segment.encode("t", 0, Contents([sealed(m, v, [(1, 1, 1.0)]) for m in "ab" for v in "xy"])))

    def chosen(names: list[tuple[str, str | None]] | None) -> list[tuple[str, str]]:
        return [(one.metric, one.variant) for one in segment.wanted(footer, names)]

    assert chosen(None) == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]
    assert chosen([("a", None)]) == [("a", "x"), ("a", "y")]
    assert chosen([("b", "y"), ("z", None)]) == [("b", "y")]


def test_a_large_compressed_block_is_a_chunk_as_it_is() -> None:
    lines = [Record(number, 0, "", "", "w", f"line {number} " * 20) for number in range(2000)]
    blocks = list(pack_lines(lines))
    small = pack_records([Record(0, 0, "", "", "w", "before")])
    packed = Packed()
    for block in (small, *blocks, small):
        packed.add(block)
    body = segment.encode("task", 0, Contents(records={"log": packed}))
    chunks = footer_of(body).chunks
    raw = [body[chunk.offset : chunk.offset + chunk.length] for chunk in chunks]
    assert raw[1:-1] == [split(block)[1] for block in blocks]
    assert [chunk.count for chunk in chunks] == [1, *(len(unpack_records(block)) for block in blocks), 1]
    assert [line for one in raw[1:-1] for line in segment.decode_records(one)] == lines
