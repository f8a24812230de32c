"""Back-pressure: a store that is full refuses reports in words, everything else goes on, and clients lose nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ApiFailure, RunningServer, running_server

from .reports import BEGAN_MS, line, new_task, plot, scalar, send

pytestmark = [pytest.mark.one_server, pytest.mark.embedded]

LIMIT = 24 << 20
PLOT_BYTES = 1 << 20
WAIT_S = 60.0


@pytest.fixture
def small_server() -> Iterator[RunningServer]:
    """A server that refuses reports when its store uses 24 MiB, and seals nothing meanwhile."""
    env = {"CLEARML_SERVER_STORE_MEMORY_BYTES": str(LIMIT), "CLEARML_SERVER_SEAL_PERIOD_S": "0"}
    with running_server(env=env) as server:
        yield server


def fill(server: RunningServer) -> tuple[str, ApiFailure]:
    """Report to a new task until that is refused; the task, and the refusal."""
    task = new_task(server, "full")
    for number in range(3 * LIMIT // PLOT_BYTES):
        try:
            send(server, plot(task, number, "p", "v", plot_str="x" * PLOT_BYTES))
        except ApiFailure as refused:
            return task, refused
    raise AssertionError("reports were never refused")


def gauge(server: RunningServer, name: str) -> float:
    with urllib.request.urlopen(f"{server.api}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"clearml_{name} "))


def until_taken(server: RunningServer, task: str) -> None:
    """Wait until reports are taken again."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            send(server, scalar(task, 1, 1.0))
        except ApiFailure as refused:
            assert refused.code == 429
            assert time.monotonic() < deadline
            time.sleep(0.2)
        else:
            return


def test_a_full_store_refuses_reports_and_nothing_else(small_server: RunningServer) -> None:
    server = small_server
    full, refused = fill(server)
    assert (refused.code, refused.subcode) == (429, 194)
    assert "the store uses" in refused.message
    assert refused.answer["meta"]["error_data"]["retry_after_s"] >= 1
    request = urllib.request.Request(
        f"{server.api}/events.add_batch",
        data=json.dumps(scalar(full, 1, 1.0)).encode(),
        headers={"Authorization": f"Bearer {server.login()}"},
    )
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(request, timeout=20)
    with answer.value as said:
        assert (said.code, int(said.headers["Retry-After"]) >= 1) == (429, True)
    with pytest.raises(ApiFailure) as single:
        server.call("events.add", scalar(full, 1, 1.0))
    assert single.value.code == 429
    assert gauge(server, "reports_refused") == 1
    # Everything else is served: tasks are made, queued and edited, and what was reported is read.
    other = new_task(server)
    assert server.call("tasks.enqueue", {"task": other, "queue_name": "default"})["queued"] == 1
    assert server.call("events.get_task_plots", {"task": full})["total"] > 0
    server.call("events.delete_for_task", {"task": full})
    until_taken(server, other)
    assert gauge(server, "reports_refused") == 0
    lines = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
    said_in_log = [line for line in lines if "reports are" in str(line)]
    assert len(said_in_log) == 2, said_in_log


REPORTING = """
import os, sys
from clearml_sdk import session
from clearml_sdk.reporting.reporter import Reporter

reporter = Reporter.open(session.Session.default(), sys.argv[1])
for step in range(5000):
    reporter.scalar("loss", "train", 1.0 / (step + 1), step)
reporter.log("info", "a line")
print("reported", flush=True)
sys.stdin.read()
print(reporter.flush(60.0), flush=True)
os._exit(0 if reporter.close(60.0) else 1)
"""


@pytest.mark.parametrize("is_killed", [False, True])
def test_our_sdk_keeps_its_reports_until_they_are_taken(
    small_server: RunningServer, tmp_path: Path, is_killed: bool
) -> None:
    server, task = small_server, new_task(small_server)
    full, _ = fill(server)
    env = server.environment(CLEARML_JOURNAL_DIR=str(tmp_path / "journals"))
    command = [sys.executable, "-c", REPORTING, task]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "reported\n"
        refused = gauge_counter(server, "refused_batches_total")
        deadline = time.monotonic() + WAIT_S
        while gauge_counter(server, "refused_batches_total") == refused:  # it tries, and is told to wait
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert server.call("events.scalar_metrics_iter_histogram", {"task": task}) == {}
        if is_killed:
            process.send_signal(signal.SIGKILL)
        server.call("events.delete_for_task", {"task": full})
        until_taken(server, full)
        if is_killed:
            process.wait(WAIT_S)
            again = [sys.executable, "-m", "clearml_sdk.cli", "sync"]
            subprocess.run(again, env=env, check=True, timeout=60, stdout=subprocess.DEVNULL)
        else:
            process.stdin.close()
            assert process.stdout.readline() == "True\n"
            assert process.wait(60) == 0
    curve = server.call("events.scalar_metrics_iter_histogram", {"task": task, "samples": 6000})["loss"]["train"]
    assert curve["x"] == list(range(5000))
    assert curve["y"] == [1.0 / (step + 1) for step in range(5000)]
    assert server.call("events.get_task_log", {"task": task})["total"] == 1
    assert list((tmp_path / "journals").iterdir()) == []


