"""Whatever is done with events: dying between any two steps of it leaves what was, or what was to be, and nothing else;
doing it again ends it, and the sweep leaves no file that is not named."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Awaitable, Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from control_plane.store import Store, keys
from control_plane.store.blocks import FAMILIES, Record
from control_plane.store.console_tail import Position
from control_plane.store.events import Part, Run
from control_plane.store.segments import index
from control_plane.store.segments.thinning import KEPT_AN_INTERVAL
from control_plane.store.series import Series, from_points
from control_plane.store.squeezing import LEAST_BYTES

from .places import Died, Mortal, Place

LONG = KEPT_AN_INTERVAL * 2 + 30


@dataclass
class Events:
    """What an owner has, as plain lists and dicts. Values as text: NaN is one, too."""

    points: dict[str, dict[int, str]] = field(default_factory=dict)
    plots: dict[tuple[str, int], str] = field(default_factory=dict)
    lines: list[tuple[int, str]] = field(default_factory=list)

    def add(self, part: Part) -> None:
        for run in part.runs.values():
            for step, value in zip(run.steps, run.values, strict=True):
                self.points.setdefault(run.metric, {})[step] = repr(value)
        for plot in part.records.get("plot", ()):
            self.plots[plot.metric, plot.iteration] = plot.text
        self.lines += [(line.at_ms, line.text) for line in part.records.get("log", ())]

    @property
    def is_empty(self) -> bool:
        return not (self.points or self.plots or self.lines)


def part(draw: random.Random, number: int) -> Part:
    """New points, late ones and duplicates, a NaN, lines of any time, a plot."""
    steps = [number * 5 + 3, *(draw.randrange(20) for _ in range(4)), number * 5 + 1]
    values = [draw.uniform(-5, 5) for _ in steps]
    values[draw.randrange(len(values))] = math.nan
    long = list(range(number * LONG, (number + 1) * LONG))
    runs = {
        ("m", "v"): Run("m", "v", f"w{number % 2}", "", steps, steps, values),
        ("long", "v"): Run("long", "v", "w", "", long, long, [step / 7 for step in long]),
    }
    lines = [Record(draw.randrange(50), 0, "", "", "w", f"{number} {k}") for k in range(3)]
    lines[0].text += " " * (number % 2 * LEAST_BYTES)  # every other block of the console lies compressed
    plots = [Record(number, number % 2, "p", "", "w", json.dumps([number]))]
    return Part(f"part{number}", 1000, runs=runs, records={"log": lines, "plot": plots})


async def read(place: Place, owner: str) -> Events:
    """Everything by every way of reading it, which agree."""
    events = place.reads
    series = await events.scalars(owner)
    found = Events({name: dict(zip(s.steps, map(repr, s.values), strict=True)) for (name, _), s in series.items()})
    plots = await events.records(owner, "plot")
    found.plots = {(one.metric, one.iteration): one.text for one in plots}
    assert len(plots) == len(found.plots)
    window = await events.console(owner)
    found.lines = [(line.at_ms, line.text) for line in window.lines]
    assert window.total == len(found.lines)
    streamed = [(line.at_ms, line.text) async for some in events.console_stream(owner) for line in some]
    assert streamed == found.lines
    state = await index.read_state(place.store.connection, owner)
    tail = await events.console_tail(owner, Position(state.generation, state.edits))
    while not tail.is_end:
        more = await events.console_tail(owner, tail.position)
        tail = type(tail)([*tail.lines, *more.lines], more.position, more.is_end)
    assert sorted((line.at_ms, line.text) for line in tail.lines) == sorted(found.lines)
    return found


async def check_statistics(place: Place, owner: str) -> None:
    """Those of exactly the points there are."""
    series = await place.reads.scalars(owner)
    _, statistics = await place.reads.statistics(owner)
    assert {(one.metric, one.variant) for one in statistics} == set(series)
    for one in statistics:
        points: Series = series[one.metric, one.variant]
        wanted = from_points(one.metric, one.variant, one.ordinal, points, one.x_axis_label)
        assert math.isclose(one.total, wanted.total, rel_tol=1e-9, abs_tol=1e-9)
        one.total = wanted.total
        assert repr(one) == repr(wanted)


async def check_nothing_left(place: Place, owner: str) -> None:
    """Sweeping leaves the files that are named, each once."""
    sealer = await place.sealer()
    await sealer.sweep(now_s=4e9)
    while await sealer.remove_replaced(before_ms=4 * 10**12):
        pass
    generation = await place.reads.generation(owner)
    named = await index.entries(place.store.connection, owner, generation)
    assert sorted(one.name for one in await place.files.list(owner)) == sorted(one.name for one in named.values())


Operation = Callable[[Place, str, Events], Awaitable[Any]]
"""Does it, and changes what is expected when it is done."""


async def append(place: Place, owner: str, expected: Events) -> None:
    made = part(random.Random(9), 9)
    await place.store.events.append(owner, made)
    expected.add(made)


async def seal(place: Place, owner: str, expected: Events) -> None:
    await (await place.sealer()).seal(owner)


async def merge(place: Place, owner: str, expected: Events) -> None:
    await (await place.sealer()).merge(owner, least=2)


async def drop_lines(place: Place, owner: str, expected: Events) -> None:
    await place.store.events.drop_lines(owner, is_doomed)
    expected.lines = [line for line in expected.lines if not line[1].endswith("1")]


def is_doomed(line: Record) -> bool:
    return line.text.endswith("1")


async def reset(place: Place, owner: str, expected: Events) -> None:
    await place.store.events.reset(owner)
    expected.points, expected.plots, expected.lines = {}, {}, []


async def delete(place: Place, owner: str, expected: Events) -> None:
    await place.store.events.delete(owner)
    expected.points, expected.plots, expected.lines = {}, {}, []


async def sweep(place: Place, owner: str, expected: Events) -> None:
    sealer = await place.sealer()
    await sealer.sweep(now_s=4e9)
    await sealer.remove_replaced(before_ms=4 * 10**12)


OPERATIONS: list[Operation] = [append, seal, merge, drop_lines, reset, delete, sweep]


async def prepared(place: Place, owner: str) -> Events:
    """Three segments, something live on top, and a file that nothing names."""
    draw, expected = random.Random(owner), Events()
    for number in range(5):
        made = part(draw, number)
        await place.store.events.append(owner, made)
        expected.add(made)
        if number < 3:
            await (await place.sealer()).seal(owner)
    await place.files.put(owner, 0, f"{number:032x}", b"left by somebody who died")
    expected.lines.sort(key=lambda line: line[0])
    return expected


def is_allowed(found: Events, before: Events, after: Events, operation: Operation) -> bool:
    if operation is drop_lines:  # some of them may be gone
        kept = set(found.lines)
        return (
            (found.points, found.plots) == (before.points, before.plots)
            and set(after.lines) <= kept <= set(before.lines)
            and len(found.lines) == len(kept)
        )
    return found in (before, after) or (operation in (reset, delete) and found.is_empty)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
async def test_dying_at_some_step(store: Store, tmp_path: Path, operation: Operation, is_after: bool) -> None:
    await die_at(store, tmp_path, operation, is_after, itertools.count(int(is_after), 3))


@pytest.mark.full
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
async def test_dying_at_any_step(store: Store, tmp_path: Path, operation: Operation, is_after: bool) -> None:
    await die_at(store, tmp_path, operation, is_after, itertools.count())


async def die_at(store: Store, tmp_path: Path, operation: Operation, is_after: bool, steps: Iterator[int]) -> None:
    """Die at each of these steps, up to the one that is not reached any more."""
    for at in steps:
        place, owner = Place(store, tmp_path), f"{at:032d}"
        before = await prepared(place, owner)
        after = deepcopy(before)
        await _dry(operation, after)
        with Mortal(place, at, is_after=is_after) as life:
            try:
                await operation(place, owner, deepcopy(before))
            except Died:
                pass
        place = Place(store, tmp_path)  # the next process
        store.events._states.clear()
        assert is_allowed(await read(place, owner), before, after, operation), (at, operation)
        await check_statistics(place, owner)
        segments = len(await index.entries(store.connection, owner, 0))
        if not life.is_over and operation is merge:
            assert segments == 1
        await operation(place, owner, deepcopy(before))
        assert await read(place, owner) == after, (at, operation)
        await check_statistics(place, owner)
        late = part(random.Random(77), 77)  # life goes on
        await place.store.events.append(owner, late)
        await seal(place, owner, after)
        after.add(late)
        after.lines.sort(key=lambda line: line[0])
        assert await read(place, owner) == after
        await check_statistics(place, owner)
        await check_nothing_left(place, owner)
        if operation is delete:
            await check_deleted(place, owner)
        else:
            await place.store.events.delete(owner)
        if not life.is_over:
            assert at > 2, "it has hardly any steps"
            return


async def _dry(operation: Operation, expected: Events) -> None:
    """What is expected afterwards, without doing it."""
    if operation is append:
        expected.add(part(random.Random(9), 9))
    elif operation is drop_lines:
        expected.lines = [line for line in expected.lines if not line[1].endswith("1")]
    elif operation in (reset, delete):
        expected.points, expected.plots, expected.lines = {}, {}, []
    expected.lines.sort(key=lambda line: line[0])


async def check_deleted(place: Place, owner: str) -> None:
    generation = await place.reads.generation(owner)
    await place.store.events.delete(owner)
    names = [keys.event_meta(owner), keys.event_parts(owner), keys.event_part_results(owner)]
    names += [keys.event_series(owner, generation), keys.event_segments(owner, generation)]
    names += [keys.event_stream(owner, generation, family) for family in FAMILIES]
    assert await place.store.connection.run(lambda client: client.exists(*names), owner=owner) == 0
    assert await place.files.list(owner) == []
