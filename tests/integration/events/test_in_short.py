"""Long sealed series are cut from their summaries, and the intervals are those that the points have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from control_plane.store import Store
from control_plane.store.events import Part, Run
from control_plane.store.segments import format as segment

from .places import Place

pytestmark = pytest.mark.embedded
OWNER, SAMPLES = "owner", 100
NOISE = np.random.default_rng(1).normal(0, 1, 200_000)


async def report(store: Store, number: int, steps: range, name: str = "loss") -> None:
    values = [float(NOISE[step % len(NOISE)]) for step in steps]
    run = Run(name, "train", steps=list(steps), times_ms=list(range(len(steps))), values=values)
    await store.events.append(OWNER, Part(f"batch {number}", number, b"1", {(name, "train"): run}))


@pytest.fixture
def place(store: Store, tmp_path: Path) -> Place:
    return Place(store, tmp_path)


async def read(place: Place, name: str = "loss", *, from_step: int = 0) -> tuple[str, Any]:
    """How it was read, and its intervals: beginning -> (mean, least, greatest)."""

    def use(how: str, cut: Any) -> tuple[str, dict[int, tuple[float, float, float]]]:
        rows = zip(*(column.tolist() for column in (cut.means, cut.lows, cut.highs)), strict=True)
        return how, dict(zip(cut.starts.tolist(), rows, strict=True))

    found = await place.reads.curves(
        OWNER,
        [(name, "train")],
        lambda pieces: use("whole", pieces.from_step(from_step).buckets(SAMPLES)),
        lambda summed: use("short", summed.buckets(SAMPLES)),
        samples=SAMPLES,
        from_step=from_step,
    )
    return found[name, "train"]


def expected(steps: range, interval: int) -> dict[int, tuple[float, float, float]]:
    found = {}
    for begin in range(0, len(steps), interval):
        values = NOISE[begin : min(begin + interval, len(steps))]
        found[begin] = (float(values.mean()), float(values.min()), float(values.max()))
    return found


def same(found: Any, wanted: Any) -> bool:
    return list(found) == list(wanted) and all(found[at] == pytest.approx(wanted[at], abs=1e-12) for at in wanted)


async def test_several_segments_and_what_is_live(store: Store, place: Place) -> None:
    for number in range(3):
        await report(store, number, range(number * 50_000, (number + 1) * 50_000))
        await (await place.sealer()).seal(OWNER)
    how, found = await read(place)
    assert how == "short" and same(found, expected(range(150_000), 1504))
    await report(store, 3, range(150_000, 200_000))
    how, found = await read(place)
    assert how == "short" and same(found, expected(range(200_000), 2016))
    await (await place.sealer()).seal(OWNER)
    await (await place.sealer()).merge(OWNER)
    assert same((await read(place))[1], found)


async def test_overwritten_points_count_once(store: Store, place: Place) -> None:
    await report(store, 0, range(100_000))
    await (await place.sealer()).seal(OWNER)
    await report(store, 1, range(50_000, 150_000))
    assert (await read(place))[0] == "whole"
    await (await place.sealer()).seal(OWNER)
    how, found = await read(place)
    assert how == "whole" and same(found, expected(range(150_000), 1500))


async def test_what_is_not_looked_at_or_short_is_read_whole(store: Store, place: Place) -> None:
    await report(store, 0, range(-1, 100_000))
    await report(store, 1, range(90_000), "few")
    await (await place.sealer()).seal(OWNER)
    how, found = await read(place)
    assert how == "whole" and same(found, expected(range(100_000), 1000))
    assert (await read(place, from_step=-1))[0] == "short"
    assert (await read(place, "few"))[0] == "whole"


async def test_segments_from_before_there_were_summaries(
    store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(segment, "LEAST_POINTS", 1 << 62)
        await report(store, 0, range(100_000))
        await (await place.sealer()).seal(OWNER)
    await report(store, 1, range(100_000, 200_000))
    await (await place.sealer()).seal(OWNER)
    how, found = await read(place)
    assert how == "short" and same(found, expected(range(200_000), 2016))
