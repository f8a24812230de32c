"""The lane that a process appends to."""

from __future__ import annotations

import resource
import signal
import struct
import threading
from pathlib import Path

import pytest

from clearml_sdk.journal import framing
from clearml_sdk.journal.batches import BatchBuilder
from clearml_sdk.journal.lane import Lane
from clearml_sdk.journal.segment import HEADER_BYTES, Segment


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path)


def files(folder: str) -> list[Path]:
    return sorted(Path(folder).iterdir())


def points(lane: Lane) -> list[str]:
    """The lines of everything in the lane's files, read as another process would."""
    lines: list[str] = []
    for path in files(lane.folder or ""):
        segment = Segment.load(1, str(path))
        assert segment is not None
        batch = BatchBuilder("task", "machine").build(segment.map, HEADER_BYTES, segment.end, exactly=True)
        lines += batch.body.decode().splitlines()
        segment.close()
    return lines


def test_what_is_appended_is_in_the_file_when_the_call_returns(folder: str) -> None:
    lane = Lane(folder, "reports")
    lane.append_scalar("loss", "train", 3, 1700000000000, 0.5)
    assert points(lane) == [
        '{"type":"training_stats_scalar","task":"task","metric":"loss","variant":"train",'
        '"timestamp":1700000000000,"iter":3,"value":0.5}'
    ]
    lane.close(remove=True)


def test_each_segment_can_be_read_alone(folder: str) -> None:
    lane = Lane(folder, "reports", segment_bytes=4096, max_bytes=1 << 20)
    for iteration in range(1000):
        lane.append_scalar("loss", f"series {iteration % 3}", iteration, 1, float(iteration))
    assert len(lane.segments) > 5
    assert [f'"iter":{iteration},' in line for iteration, line in enumerate(points(lane))] == [True] * 1000
    lane.close(remove=True)


def test_delivered_segments_are_removed(folder: str) -> None:
    lane = Lane(folder, "reports", segment_bytes=4096)
    for iteration in range(1000):
        lane.append_scalar("loss", "train", iteration, 1, 0.0)
    while (segment := lane.first()) is not None:
        segment.acknowledge(segment.end)
    assert len(files(folder)) == 1
    assert lane.delivered_position() == lane.position()
    lane.close(remove=True)
    assert files(folder) == []


def test_a_full_lane_thins_scalars_and_keeps_its_limit(folder: str) -> None:
    lane = Lane(folder, "reports", segment_bytes=4096, max_bytes=16 * 4096)
    for iteration in range(20_000):
        lane.append_scalar("loss", "train", iteration, 1, 0.0)
    iterations = [int(line.split('"iter":')[1].split(",")[0]) for line in points(lane)]
    assert sum(path.stat().st_size for path in files(folder)) <= 16 * 4096
    assert lane.dropped == 20_000 - len(iterations)
    assert iterations == sorted(set(iterations))
    assert iterations[:500] == list(range(500))  # everything while there was room
    assert iterations[-1] > 5_000  # thinned, not cut off
    lane.close(remove=True)


def test_a_lane_that_got_room_again_takes_every_scalar(folder: str) -> None:
    lane = Lane(folder, "reports", segment_bytes=4096, max_bytes=16 * 4096)
    for iteration in range(20_000):
        lane.append_scalar("loss", "train", iteration, 1, 0.0)
    while (segment := lane.first()) is not None:
        segment.acknowledge(segment.end)
    for iteration in range(30_000, 30_100):
        lane.append_scalar("loss", "train", iteration, 1, 0.0)
    assert sum('"iter":300' in line for line in points(lane)) == 100
    lane.close(remove=True)


def test_texts_find_no_room_only_when_there_is_none(folder: str) -> None:
    lane = Lane(folder, "reports", segment_bytes=4096, max_bytes=4 * 4096)
    record = framing.log(1, "info", "x" * 1000)
    stored = [lane.append(record) for _ in range(50)]
    assert stored == sorted(stored, reverse=True)
    assert 8 <= sum(stored) < 50
    assert lane.dropped == stored.count(False)
    lane.close(remove=True)


def test_a_record_longer_than_a_segment_gets_one_of_its_own(folder: str) -> None:
    lane = Lane(folder, "reports", segment_bytes=4096)
    assert lane.append(framing.event(b'"' + b"y" * 100_000 + b'"'))
    lane.append_scalar("loss", "train", 1, 1, 1.0)
    assert [len(line) > 100_000 for line in points(lane)] == [True, False]
    lane.close(remove=True)


