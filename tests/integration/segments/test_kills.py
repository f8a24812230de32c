"""kill -9 of a server while it seals: what was acknowledged is there exactly once, through the API."""

from __future__ import annotations

import http.client
import json
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from control_plane.store import EmbeddedStore, Store
from control_plane.store.segments.checks import compare
from tests.conftest import RunningServer, start_server
from tests.integration.events.reports import line, new_task, plot, scalar
from tests.integration.segments.operating import always_due, command, restart

pytestmark = [pytest.mark.embedded, pytest.mark.one_server]

ENV = {"CLEARML_SERVER_SEAL_PERIOD_S": "0.02"}


def batch(tasks: list[str], number: int) -> list[dict[str, Any]]:
    events = []
    for task in tasks:
        events += [scalar(task, number * 5 + step, number + step / 7) for step in range(5)]
        events += [line(task, number, f"line {number}"), plot(task, number, "chart", "a")]
    return events


def encoded(tasks: list[str], number: int) -> bytes:
    return "\n".join(map(json.dumps, batch(tasks, number))).encode()


def send_until_answered(server: RunningServer, body: bytes, again: Any) -> None:
    """The same bytes until they are acknowledged, as clients do."""
    while True:
        try:
            server.call("events.add_batch", body, headers={"Content-Type": "application/json-lines"})
            return
        except (OSError, http.client.HTTPException):  # not answered, or not to the end
            again()


def killed_and_restarted(tmp_path: Path, kills: int, seed: int) -> None:
    draw = random.Random(seed)
    data_dir, runtime_dir = tmp_path / "data", tmp_path / "run"
    server = start_server(data_dir, runtime_dir, env=ENV)
    tasks = [new_task(server) for _ in range(3)]
    for task in tasks:
        server.call("tasks.started", {"task": task})
        server.call("tasks.completed", {"task": task})
    number = 0

    def again() -> None:
        restart(server, ENV)

    try:
        with always_due(data_dir, tasks):
            for _ in range(kills):
                for _ in range(2):  # on a slow machine, too
                    send_until_answered(server, encoded(tasks, number), again)
                    number += 1
                timer = threading.Timer(draw.uniform(0.2, 1.0), server.process.kill)
                timer.start()
                while timer.is_alive() or server.process.poll() is None:
                    send_until_answered(server, encoded(tasks, number), again)
                    number += 1
                    if not timer.is_alive():
                        break
                timer.join()
                again()
        command(server, "compact")
        check(server, tasks, number)
        server.stop()
    finally:
        if server.process.poll() is None:
            server.stop()


def check(server: RunningServer, tasks: list[str], batches: int) -> None:
    assert batches > 5
    assert list((server.data_dir / "segments").glob("*/*/*.seg")), "nothing was sealed"
    for task in tasks:
        body = {"task": task, "batch_size": 10_000}
        read = server.call("events.get_task_events", {**body, "event_type": "training_stats_scalar"})
        expected = {batch * 5 + step: batch + step / 7 for batch in range(batches) for step in range(5)}
        assert read["total"] == len(expected)
        values = {event["iter"]: event["value"] for event in read["events"]}
        assert values.items() <= expected.items()
        lines = server.call("events.get_task_log", {**body, "order": "asc"})["events"]
        assert [event["msg"] for event in lines] == [f"line {batch}" for batch in range(batches)]
        plots = server.call("events.get_task_events", {**body, "event_type": "plot"})
        assert plots["total"] == batches
        metrics = server.call("tasks.get_by_id", {"task": task})["task"]["last_metrics"]
        ((statistics,),) = ([*variants.values()] for variants in metrics.values())
        assert statistics["count"] == len(expected)


async def swept(data_dir: Path, tasks: list[str]) -> None:
    """After hours, only what the index names is left."""
    async with EmbeddedStore(data_dir / "store") as embedded:
        store = await Store.open(embedded.url)
        try:
            await store.open_segments(str(data_dir / "segments"))
            sealer: Any = await store.events.sealer()
            while await sealer.remove_replaced(before_ms=4 * 10**12):
                pass
            await sealer.sweep(now_s=4e9)
            files = store.events._files
            assert files is not None
            checked = await compare(store.connection, files, tasks)
            assert checked.named
            assert (checked.unnamed, checked.missing) == ([], [])
        finally:
            await store.close()
    left = [path for path in (data_dir / "segments").rglob("*") if path.is_file() and path.name.startswith(".")]
    assert left == []


@pytest.mark.parametrize("seed", [1])
async def test_a_server_that_is_killed_while_it_seals(tmp_path: Path, seed: int) -> None:
    await _run(tmp_path, 3, seed)


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(4))
async def test_a_server_that_is_killed_often(tmp_path: Path, seed: int) -> None:
    await _run(tmp_path, 15, seed)


async def _run(tmp_path: Path, kills: int, seed: int) -> None:
    import asyncio

    await asyncio.to_thread(killed_and_restarted, tmp_path, kills, seed)
    tasks = [path.name for path in (tmp_path / "data" / "segments").glob("*/*") if path.is_dir()]
    await swept(tmp_path / "data", tasks)
