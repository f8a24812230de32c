"""The history of a worker on a real server, with a clock of its own."""

from __future__ import annotations

from control_plane.store import Store, keys
from control_plane.store.samples import HOUR_S, METRICS, Sample, Stretch
from control_plane.store.worker_history import DAYS_KEPT, HOUR_BYTES, SAMPLES_KEPT_H

START_S = 20_000 * 24 * HOUR_S
"""The beginning of a day."""


async def report(store: Store, at_s: int, usage: float = 50.0, *, busy: bool = True, worker: str = "w") -> None:
    sample = Sample(at_s, busy, {"cpu_usage": [usage]})
    await store.worker_history.add(f"worker_c_u_{worker}", worker, sample, at_s * 1000)


async def read(store: Store, from_s: int, to_s: int, *, by_hour: bool = False) -> list[Stretch]:
    return await store.worker_history.read("worker_c_u_w", from_s, to_s, by_hour=by_hour, metrics=METRICS)


async def test_samples_of_a_day_are_kept_and_summed_up_by_the_hour(store: Store) -> None:
    times = [START_S + minute * 60 for minute in range(0, 6 * 60, 10)]
    for number, at_s in enumerate(times):
        await report(store, at_s, usage=float(number), busy=number % 2 == 0)
    fine = await read(store, START_S, times[-1])
    assert [part.at_s for part in fine] == times
    assert [part.totals["cpu_usage", 0].sum for part in fine] == list(range(len(times)))
    coarse = await read(store, START_S, times[-1], by_hour=True)
    hours = [part for part in coarse if part.reports == 6]
    assert [part.at_s for part in hours] == [START_S + hour * HOUR_S for hour in range(5)]
    assert sum(part.reports for part in coarse) == len(times)
    first = hours[0].totals["cpu_usage", 0]
    assert (hours[0].busy, first.count, first.sum, first.min, first.max) == (3, 6, 15.0, 0.0, 5.0)
    names = await store.connection.client.hkeys(keys.worker_history("worker_c_u_w"))
    assert sorted(name[:1] for name in names) == sorted([b"d", b"r", b"w", *[b"z"] * 5])
    assert len(await store.connection.client.keys(keys.worker_samples("worker_c_u_w", 0)[:-1] + "*")) == 1
    assert [part.at_s for part in await read(store, times[3], times[5])] == times[3:6]


async def test_what_is_older_than_a_day_is_told_by_the_hour_and_older_than_a_month_not_at_all(store: Store) -> None:
    for minute in (0, 1):
        await report(store, START_S + minute * 60)
    later = START_S + (SAMPLES_KEPT_H + 2) * HOUR_S
    await report(store, later - HOUR_S)
    await report(store, later)
    found = await read(store, START_S, later)
    assert [(part.at_s, part.reports) for part in found] == [(START_S, 2), (later - HOUR_S, 1), (later, 1)]
    much_later = START_S + (DAYS_KEPT + 1) * 24 * HOUR_S
    for _ in range(2):
        await report(store, much_later)
        much_later += HOUR_S
    assert [part.at_s for part in await read(store, START_S, START_S + HOUR_S)] == []


async def test_a_worker_that_died_within_an_hour_is_told_of_all_the_same(store: Store) -> None:
    await report(store, START_S)
    for by_hour in (False, True):
        found = await read(store, START_S - HOUR_S, START_S + 40 * HOUR_S, by_hour=by_hour)
        assert [(part.at_s, part.reports) for part in found] == [(START_S, 1)]


async def test_tidying_up_twice_changes_nothing_and_a_late_sample_is_added(store: Store) -> None:
    await report(store, START_S, usage=10.0)
    key, later = "worker_c_u_w", (START_S + HOUR_S) * 1000
    await store.worker_history.tidy(key, later)
    (part,) = await store.worker_history.read(key, START_S, START_S, by_hour=False, metrics=())
    assert (part.reports, part.totals) == (1, {})
    before = await store.connection.client.hgetall(keys.worker_history(key))
    await store.worker_history.tidy(key, later)
    assert await store.connection.client.hgetall(keys.worker_history(key)) == before
    # Another server's clock is a little behind.
    await store.worker_history.add(key, "w", Sample(START_S + 3599, False, {"cpu_usage": [30.0]}), later)
    await store.worker_history.tidy(key, later)
    (hour,) = await read(store, START_S, START_S + HOUR_S, by_hour=True)
    assert (hour.reports, hour.totals["cpu_usage", 0].max) == (2, 30.0)


async def test_the_history_is_bounded_and_expires_with_the_worker(store: Store) -> None:
    values = {name: [1.0] * 64 for name in ("cpu_usage", "gpu_usage", "gpu_temperature", "gpu_memory_used")}
    for second in range(300):
        await store.worker_history.add("worker_c_u_w", "w", Sample(START_S + second, False, values), START_S * 1000)
    hour = keys.worker_samples("worker_c_u_w", START_S // HOUR_S)
    size = await store.connection.client.strlen(hour)
    assert HOUR_BYTES * 0.9 < size <= HOUR_BYTES
    for key in (keys.worker_history("worker_c_u_w"), hour):
        left_ms = await store.connection.client.pttl(key)
        assert DAYS_KEPT * 24 * HOUR_S * 1000 < left_ms <= (DAYS_KEPT + 1) * 24 * HOUR_S * 1000
    month_later = (START_S + (DAYS_KEPT + 2) * 24 * HOUR_S) * 1000
    assert [one.name for one in await store.worker_history.recorded(0, START_S * 1000)] == ["w"]
    assert await store.worker_history.recorded(0, month_later) == []