def gauge_counter(server: RunningServer, name: str) -> float:
    try:
        return gauge(server, name)
    except StopIteration:
        return 0.0


def test_other_calls_are_answered_while_reports_flood_the_server(own_server: RunningServer) -> None:
    server, is_over = own_server, threading.Event()
    batches: list[float] = []
    bodies = []
    for number in range(16):
        task = new_task(server, f"flood {number}")
        events = [scalar(task, step, 1.0 / (step + 1), series=("m", f"v{step % 7}")) for step in range(20_000)]
        bodies.append("\n".join(map(json.dumps, events)).encode())
    token = server.login()

    def flood(body: bytes) -> None:
        while not is_over.is_set():
            try:
                began = time.monotonic()
                headers = {"X-ClearML-Batch": os.urandom(8).hex()}
                assert server.call("events.add_batch", body, token=token, headers=headers)["added"] == 20_000
                batches.append(time.monotonic() - began)
            except ApiFailure as refused:
                assert refused.code == 429

    threads = [threading.Thread(target=flood, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    took: list[float] = []
    try:
        until = time.monotonic() + 6.0
        while time.monotonic() < until or len(batches) <= 32:  # a slow machine takes its time for a flood
            assert server.process.poll() is None
            began = time.monotonic()
            task = new_task(server)
            assert server.call("tasks.enqueue", {"task": task, "queue_name": "default"})["queued"] == 1
            server.call("debug.ping")
            took.append((time.monotonic() - began) / 3)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    # Whoever reports waits for its turn; who does anything else does not. The machine is shared with the clients that
    # flood, so only the ratio says something.
    assert statistics.median(took) < statistics.median(batches) / 4, (took, batches)


def test_a_batch_that_was_answered_holds_no_place(server: RunningServer, call: Any) -> None:
    task = new_task(server)
    assert call("events.add", {**scalar(task, 1, 1.0), "timestamp": BEGAN_MS})["added"] == 1
    assert gauge(server, "batches_in_flight") == 0


def begun_batch(server: RunningServer, token: str, size: int) -> socket.socket:
    """A batch of `size` bytes whose body has not come yet."""
    parts = urllib.parse.urlsplit(server.api)
    connection = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=WAIT_S)
    head = f"POST /events.add_batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    connection.sendall(f"{head}Content-Type: application/json-lines\r\nContent-Length: {size}\r\n\r\n".encode())
    return connection


def in_flight(server: RunningServer, count: int) -> None:
    """Wait until so many batches are on their way."""
    deadline = time.monotonic() + WAIT_S
    while gauge(server, "batches_in_flight") != count:
        assert time.monotonic() < deadline
        time.sleep(0.02)  # another process reads them: there is no event to wait for


def test_more_bytes_than_two_bodies_are_not_on_their_way_at_once(own_server: RunningServer) -> None:
    server, limit = own_server, 256 << 20
    task, token = new_task(server), server.login()
    with begun_batch(server, token, limit - 1000) as first, begun_batch(server, token, limit) as second:
        first.sendall(b'{"type": "log"')
        in_flight(server, 2)
        assert send(server, scalar(task, 1, 1.0))["added"] == 1, "there is room for this one"
        with pytest.raises(ApiFailure) as refused:
            send(server, line(task, 1, "x" * 2000))
        assert (refused.value.code, refused.value.subcode) == (429, 194)
        assert "2 batches with 512 MiB are on their way" in refused.value.message
        assert refused.value.answer["meta"]["error_data"]["retry_after_s"] >= 1
        # What is no report is served, and who hangs up gives its place back.
        assert server.call("tasks.enqueue", {"task": task, "queue_name": "default"})["queued"] == 1
        second.close()
        in_flight(server, 1)
        assert send(server, line(task, 1, "x" * 2000))["added"] == 1
    in_flight(server, 0)
    assert server.call("events.get_task_log", {"task": task})["total"] == 1
