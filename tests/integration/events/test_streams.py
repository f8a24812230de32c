"""Appending to event streams on a real store, against a plain dict."""

from __future__ import annotations

import asyncio
import random

import pytest

from control_plane.store import Store
from control_plane.store.blocks import Record
from control_plane.store.events import EarlierGeneration, Part, Run
from control_plane.store.series import Series, from_points

OWNER = "a" * 32


def part(id: str, points: list[tuple[str, int, float]], now_ms: int = 1000) -> Part:
    """A part with these (metric, step, value), all of variant v."""
    made = Part(id, now_ms, answer=str(len(points)).encode())
    for metric, step, value in points:
        run = made.runs.setdefault((metric, "v"), Run(metric, "v"))
        run.steps.append(step)
        run.times_ms.append(now_ms)
        run.values.append(value)
    return made


async def check(store: Store, model: dict[str, dict[int, float]]) -> None:
    found = await store.events.scalars(OWNER)
    assert {m: dict(zip(s.steps, s.values, strict=True)) for (m, _), s in found.items()} == model
    _, statistics = await store.events.statistics(OWNER)
    for one in statistics:
        steps = sorted(model[one.metric])
        points = Series(steps, [0] * len(steps), [model[one.metric][step] for step in steps])
        wanted = from_points(one.metric, "v", one.ordinal, points, "")
        assert (one.count, one.min_value, one.max_value, one.first_value, one.value) == (
            wanted.count, wanted.min_value, wanted.max_value, wanted.first_value, wanted.value,
        )  # fmt: skip
        assert abs(one.mean - wanted.mean) < 1e-9


async def test_series_and_statistics_equal_a_dict_under_duplicates_late_points_and_resets(store: Store) -> None:
    draw = random.Random(7)
    model: dict[str, dict[int, float]] = {}
    sent: list[Part] = []
    for number in range(150):
        action = draw.random()
        if action < 0.15 and sent:
            answer = await store.events.append(OWNER, draw.choice(sent))
            assert answer.repeated is not None
            continue
        if action < 0.18:
            await store.events.reset(OWNER)
            model, sent = {}, []
            continue
        points = [
            (draw.choice("ab"), draw.choice([number * 10 + n, draw.randrange(0, 60)]), draw.uniform(-5, 5))
            for n in range(draw.randrange(1, 6))
        ]
        made = part(f"p{number}", points)
        assert (await store.events.append(OWNER, made)).repeated is None
        sent.append(made)
        for metric, step, value in points:
            model.setdefault(metric, {})[step] = value
        if number % 10 == 0:
            store.events._states.clear()  # as after a restart of the server
        if number % 5 == 0:
            await check(store, model)
    await check(store, model)


async def test_two_servers_that_append_to_one_task_agree(store: Store) -> None:
    other = await Store.open(store.connection.url)
    try:

        async def write(one: Store, metric: str) -> None:
            for step in range(60):
                await one.events.append(OWNER, part(f"{metric}{step}", [(metric, step, 1.0), ("both", step, 2.0)]))

        await asyncio.gather(write(store, "left"), write(other, "right"))
        await check(store, {m: dict.fromkeys(range(60), v) for m, v in (("left", 1.0), ("right", 1.0), ("both", 2.0))})
    finally:
        await other.close()


async def test_a_repeated_part_is_stored_once_and_answered_as_the_first_time(store: Store) -> None:
    made = part("same", [("loss", 1, 0.5)])
    made.records["log"] = [Record(5, 0, "", "", "w", "hello\n", level="info")]
    first = await store.events.append(OWNER, made)
    again = await store.events.append(OWNER, made)
    assert first.repeated is None
    assert again.repeated == b"1"
    assert [line.text for line in (await store.events.console(OWNER)).lines] == ["hello\n"]


async def test_a_part_accepted_before_a_reset_is_refused_after_it(store: Store) -> None:
    early = part("early", [("loss", 1, 0.5)])
    early.generation = await store.events.generation(OWNER)
    await store.events.append(OWNER, part("first", [("loss", 0, 0.5)]))
    await store.events.reset(OWNER)
    with pytest.raises(EarlierGeneration):
        await store.events.append(OWNER, early)
    assert await store.events.scalars(OWNER) == {}


async def test_console_is_ordered_by_time_and_keeps_equal_times_as_they_came(store: Store) -> None:
    for id, lines in (("1", [(20, "c"), (10, "a")]), ("2", [(10, "b"), (30, "d")])):
        records = [Record(at, 0, "", "", "w", text, level="info") for at, text in lines]
        await store.events.append(OWNER, Part(id, 0, b"", records={"log": records}))
    assert "".join(line.text for line in (await store.events.console(OWNER)).lines) == "abcd"


async def test_plots_of_one_identity_overwrite(store: Store) -> None:
    for id, text in (("1", "old"), ("2", "new")):
        await store.events.append(OWNER, Part(id, 0, records={"plot": [Record(1, 0, "m", "v", "w", text)]}))
    assert [record.text for record in await store.events.records(OWNER, "plot")] == ["new"]


async def test_deleting_leaves_no_key(store: Store) -> None:
    await store.events.append(OWNER, part("1", [("loss", 1, 0.5)]))
    await store.events.reset(OWNER)
    await store.events.append(OWNER, part("1", [("loss", 1, 0.5)]))
    await store.events.delete(OWNER)
    assert not [key async for key in store.connection.client.scan_iter(f"*{OWNER}*")]
