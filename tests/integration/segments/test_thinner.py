"""Thinning sealed series: their shape and everything else stay, whoever dies."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from control_plane.store import Store
from control_plane.store.blocks import Record
from control_plane.store.events import Part, Run
from control_plane.store.segments import index

OWNER = "d" * 32
SAMPLES = 20


async def report(store: Store, number: int, first: int, count: int, value: float | None = None) -> None:
    steps = list(range(first, first + count))
    values = [math.sin(step) if value is None else value for step in steps]
    run = Run("loss", "v", "w", "", steps, [1000 + step for step in steps], values)
    part = Part(f"part{number}", 1000, runs={("loss", "v"): run})
    part.records["log"] = [Record(number, 0, "", "", "", f"line {number}")]
    part.records["plot"] = [Record(number, number, "chart", "v", "", f"plot {number}")]
    await store.events.append(OWNER, part)


async def sealed(store: Store, folder: Path) -> None:
    """Three segments: a curve, points that overwrite its greatest ones, and more of it."""
    await store.open_segments(str(folder))
    sealer = await store.events.sealer()
    assert sealer is not None
    for number, (first, count, value) in enumerate([(0, 2000, None), (500, 3, -0.25), (2000, 2000, None)]):
        await report(store, number, first, count, value)
        await sealer.seal(OWNER)


async def beside(store: Store) -> Any:
    """What may not change."""
    lines = [line.text for line in (await store.events.console(OWNER)).lines]
    plots = [record.text for record in await store.events.records(OWNER, "plot")]
    return lines, plots, await store.events.statistics(OWNER)


async def points(store: Store) -> dict[int, float]:
    found = (await store.events.scalars(OWNER))["loss", "v"]
    return dict(zip(found.steps, found.values, strict=True))


async def test_shape_and_everything_else_stay(store: Store, tmp_path: Path) -> None:
    await sealed(store, tmp_path)
    before, rest = await points(store), await beside(store)
    thinner = await store.events.thinner()
    gone = await thinner.thin(OWNER, SAMPLES)
    after = await points(store)
    assert gone >= len(before) - len(after) > 3000
    assert after.items() <= before.items(), "an overwritten value came back"
    assert {0, 3999} <= after.keys()
    assert (min(after.values()), max(after.values())) == (min(before.values()), max(before.values()))
    assert await beside(store) == rest
    entries = await index.entries(store.connection, OWNER, 0)
    assert all(entry.is_thinned for entry in entries.values())
    assert await thinner.thin(OWNER, SAMPLES) == 0
    assert await index.entries(store.connection, OWNER, 0) == entries
    # What comes later is thinned with the rest.
    await report(store, 9, 4000, 1000)
    sealer = await store.events.sealer()
    assert sealer is not None
    await sealer.seal(OWNER)
    assert await thinner.thin(OWNER, SAMPLES) > 500
    assert 4999 in await points(store)


@pytest.mark.parametrize("step", ["write", "replace before", "replace after"])
async def test_dying_within_loses_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await sealed(store, tmp_path)
    before, rest = await points(store), await beside(store)
    sealer = await store.events.sealer()
    assert sealer is not None
    real: Any = getattr(sealer, step.split()[0])

    class Died(Exception):
        pass

    async def dies(*args: Any, **kwargs: Any) -> Any:
        if step == "replace after":
            await real(*args, **kwargs)
        raise Died

    with monkeypatch.context() as patch, pytest.raises(Died):
        patch.setattr(sealer, step.split()[0], dies)
        await (await store.events.thinner()).thin(OWNER, SAMPLES)
    assert (await points(store) == before) is (step != "replace after")
    await (await store.events.thinner()).thin(OWNER, SAMPLES)
    after = await points(store)
    assert after.items() <= before.items()
    assert len(after) < 200
    assert await beside(store) == rest
    while await sealer.remove_replaced(before_ms=4 * 10**12):
        pass
    await sealer.sweep(now_s=4e9)
    assert await points(store) == after
    files = store.events._files
    assert files is not None
    named = {entry.name for entry in (await index.entries(store.connection, OWNER, 0)).values()}
    assert {found.name for found in await files.list()} == named
