"""Long runs as arrays against points one by one; packed batches against lines, from the journal to what is stored."""

from __future__ import annotations

import functools
import json
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_sdk.journal import framing, packing
from clearml_sdk.journal.batches import BatchBuilder
from control_plane.services import event_batches, event_packing
from control_plane.services.errors import ApiError
from control_plane.services.event_batches import Batch
from control_plane.store import series
from control_plane.store.added import add
from control_plane.store.blocks import columns, cut, unpack_points
from control_plane.store.points import Merge
from control_plane.store.series import Statistics

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)
POINT = st.tuples(st.integers(-3, 12) | st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**41), ANY_FLOAT)


def same(one: Statistics, other: Statistics) -> bool:
    return series.pack(one) == series.pack(other)


@given(st.lists(st.lists(POINT, min_size=1, max_size=12), min_size=1, max_size=4))
def test_statistics_of_arrays_are_those_of_the_points(batches: list[list[tuple[int, int, float]]]) -> None:
    by_arrays, one_by_one = Statistics("m", "v", 0), Statistics("m", "v", 0)
    for batch in batches:
        kept = {step: (at_ms, value) for step, at_ms, value in batch}
        fits = one_by_one.can_add(min(kept))
        merge = Merge()
        merge.add(*zip(*batch, strict=True))
        written = merge.written()
        assert add(by_arrays, written.steps, written.times_ms, written.values) == fits
        if fits:
            for step in sorted(kept):
                one_by_one.add(step, kept[step][1], kept[step][0])
        assert same(by_arrays, one_by_one)


def packed(*heads: list[object], tail: bytes = b"", lines: bytes = b"", **more: object) -> bytes:
    head = {"owners": [{"id": "t", "series": [list(head) for head in heads]}], "lines": len(lines), **more}
    return event_packing.MAGIC + json.dumps(head).encode() + b"\n" + tail + lines


GOOD = ["loss", "train", "w", "", 2, 5, "i", "I"]
COLUMNS = struct.pack("<2i2I2d", 1, 2, 0, 7, 0.5, math.nan)


def unpack(body: bytes) -> Batch:
    batch = Batch("id", 0)
    event_packing.unpack(body, batch, worker="here")
    return batch


def test_columns_are_taken_as_they_came() -> None:
    (points,) = unpack(packed(GOOD, tail=COLUMNS)).owners["task", "t"].part.packed
    assert points.steps + points.times + points.values == COLUMNS
    assert (points.worker, points.first_ms, len(points)) == ("w", 5, 2)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (event_packing.MAGIC + b"{}", "header does not end"),
        (event_packing.MAGIC + b"{nope\n", "header"),
        (event_packing.MAGIC + b"{}\n", "owners"),
        (event_packing.MAGIC + b'{"owners": [], "more": 1}\n', "more"),
        (packed(GOOD, tail=COLUMNS[:-1]), "32 bytes of columns"),
        (packed(GOOD, tail=COLUMNS + b"x"), "are announced"),
        (packed([*GOOD[:4], 0, *GOOD[5:]]), ">= 1"),
        (packed([*GOOD[:4], -5, *GOOD[5:]]), ">= 1"),
        (packed([*GOOD[:6], "d", "I"], tail=COLUMNS), "Invalid enum value 'd'"),
        (packed([*GOOD[:5], 2**62, "i", "I"], tail=COLUMNS), "years 1 to 9999"),
        (packed([*GOOD[:5], -(10**15), "i", "I"], tail=COLUMNS), "years 1 to 9999"),
        (packed([*GOOD[:6], "i", "q"], tail=struct.pack("<2i2q2d", 1, 2, 0, 2**62, 0, 0)), "years 1 to 9999"),
        (packed([*GOOD[:6], "i", "q"], tail=struct.pack("<2i2q2d", 1, 2, 0, -(2**62), 0, 0)), "years 1 to 9999"),
        (packed([1, *GOOD[1:]], tail=COLUMNS), "Expected `str`"),
        (event_packing.MAGIC + b'{"owners":[]}\n', "no items"),
        (packed(GOOD, tail=COLUMNS, lines=b"x")[:-1], "are announced"),
    ],
)
def test_a_packed_batch_that_is_wrong_is_refused_with_the_reason(body: bytes, says: str) -> None:
    with pytest.raises(ApiError) as refused:
        unpack(body)
    assert refused.value.code == 400
    assert says in refused.value.message


