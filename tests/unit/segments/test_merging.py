"""Which segments become one, against what it is for: few files, nothing written often, nothing large at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from control_plane.store.segments import merging
from control_plane.store.segments.index import Entry

MIB = 1024 * 1024
SIZES = st.lists(st.integers(100, 12 * MIB), max_size=60) | st.lists(st.integers(100, MIB // 4), max_size=200)


def entry(size: int, *, family: str = "scalar", is_thinned: bool = False) -> Entry:
    return Entry("name", size, {family: 1}, 0, 1, is_thinned)


@given(SIZES, st.sampled_from(("scalar", "log")))
def test_segments_sealed_one_after_the_other_become_few_and_are_written_few_times(
    sizes: list[int], family: str
) -> None:
    entries: dict[int, Entry] = {}
    written: dict[int, int] = {}
    weight = merging.TEXT_WEIGHT if family == "log" else 1
    for number, size in enumerate(sizes):
        entries[number], written[number] = entry(size, family=family), 0
        while run := merging.run(entries):
            numbers = list(entries)
            place = numbers.index(run[0])
            assert numbers[place : place + len(run)] == run and len(run) > 1
            whole = sum(entries[one].size for one in run)
            assert whole * weight <= merging.MOST_BYTES
            times = 1 + max(written[one] for one in run)
            for one in run:
                del entries[one]
            entries[run[0]], written[run[0]] = entry(whole, family=family), times
            entries = dict(sorted(entries.items()))
    total = sum(sizes) * weight
    light = sum(one.size * weight < merging.WHOLE_BYTES for one in entries.values())
    assert len(entries) <= 2 * total / merging.WHOLE_BYTES + light
    # Small ones go by eights, and once more into a whole one: of a thousand equal ones each four times.
    assert max(written.values(), default=0) <= 1 + len(sizes) // (merging.SMALL_SEGMENTS - 1) + 1


def test_many_equal_segments_end_as_whole_ones() -> None:
    entries = {number: entry(2 * MIB) for number in range(400)}
    while run := merging.run(entries):
        whole = sum(entries[one].size for one in run)
        for one in run[1:]:
            del entries[one]
        entries[run[0]] = entry(whole)
    assert all(one.size >= merging.WHOLE_BYTES for one in entries.values()) and len(entries) <= 140


def test_thinned_segments_stay_apart() -> None:
    entries = {number: entry(1000, is_thinned=number < 7) for number in range(14)}
    assert not merging.run(entries)
    assert merging.run(entries, 7) == list(range(7))
