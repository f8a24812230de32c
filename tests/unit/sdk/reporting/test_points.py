"""Points in blocks: nothing is lost or told twice, whoever appends beside whom, and wherever a batch ends."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_sdk.journal import framing, points
from clearml_sdk.journal.batches import Batch, BatchBuilder
from clearml_sdk.journal.lane import Lane
from clearml_sdk.journal.segment import HEADER_BYTES, Segment


class Reader:
    """Takes what a lane holds, as the sender does: batches of one segment after the other, some of them twice."""

    def __init__(self, lane: Lane, seed: int = 0, *, patience_s: float = 60.0) -> None:
        self.lane, self.draw, self.patience_s = lane, random.Random(seed), patience_s
        self.segment: Segment | None = None
        self.builder = BatchBuilder("task", "machine")
        self.lines: list[str] = []

    def read(self) -> bool:
        """One batch; False when there was nothing."""
        segment = self.lane.first()
        if segment is None:
            return False
        if segment is not self.segment:
            self.segment = segment
            self.builder = BatchBuilder("task", "machine", patience_s=self.patience_s)
        start, end = segment.acked, segment.end
        batch = self.builder.build(segment.map, start, end)
        segment.announce(batch.end)
        if self.draw.random() < 0.3:  # no answer: the same once more, perhaps by another process
            again = self.builder
            if self.draw.random() < 0.5:
                again = BatchBuilder("task", "machine")
                again.skip(segment.map, HEADER_BYTES, start)
            assert again.build(segment.map, start, batch.end, exactly=True).body == batch.body
        packed = BatchBuilder("task", "machine")
        packed.skip(segment.map, HEADER_BYTES, start)
        as_columns = packed.build(segment.map, start, batch.end, exactly=True, packs=True)
        assert as_columns.events == batch.events  # and blocks without any point are no series
        segment.acknowledge(batch.end)
        self.lines += batch.body.decode().splitlines()
        return True

    def read_all(self) -> list[str]:
        while self.read():
            pass
        assert self.lane.delivered_position() == self.lane.position()
        return self.lines


def told(lines: list[str]) -> Iterator[tuple[str, int]]:
    """(series or type, iteration) of each point and event."""
    for line in lines:
        event = json.loads(line)
        if event["type"] == "log":
            yield from (("log", int(text)) for text in event["msg"].split("\n"))
        else:
            yield event["variant"], event["iter"]


def event(number: int) -> bytes:
    fields = {"type": "plot", "task": "task", "metric": "m", "variant": "plot", "iter": number}
    return framing.event(json.dumps(fields).encode())


OPERATIONS = st.one_of(
    st.tuples(st.just("point"), st.sampled_from("abc"), st.integers(1, 60)),
    st.tuples(st.just("log"), st.just("log"), st.integers(1, 3)),
    st.tuples(st.just("event"), st.just("plot"), st.integers(1, 2)),
    st.tuples(st.just("read"), st.just(""), st.integers(1, 2)),
)


@given(st.lists(OPERATIONS, max_size=30), st.integers(0, 1000))
def test_whatever_comes_between_the_points_all_is_read_once_and_in_order(
    operations: list[tuple[str, str, int]], seed: int
) -> None:
    lane = Lane(None, "reports", segment_bytes=4096)
    reader, written = Reader(lane, seed), []
    number = 0
    for what, name, count in operations:
        for _ in range(count):
            if what == "read":
                reader.read()
                continue
            number += 1
            written.append((name, number))
            if what == "point":
                lane.append_scalar("m", name, number, 1, 0.5)
            else:
                lane.append(event(number) if what == "event" else framing.log(1, "info", str(number)))
    found = list(told(reader.read_all()))
    lane.close(remove=True)
    for name in ("a", "b", "c", "log", "plot"):
        assert [one for one in found if one[0] == name] == [one for one in written if one[0] == name]


def test_threads_append_while_it_is_read(tmp_path: Path) -> None:
    lane = Lane(str(tmp_path), "reports", segment_bytes=1 << 15)
    reader, each = Reader(lane), 8000
    is_over = threading.Event()

    def report(name: str) -> None:
        for number in range(each):
            lane.append_scalar("m", name, number, 1, 0.5)
            if number % 50 == 0:
                lane.append(framing.log(1, "info", str(number)))

    def read() -> None:
        while not is_over.is_set():
            lane.prepare()
            reader.read()

    writers = [threading.Thread(target=report, args=(f"s{number}",)) for number in range(4)]
    beside = threading.Thread(target=read)
    for thread in (beside, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    is_over.set()
    beside.join()
    found = Counter(told(reader.read_all()))
    wanted = Counter((f"s{number}", at) for number in range(4) for at in range(each))
    wanted.update({("log", at): 4 for at in range(0, each, 50)})
    assert found == wanted
    assert lane.dropped == 0
    lane.close(remove=True)


def test_a_point_that_never_came_holds_up_no_other(tmp_path: Path) -> None:
    lane = Lane(str(tmp_path), "reports")
    lane.append_scalar("m", "a", 1, 1, 0.5)
    lane._block.take()  # by a thread that dies here
    lane.append_scalar("m", "a", 2, 1, 0.5)
    (path,) = tmp_path.iterdir()
    found = Segment.load(1, str(path))  # as whoever comes after the whole process sees it
    assert found is not None
    batch = BatchBuilder("task", "machine").build(found.map, HEADER_BYTES, found.end)
    assert list(told(batch.body.decode().splitlines())) == [("a", 1), ("a", 2)]
    found.close()
    reader = Reader(lane, patience_s=0.01)
    assert list(told(reader.read_all())) == [("a", 1), ("a", 2)]
    lane.close(remove=True)


def test_a_point_that_is_just_being_appended_is_waited_for(tmp_path: Path) -> None:
    lane = Lane(str(tmp_path), "reports")
    lane.append_scalar("m", "a", 1, 1, 0.5)
    block = lane._block
    slot = block.take()
    has_begun = threading.Event()

    def fill() -> None:
        has_begun.wait()
        framing.pack_slot(block.map, slot, 2, 1, 0.5, 0, framing.FILLED)

    late = threading.Thread(target=fill)
    late.start()
    threading.Timer(0.05, has_begun.set).start()
    assert list(told(Reader(lane, patience_s=60.0).read_all())) == [("a", 1), ("a", 2)]
    late.join()
    lane.close(remove=True)


def test_a_point_whose_segment_is_unmapped_while_it_is_appended_goes_into_the_next(tmp_path: Path) -> None:
    lane = Lane(str(tmp_path), "reports", segment_bytes=1 << 12)

    def fill(segment: int) -> None:
        while lane.position()[0] < segment:
            lane.append(framing.log(1, "info", "0"))

    fill(2)  # the first one is being delivered, and stays mapped
    lane.append_scalar("m", "a", 1, 1, 0.5)
    block = lane._block
    take = block.take

    def take_and_be_held_up() -> int:
        slot = take()
        fill(3)  # by another thread
        return slot

    block.take = take_and_be_held_up  # type: ignore[method-assign]
    lane.append_scalar("m", "a", 2, 1, 0.5)
    assert list(lane.segments)[1].is_resting and lane.position()[0] == 3
    found = [one for one in told(Reader(lane, patience_s=0.01).read_all()) if one[0] == "a"]
    assert found == [("a", 1), ("a", 2)]
    lane.close(remove=True)


def test_a_block_ends_before_what_comes_behind_it(tmp_path: Path) -> None:
    lane = Lane(str(tmp_path), "reports")
    for number in range(3):
        lane.append_scalar("m", "a", number, 1, 0.5)
        lane.append(framing.log(1, "info", str(number)))
    segment = lane.segments[0]
    kinds = [kind for kind, _, _ in framing.records(segment.map, HEADER_BYTES, segment.end)]
    assert kinds == [framing.SERIES, *[framing.POINTS, framing.LOG] * 3]
    assert framing.valid_end(segment.map, HEADER_BYTES, segment.limit) == segment.end
    lane.close(remove=True)


@pytest.mark.parametrize("at", range(5))
def test_slots_lie_in_one_sector_of_a_disk(at: int) -> None:
    lane = Lane(None, "reports")
    lane.append(framing.log(1, "info", "x" * at))
    for number in range(40):
        lane.append_scalar("m", "a", number, 1, 0.5)
    assert (lane._block.end & -framing.SLOT_BYTES) == lane._block.end
    lane.close(remove=True)


POINTS = st.tuples(
    st.integers(0, 2**32 - 1), st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**60), st.floats(allow_nan=False)
)


@given(st.lists(st.tuples(POINTS, st.booleans()), max_size=50))
def test_slots_are_read_as_they_were_filled(slots: list[tuple[tuple[int, int, int, float], bool]]) -> None:
    data = b"".join(framing.point(*point) if is_filled else bytes(framing.SLOT_BYTES) for point, is_filled in slots)
    found = points.read(data, 0, len(data))
    ids = [found.ids] * len(found) if isinstance(found.ids, int) else list(found.ids)
    there = list(zip(ids, found.steps, found.times_ms, found.values, strict=True))
    assert there == [point for point, is_filled in slots if is_filled]


def test_a_batch_ends_among_the_points_of_a_block_where_it_is_full() -> None:
    lane = Lane(None, "reports")
    for number in range(9000):
        lane.append_scalar("m", "a", number, 1, 0.5)
    segment = lane.first()
    assert segment is not None
    builder, batches = BatchBuilder("task", "machine"), list[Batch]()
    start = HEADER_BYTES
    while start < segment.end:
        batches.append(builder.build(segment.map, start, segment.end, packs=True))
        start = batches[-1].end
    assert max(batch.events for batch in batches) == 4000
    lane.close(remove=True)