def test_a_long_series_is_cut_into_blocks() -> None:
    count = 2500
    tail = struct.pack(f"<{count}q{count}I{count}d", *range(count), *range(count), *map(float, range(count)))
    (points,) = unpack(packed(["m", "v", "", "", count, 9, "q", "I"], tail=tail)).owners["task", "t"].part.packed
    found = [columns(unpack_points(block)) for block in cut(points)]
    assert [len(steps) for steps, _, _ in found] == [1000, 1000, 500]
    assert [step for steps, _, _ in found for step in steps] == list(range(count))
    assert [at_ms for _, times, _ in found for at_ms in times] == [9 + number for number in range(count)]
    assert [value for _, _, values in found for value in values] == list(map(float, range(count)))


FINITE = st.floats(allow_nan=False, allow_infinity=False)
RECORD = st.one_of(
    st.tuples(st.just("scalar"), st.integers(0, 2), st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**45), FINITE),
    st.tuples(st.just("log"), st.text(max_size=5)),
    st.tuples(st.just("plot"), st.integers(0, 9)),
    st.tuples(st.just("point"), st.integers(0, 9)),
)


def journal(records: list[tuple[object, ...]]) -> bytes:
    data = b"".join(framing.series(number, "title ü\n", f"s{number}") for number in range(3))
    for record in records:
        if record[0] == "scalar":
            end = framing.slots_at(len(data)) + framing.SLOT_BYTES
            data += framing.block_prefix(len(data), end)
            data = data.ljust(framing.slots_at(len(data) - framing.PREFIX_BYTES), b"\0")
            data += framing.point(*record[1:])  # type: ignore[arg-type]
        elif record[0] == "log":
            data += framing.log(77, "info", str(record[1]))
        else:
            kind = {"plot": "plot", "point": "training_stats_scalar"}[str(record[0])]
            fields = {"type": kind, "task": "t", "metric": "title ü\n", "variant": "s0", "iter": record[1]}
            data += framing.event(json.dumps({**fields, "timestamp": 3, "value": 1.5, "plot_str": "{}"}).encode())
    return data


def stored(body: bytes) -> object:
    """What would be written of a batch: the points of each series in order, and the records."""
    batch = Batch("id", 0)
    lines = event_packing.unpack(body, batch, worker="w") if event_packing.is_packed(body) else body
    event_batches.sort(batch, event_batches.decode(lines) if lines else [], worker="w")
    owner = batch.owners["task", "t"]
    points: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
    for run in [*owner.part.packed, *owner.part.runs.values()]:
        found = columns(run) if not hasattr(run, "times_ms") else (run.steps, run.times_ms, run.values)
        points.setdefault((run.metric, run.variant), []).extend(
            (step, at_ms, repr(value)) for step, at_ms, value in zip(*found, strict=True)
        )
    return points, owner.part.records, owner.count, owner.last_iteration, batch.errors


@given(st.lists(RECORD, min_size=1, max_size=20))
def test_a_journal_sent_in_either_form_stores_the_same(records: list[tuple[object, ...]]) -> None:
    data = journal(records)
    batches = [BatchBuilder("t", "w").build(data, 0, len(data), packs=packs) for packs in (True, False)]
    assert [batch.events for batch in batches] == [batches[0].events] * 2
    assert [batch.end for batch in batches] == [len(data)] * 2
    assert batches[0].is_packed == batches[0].body.startswith(packing.MAGIC)
    assert stored(batches[0].body) == stored(batches[1].body)


USUAL = {"type": "log", "task": "t", "msg": "x", "timestamp": 5, "level": "info", "worker": "w0"}
UNUSUAL = [
    {}, {"task": "other"}, {"task": ""}, {"model_event": True}, {"iter": 7}, {"timestamp": None}, {"timestamp": 2.5},
    {"timestamp": 2**60}, {"type": "plot", "plot_str": "{}"}, {"type": "unknown"}, {"level": None}, {"msg": None},
    {"worker": "w1"}, {"metric": "m", "variant": "v"},
]  # fmt: skip


@given(st.lists(st.sampled_from(UNUSUAL), max_size=6))
def test_lines_of_a_console_are_stored_the_same_alone_and_behind_anything_else(some: list[dict[str, object]]) -> None:
    lines = [{**USUAL, **one, "msg": f"line {number}"} for number, one in enumerate(some)]
    scalar = {"type": "training_stats_scalar", "task": "t", "metric": "m", "variant": "v", "value": 1.0, "timestamp": 1}
    together, apart = Batch("id", 9), Batch("id", 9)
    sort = functools.partial(event_batches.sort, worker="w")
    sort(together, event_batches.decode(b"\n".join(json.dumps(one).encode() for one in [scalar, *lines])))
    sort(apart, event_batches.decode(json.dumps(scalar).encode()))
    if lines:
        sort(apart, event_batches.decode(b"\n".join(json.dumps(one).encode() for one in lines)))
    assert together == apart
