"""Reading back what a task reported, over HTTP: 10,000 points of a curve, 10,000 lines of a console.

The limits beside it, measured in the same rounds over the same kind of connection: a call that does nothing, and the
same entries read from the store as they lie there. The goal of the curve is 15 ms; mlflow takes 554 ms.
"""

from __future__ import annotations

import http.client
import json
import socket
import statistics
from typing import Any
from urllib.parse import urlsplit

from benchmarks.goals import Goals
from benchmarks.measure import timed
from tests.conftest import RunningServer, running_server

POINTS = 10_000
SENT_AT_ONCE = 1000
CURVE_GOAL_MS = 15
CURVE = "curve, thinned to 1,000 samples"


class Client:
    """One kept-alive connection to the API."""

    def __init__(self, server: RunningServer) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(server.api).netloc, timeout=60)
        self._headers = {"Authorization": f"Bearer {server.login()}", "Content-Type": "application/json"}

    def call(self, endpoint: str, body: dict[str, Any]) -> bytes:
        """The answer's bytes; decoding them is the client's own affair."""
        self._connection.request("POST", f"/{endpoint}", json.dumps(body).encode(), self._headers)
        answer = self._connection.getresponse()
        found = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{endpoint}: {found[:300]!r}")
        return found

    def close(self) -> None:
        self._connection.close()


def report_points(server: RunningServer) -> str:
    """A task with a curve and a console of `POINTS` each."""
    task = str(server.call("tasks.create", {"name": "curves", "type": "testing"})["id"])
    for first in range(0, POINTS, SENT_AT_ONCE):
        steps = range(first, first + SENT_AT_ONCE)
        scalar = {"type": "training_stats_scalar", "task": task, "metric": "loss", "variant": "train"}
        line = {"type": "log", "task": task, "level": "info"}
        for events in (
            [{**scalar, "iter": step, "value": 1 / (step + 1), "timestamp": 10**12 + step} for step in steps],
            [{**line, "msg": f"epoch {step}: loss 0.123\n", "timestamp": 10**12 + step} for step in steps],
        ):
            body = "\n".join(map(json.dumps, events)).encode()
            server.call("events.add_batch", body, headers={"Content-Type": "application/json-lines"})
    return task


def read_raw(server: RunningServer, task: str) -> float:
    """Seconds to read the curve's packed entries from the store, without anything of ours in between."""
    command = ("XRANGE", f"ev:{{{task}}}:0:scalar", "-", "+")
    packed = f"*{len(command)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in command)

    def run() -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(server.data_dir / "store" / "valkey.sock"))
            sock.sendall(packed.encode())
            size = 0
            while size < 16 * POINTS:  # what the points alone take
                size += len(sock.recv(1 << 20))

    return timed(run)


def run(title: str, *, rounds: int) -> None:
    """Print the table."""
    calls: dict[str, tuple[str, dict[str, Any]]] = {
        CURVE: ("events.scalar_metrics_iter_histogram", {"samples": 1000}),
        "curve, 6,000 samples": ("events.scalar_metrics_iter_histogram", {"samples": 6000}),
        "curve, every point": ("events.scalar_metrics_iter_raw", {"metric": {"metric": "loss"}}),
        "newest 500 lines of the console": ("events.get_task_log", {"batch_size": 500}),
        "500 events of the curve": ("events.get_task_events", {"event_type": "training_stats_scalar"}),
    }
    with running_server() as server:
        task = report_points(server)
        client = Client(server)
        seconds: dict[str, list[float]] = {name: [] for name in calls}
        nothing, raw = [], []
        try:
            for number in range(rounds * 10 + 1):
                for name, (endpoint, body) in calls.items():
                    took = timed(lambda endpoint=endpoint, body=body: client.call(endpoint, {"task": task, **body}))  # type: ignore[misc]
                    if number:  # the first one warms up
                        seconds[name].append(took)
                nothing.append(timed(lambda: client.call("debug.ping", {})))
                raw.append(read_raw(server, task))
        finally:
            client.close()
    goals = Goals(title)
    for name, found in seconds.items():
        ms = [one * 1e3 for one in found]
        limit = f"ping {statistics.median(nothing) * 1e3:.1f}, store {statistics.median(raw) * 1e3:.1f}"
        if name == CURVE:
            goals.at_most(name, ms, "ms", CURVE_GOAL_MS, limit)
        else:
            goals.note(name, ms, "ms", limit)
    goals.show()
