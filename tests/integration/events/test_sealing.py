"""Sealing on a real store and a real directory, against plain lists, with deaths between any two steps."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from control_plane.store import Store
from control_plane.store.blocks import Record
from control_plane.store.event_reads import Window
from control_plane.store.events import Part, Run
from control_plane.store.segments.files import SegmentsUnavailable
from control_plane.store.squeezing import LEAST_BYTES

from .places import Died, Place, dying

OWNER = "b" * 32


class Expected:
    """What must be readable, kept as a plain dict and lists."""

    def __init__(self) -> None:
        self.points: dict[str, dict[int, float]] = {}
        self.plots: dict[tuple[str, int], str] = {}
        self.lines: list[tuple[int, str]] = []

    def window(self, at_ms: int | None, earlier: bool, most: int | None) -> list[tuple[int, str]]:
        lines = sorted(self.lines, key=lambda line: line[0])
        if at_ms is not None:
            lines = [line for line in lines if (line[0] < at_ms if earlier else line[0] > at_ms)]
        if most is None:
            return lines
        return lines[-most:] if earlier else lines[:most]


async def check(place: Place, expected: Expected, draw: random.Random) -> None:
    series = await place.reads.scalars(OWNER)
    found = {metric: dict(zip(s.steps, s.values, strict=True)) for (metric, _), s in series.items()}
    assert found == expected.points
    some = await place.reads.scalars(OWNER, [("a", None)])
    assert set(some) <= {("a", "v")}
    plots = await place.reads.records(OWNER, "plot")
    assert {(one.metric, one.iteration): one.text for one in plots} == expected.plots
    streamed = [line async for lines in place.reads.console_stream(OWNER) for line in lines]
    assert [(line.at_ms, line.text) for line in streamed] == expected.window(None, True, None)
    for _ in range(4):
        at_ms = draw.choice([None, draw.randrange(0, 1200)])
        earlier, most = draw.random() < 0.5, draw.choice([None, 1, 3, 20])
        window: Window = await place.reads.console(OWNER, at_ms=at_ms, earlier=earlier, most=most)
        assert [(line.at_ms, line.text) for line in window.lines] == expected.window(at_ms, earlier, most)
        assert window.total == len(expected.lines)


async def append(store: Store, expected: Expected, draw: random.Random, number: int) -> None:
    part = Part(f"p{number}", 1000)
    for _ in range(draw.randrange(0, 6)):
        metric, step = draw.choice("ab"), draw.choice([number * 10, draw.randrange(60)])
        value = draw.uniform(-5, 5)
        run = part.runs.setdefault((metric, "v"), Run(metric, "v", worker=f"w{number % 2}"))
        run.steps.append(step)
        run.times_ms.append(number)
        run.values.append(value)
        expected.points.setdefault(metric, {})[step] = value
    for _ in range(draw.randrange(0, 5)):
        at_ms = draw.choice([number, draw.randrange(0, 1200)])  # some clocks are late
        # Some blocks lie compressed.
        text = f"{number} {draw.random()}" + " " * draw.choice([0, 0, 0, LEAST_BYTES])
        part.records.setdefault("log", []).append(Record(at_ms, 0, "", "", "", text))
        expected.lines.append((at_ms, text))
    if draw.random() < 0.3:
        name, iteration, text = draw.choice("xy"), draw.randrange(4), str(draw.random())
        part.records.setdefault("plot", []).append(Record(number, iteration, name, "", "", text))
        expected.plots[name, iteration] = text
    assert (await store.events.append(OWNER, part)).repeated is None
    if draw.random() < 0.2:
        assert (await store.events.append(OWNER, part)).repeated is not None


@pytest.mark.parametrize("seed", range(4))
async def test_everything_is_read_once_whatever_is_sealed_when_and_whoever_dies(
    store: Store, tmp_path: Path, seed: int
) -> None:
    draw = random.Random(seed)
    place, expected = Place(store, tmp_path), Expected()
    for number in range(120):
        action = draw.random()
        if action < 0.6:
            await append(store, expected, draw, number)
        elif action < 0.75:
            await (await place.sealer()).seal(OWNER)
        elif action < 0.9:
            revive = dying(place, draw)
            try:
                await (
                    (await place.sealer()).seal(OWNER) if draw.random() < 0.7 else (await place.sealer()).merge(OWNER)
                )
            except Died:
                pass
            finally:
                revive()
            place = Place(store, tmp_path)
        elif action < 0.93:
            doomed = {text for _, text in expected.lines if draw.random() < 0.3}
            await (await place.sealer()).seal(OWNER)
            assert await (await place.sealer()).drop_lines(
                OWNER, lambda line, doomed=doomed: line.text in doomed
            ) == len(doomed)
            expected.lines = [line for line in expected.lines if line[1] not in doomed]
        if number % 10 == 9:
            await check(place, expected, draw)
    await (await place.sealer()).seal(OWNER)
    await check(place, expected, draw)
    await (await place.sealer()).sweep(now_s=4e9)
    await check(place, expected, draw)
    assert await (await place.sealer()).remove_replaced(before_ms=0) == 0
    while await (await place.sealer()).remove_replaced(before_ms=4 * 10**12):
        pass
    await check(place, expected, draw)
    snapshot = await place.files.list()
    assert len({found.name for found in snapshot}) == len(snapshot) <= 12


async def test_two_sealers_and_a_reader_at_once(store: Store, tmp_path: Path) -> None:
    draw, expected = random.Random(5), Expected()
    second = await Store.open(store.connection.url)
    one, other = Place(store, tmp_path), Place(second, tmp_path)
    for number in range(30):
        await append(store, expected, draw, number)
    done = asyncio.Event()

    async def seal(place: Place) -> None:
        while not done.is_set():
            await (await place.sealer()).seal(OWNER)
            await (await place.sealer()).merge(OWNER)

    async with asyncio.TaskGroup() as group:
        for place in (one, other):
            group.create_task(seal(place))
        for number in range(30, 90):
            await append(store, expected, draw, number)
            await check(draw.choice([one, other]), expected, draw)
        done.set()
    await second.close()


async def test_while_the_place_is_away_nothing_is_trimmed(store: Store, tmp_path: Path) -> None:
    draw, expected = random.Random(6), Expected()
    folder = tmp_path / "segments"
    place = Place(store, folder)
    for number in range(10):
        await append(store, expected, draw, number)
    folder.write_text("in the way")
    with pytest.raises(SegmentsUnavailable):
        await (await place.sealer()).seal(OWNER)
    await check(place, expected, draw)
    folder.unlink()
    assert await (await place.sealer()).seal(OWNER)
    await check(place, expected, draw)


async def test_what_no_index_names_is_swept_and_nothing_else(store: Store, place: Place) -> None:
    draw, expected = random.Random(7), Expected()
    await append(store, expected, draw, 1)
    await append(store, expected, draw, 2)
    await (await place.sealer()).seal(OWNER)
    await place.files.put(OWNER, 0, "0" * 32, b"left by somebody who died")
    await place.files.put("nobody", 3, "1" * 32, b"left by a reset")
    assert await (await place.sealer()).sweep(now_s=0) == 0
    assert await (await place.sealer()).sweep(now_s=4e9) == 2
    await check(place, expected, draw)
