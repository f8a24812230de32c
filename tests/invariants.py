"""What is true of every store at every moment: checked after crashes, restores and storms."""

from __future__ import annotations

from collections import Counter
from typing import Any

from control_plane.store import Query, Store, keys
from control_plane.store.events import SEQUENCE
from control_plane.store.series import from_points, last_metrics


async def check(store: Store) -> dict[str, int]:
    """Assert every invariant; returns how many documents and events were looked at."""
    tasks = await check_queues(store)
    await check_read_model(store, tasks)
    points = await check_events(store, tasks)
    return {"tasks": len(tasks), "points": points}


async def check_queues(store: Store) -> dict[str, Any]:
    """Every queued task waits in exactly one queue or is in flight; every entry is of a queued task."""
    client = store.connection.client
    ids = await store.ids("task")
    tasks = {id: task for id, task in zip(ids, await store.get_many("task", ids), strict=True) if task is not None}
    assert len(tasks) == len(ids), "an id without its document"
    waiting = Counter[str]()
    entries = {task.decode(): entry.decode() for task, entry in (await client.hgetall(keys.entries())).items()}
    for queue in await store.ids("queue"):
        for member in await client.zrange(keys.queue(queue), 0, -1):
            task = member.decode()
            waiting[task] += 1
            assert entries[task].partition(" ")[0] == queue, (task, queue, entries[task])
    assert set(waiting) == set(entries)
    assert max(waiting.values(), default=1) == 1, "a task waits twice"
    in_flight = {member.decode() for member in await client.zrange(keys.in_flight(), 0, -1)}
    assert in_flight == {member.decode() for member in await client.hkeys(keys.flights())}
    queued = {id for id, task in tasks.items() if task["status"] == "queued"}
    assert set(waiting) <= queued | in_flight, "an entry of a task that is not queued"
    assert queued <= set(waiting) | in_flight, "a queued task waits nowhere"
    return tasks


async def check_read_model(store: Store, tasks: dict[str, Any]) -> None:
    """Queries find what the documents say."""
    everything = {"search_hidden": True}
    assert set(await store.query_all("task", Query.from_request("task", everything))) == set(tasks)
    for status, count in Counter(task["status"] for task in tasks.values()).items():
        query = Query.from_request("task", {"status": [status], **everything})
        assert len(await store.query_all("task", query)) == count, status


async def check_events(store: Store, tasks: dict[str, Any]) -> int:
    """Statistics are those of the points, and documents show those statistics. Returns the number of points."""
    count = 0
    for id, task in tasks.items():
        sequence, statistics = await store.events.statistics(id)
        curves = await store.events.scalars(id)
        assert {(one.metric, one.variant) for one in statistics} == set(curves)
        for one in statistics:
            curve = curves[one.metric, one.variant]
            assert one == from_points(one.metric, one.variant, one.ordinal, curve, one.x_axis_label)
            count += len(curve.steps)
        document = await store.get("task", id, [SEQUENCE])
        assert document is not None
        assert int(document.get(SEQUENCE) or 0) == sequence, f"the document of {id} is of another moment"
        shown = {path[1:]: value for path, value in last_metrics(statistics).items()}
        found = {(m, v): value for m, variants in task.get("last_metrics", {}).items() for v, value in variants.items()}
        assert found == shown
    return count