def test_a_bad_number_appends_nothing(folder: str) -> None:
    lane = Lane(folder, "reports")
    with pytest.raises(struct.error):
        lane.append_scalar("loss", "train", 2**63, 1, 0.0)
    lane.append_scalar("loss", "train", 1, 1, 0.0)
    with pytest.raises(struct.error):
        lane.append_scalar("loss", "train", -(2**70), 1, 0.0)
    assert len(points(lane)) == 1
    lane.close(remove=True)


def test_threads_append_side_by_side(folder: str) -> None:
    lane = Lane(folder, "reports", segment_bytes=1 << 16)

    def work(number: int) -> None:
        for iteration in range(2000):
            lane.append_scalar("loss", f"thread {number}", iteration, 1, 0.0)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = points(lane)
    assert len(lines) == len(set(lines)) == 8000
    lane.close(remove=True)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timers here")
def test_a_signal_handler_may_report_while_its_thread_does(folder: str) -> None:
    lane = Lane(folder, "reports", segment_bytes=1 << 16)
    count = 0

    def handler(*_: object) -> None:
        nonlocal count
        lane.append_scalar("signals", "s", count, 1, 0.0)
        count += 1

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    try:
        for iteration in range(50_000):
            lane.append_scalar("loss", "train", iteration, 1, 0.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    lines = points(lane)
    assert count > 10
    assert sum('"metric":"signals"' in line for line in lines) == count
    assert sum('"metric":"loss"' in line for line in lines) == 50_000
    lane.close(remove=True)


def test_a_lane_without_a_folder_lives_in_memory() -> None:
    lane = Lane(None, "reports")
    lane.append_scalar("loss", "train", 1, 1, 0.0)
    assert lane.first() is not None
    lane.close(remove=True)


def test_a_prepared_segment_is_used_in_its_order(folder: str) -> None:
    lane = Lane(folder, "reports", segment_bytes=4096)
    lane.append(framing.event(b'"' + b"x" * 3000 + b'"'))
    lane.prepare()
    assert len(files(folder)) == 2
    lane.append(framing.event(b'"' + b"y" * 50_000 + b'"'))  # longer than what is prepared
    for iteration in range(500):
        lane.prepare()
        lane.append_scalar("loss", "train", iteration, 1, 0.0)
    lines = points(lane)
    assert len(lines[0]) > 3000
    assert len(lines[1]) > 50_000
    assert [f'"iter":{iteration},' in line for iteration, line in enumerate(lines[2:])] == [True] * 500
    lane.close(remove=False)
    assert [segment.path for segment in lane.segments] == [str(path) for path in files(folder)]


def test_reports_find_their_pages_ready(folder: str) -> None:
    lane = Lane(folder, "reports")
    lane.append_scalar("loss", "train", 0, 1, 0.0)
    lane.prepare()
    if lane.segments[0].ready == HEADER_BYTES:
        lane.close(remove=True)
        pytest.skip("this system cannot make pages ready: that came with Linux 5.14")
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for iteration in range(1, 1500):  # 13 pages and more
        lane.append_scalar("loss", "train", iteration, 1, 0.0)
    assert resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before < 10
    assert len(points(lane)) == 1500
    lane.close(remove=True)


def test_making_pages_ready_changes_no_record(folder: str) -> None:
    lane = Lane(folder, "reports")
    is_over = threading.Event()

    def keep_ready() -> None:
        while not is_over.is_set():
            lane.prepare()

    beside = threading.Thread(target=keep_ready)
    beside.start()
    try:
        for iteration in range(100_000):
            lane.append_scalar("loss", "train", iteration, 1, 0.0)
    finally:
        is_over.set()
        beside.join()
    assert [f'"iter":{iteration},' in line for iteration, line in enumerate(points(lane))] == [True] * 100_000
    lane.close(remove=True)


@pytest.mark.timeout(30)
def test_a_segment_that_is_full_to_its_last_byte_has_nothing_to_make_ready(folder: str) -> None:
    lane = Lane(folder, "reports", segment_bytes=4096)
    segment, iteration = lane.segments[0], 0
    while lane.position()[1] < segment.limit and len(lane.segments) == 1:
        lane.append_scalar("loss", "train", iteration, 1, 0.0)
        iteration += 1
    assert lane.position() == (1, segment.limit)
    lane.prepare()
    assert segment.ready == segment.limit
    lane.close(remove=True)
