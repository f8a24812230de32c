"""Records that are moved as they were packed, against plain lists of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.store.blocks import (
    BLOCK_BYTES,
    LINES_A_BLOCK,
    Packed,
    Record,
    names,
    pack_lines,
    pack_records,
    unpack_records,
)
from control_plane.store.squeezing import LEAST_BYTES, compressed, is_squeezed, plain, plain_size, split

RECORDS = st.lists(st.builds(Record, st.integers(0, 9), st.integers(-3, 3), *[st.text("ab", max_size=2)] * 4))
BLOCKS = st.lists(RECORDS, max_size=6)


def packed(blocks: list[list[Record]]) -> Packed:
    """Every other block comes compressed, as large ones do."""
    made = Packed()
    for number, block in enumerate(blocks):
        made.add(compressed(pack_records(block)) if number % 2 else pack_records(block))
    return made


def flat(blocks: list[list[Record]]) -> list[Record]:
    return [record for block in blocks for record in block]


@given(BLOCKS)
def test_by_time_is_a_stable_sort_and_says_where_each_was(blocks: list[list[Record]]) -> None:
    before = flat(blocks)
    ordered, places = packed(blocks).by_time()
    wanted = sorted(before, key=lambda line: line.at_ms)
    assert ordered.records() == wanted == [before[place] for place in places]
    assert ordered.times == [line.at_ms for line in wanted]
    assert ordered.iterations == [line.iteration for line in wanted]


@given(st.permutations(range(5)))
def test_blocks_that_follow_one_another_are_moved_whole(order: list[int]) -> None:
    blocks = [[Record(10 * number + n, 0, "", "", "w", "x") for n in range(3)] for number in order]
    ordered, _ = packed(blocks).by_time()
    assert ordered.records() == sorted(flat(blocks), key=lambda line: line.at_ms)
    assert ordered.counts == [3] * 5


@given(BLOCKS, st.integers(0, 60), st.integers(0, 4), st.data())
def test_taking_and_cutting_keep_records(
    blocks: list[list[Record]], most_bytes: int, most_records: int, data: st.DataObject
) -> None:
    before = flat(blocks)
    places = data.draw(st.lists(st.integers(0, max(0, len(before) - 1)), max_size=10) if before else st.just([]))
    assert packed(blocks).taken(places).records() == [before[place] for place in places]
    apart = packed(blocks).apart(most_bytes, most_records)
    assert apart.records() == before
    assert all(
        count == 1 or (count <= most_records and plain_size(body) <= most_bytes)
        for count, body in zip(apart.counts, apart.bodies, strict=True)
    )


def test_lists_of_every_length_have_their_heads() -> None:
    for count in (1, 15, 16, 65_535, 65_536):
        records = [Record(n, 0, "", "", "", "") for n in range(count)]
        assert packed([records[:1], records[1:]]).records() == records


def test_names_of_a_block_are_each_there_once() -> None:
    assert names(pack_records([Record(1, 1, *name, "", "") for name in ("ba", "aa", "ba")])) == [("a", "a"), ("b", "a")]


@given(
    st.lists(st.tuples(st.integers(0, 50), st.sampled_from([1, 500, BLOCK_BYTES // 3, BLOCK_BYTES + 1])), max_size=30)
)
def test_a_console_is_cut_into_blocks_of_a_useful_size(some: list[tuple[int, int]]) -> None:
    lines = [Record(at_ms, number, "", "", "w", "x" * size) for number, (at_ms, size) in enumerate(some)] or [
        Record(0, 0, "", "", "w", "")
    ]
    blocks = list(pack_lines(lines))
    found = flat([unpack_records(block) for block in blocks])
    assert found == (lines if len(blocks) == 1 else sorted(lines, key=lambda line: line.at_ms))
    assert all(plain_size(block) <= BLOCK_BYTES or len(unpack_records(block)) == 1 for block in blocks)
    assert all(is_squeezed(block) == (plain_size(block) >= LEAST_BYTES) for block in blocks)


def test_many_short_lines_are_cut_by_their_number() -> None:
    lines = [Record(n, 0, "", "", "w", "x") for n in range(2 * LINES_A_BLOCK + 1)]
    assert [len(unpack_records(block)) for block in pack_lines(lines)] == [LINES_A_BLOCK, LINES_A_BLOCK, 1]


@pytest.mark.parametrize("cut", [5, 40, -1])
def test_a_damaged_block_is_said_to_be(cut: int) -> None:
    block = compressed(b"x" * 100 + bytes(range(256)))
    with pytest.raises(ValueError, match="damaged"):
        plain(block[:cut])


@given(st.lists(st.tuples(st.integers(-(2**40), 2**40), st.sampled_from([0, 0, 0, 7])), min_size=1, max_size=20))
def test_large_blocks_of_a_console_say_their_times_beside(some: list[tuple[int, int]]) -> None:
    lines = [Record(at_ms, iteration, "", "", "w", "x" * LEAST_BYTES) for at_ms, iteration in some]
    made = Packed()
    for block in pack_lines(lines):
        times, _ = split(block)
        assert (times is None) == any(line.iteration for line in unpack_records(block))
        made.add(block)
    ordered, _ = made.by_time()
    wanted = sorted(lines, key=lambda line: line.at_ms)
    assert ordered.records() == wanted
    assert (ordered.times, ordered.iterations) == ([one.at_ms for one in wanted], [one.iteration for one in wanted])
