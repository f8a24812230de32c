"""Two servers over one Redis, both killed again and again while agents work through them: every task runs once."""

from __future__ import annotations

import queue
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from tests.conftest import RunningServer, running_server
from tests.faults import RetryingClient

from .redis_server import own_redis

LEASE_S = 4.0
SETTINGS = {
    "CLEARML_SERVER_WATCH_PERIOD_S": "0.5",
    "CLEARML_SERVER_LEASE_S": str(LEASE_S),
    "CLEARML_SERVER_LOST_AFTER_S": "60",
}
LIMIT_S = 30.0
TERMINAL = {"completed", "stopped"}


class Storm:
    """What happens at once: tasks are queued, taken, renewed, stopped and finished, and servers die."""

    def __init__(self, servers: list[RunningServer], *, logins: int, seed: int) -> None:
        self.servers = servers
        self.draw = random.Random(seed)
        self.queue_id = str(servers[0].call("queues.create", {"name": "storm"})["id"])
        self.logins: queue.SimpleQueue[str] = queue.SimpleQueue()
        for _ in range(logins):
            self.logins.put(servers[0].login())
        self.starts: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.tasks: list[str] = []
        self.done = threading.Event()

    @contextmanager
    def client(self, token: str | None = None) -> Iterator[RetryingClient]:
        """One process of a client: a login of its own, unless it runs a task."""
        servers = list(self.servers)
        self.draw.shuffle(servers)
        made = RetryingClient([server.api for server in servers], token or self.logins.get(timeout=LIMIT_S))
        try:
            yield made
        finally:
            made.close()

    @staticmethod
    def name() -> dict[str, str]:
        return {"X-ClearML-Request-Id": uuid.uuid4().hex}

    def submit(self, count: int) -> None:
        with self.client() as client:
            for number in range(count):
                body = {"name": f"task {number}", "type": "training"}
                task = client.call("tasks.create", body, self.name())[2]["id"]
                assert client.call("tasks.enqueue", {"task": task, "queue": self.queue_id})[:2] == (200, 0)
                self.tasks.append(task)
                if number % 7 == 3:
                    assert client.call("tasks.stop", {"task": self.draw.choice(self.tasks)})[0] in (200, 400)

    def work(self, number: int) -> None:
        """One agent: take, start, renew, finish; a claim that is over is left alone."""
        worker = f"agent:{number}"
        with self.client() as client:
            while not self.done.is_set():
                body = {"worker": worker, "queues": [self.queue_id], "slots": 2, "timeout_s": 0.5}
                code, _, data = client.call("agents.wait", body, self.name())
                assert code == 200, self.errors()
                for entry in data["entries"]:
                    self.run(client, worker, entry)

    def run(self, client: RetryingClient, worker: str, entry: dict[str, Any]) -> None:
        task, claim = entry["task"], {"task": entry["task"], "claim": entry["claim"]}
        with self.client(entry["token"]) as runner:
            if runner.call("tasks.started", {"task": task})[0] != 200:
                return  # stopped meanwhile, or the claim is over
            self.starts[task] += 1
            renewal = {"worker": worker, "queues": [self.queue_id], "claims": [claim]}
            assert client.call("agents.renew", renewal)[0] == 200
            if runner.call("tasks.completed", {"task": task})[0] == 200:
                self.ends[task] += 1

    def kill(self, times: int, pause_s: float) -> None:
        for number in range(times):
            time.sleep(self.draw.uniform(0.3, 1) * pause_s)  # the moment of the kill is what the test varies
            victim = self.servers[number % len(self.servers)]
            victim.kill()
            victim.restart()

    def errors(self) -> list[str]:
        """What the servers logged as their own failures."""
        return [line for server in self.servers for line in server.log.splitlines() if '"error"' in line]

    def statuses(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for first in range(0, len(self.tasks), 100):
            query = {"id": self.tasks[first : first + 100], "only_fields": ["id", "status"]}
            answer = self.servers[0].call("tasks.get_all", query)["tasks"]
            found |= {task["id"]: task["status"] for task in answer}
        return found


def through(*, tasks: int, agents: int, kills: int, seed: int, limit_s: float) -> None:
    with (
        own_redis() as url,
        running_server("--redis", url, env=SETTINGS) as one,
        running_server("--redis", url, env=SETTINGS) as two,
    ):
        storm = Storm([one, two], logins=agents + 2, seed=seed)
        with ThreadPoolExecutor(agents + 3) as pool:
            working = [pool.submit(storm.work, number) for number in range(agents)]
            try:
                submitting = [pool.submit(storm.submit, tasks // 2) for _ in range(2)]
                killing = pool.submit(storm.kill, kills, 2.0)
                for job in (*submitting, killing):
                    job.result(limit_s)
                deadline = time.monotonic() + limit_s
                while set(storm.statuses().values()) - TERMINAL:
                    assert time.monotonic() < deadline, Counter(storm.statuses().values())
                    time.sleep(0.1)  # other processes end them: nothing to wait on
            finally:
                storm.done.set()
            for job in working:
                job.result(limit_s)
        ended = storm.statuses()
        assert len(ended) == len(storm.tasks) == tasks // 2 * 2
        for task, status in ended.items():
            notes = storm.servers[0].call("tasks.get_history", {"task": task})["operations"]
            steps = [(note["from"], note["to"]) for note in notes if note["from"] != note["to"]]
            assert steps.count(("queued", "in_progress")) <= 1, steps
            assert storm.starts[task] <= 1, notes
            assert (steps[-1][1], storm.ends[task]) in {("completed", 1), ("stopped", 0)}, (steps, status)
        assert storm.servers[0].call("queues.get_num_entries", {"queue": storm.queue_id})["num"] == 0


def test_every_task_runs_once_while_both_servers_die_in_turn() -> None:
    through(tasks=60, agents=4, kills=3, seed=1, limit_s=60)


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(3))
def test_every_task_runs_once_through_a_long_storm(seed: int) -> None:
    through(tasks=1000, agents=12, kills=25, seed=seed, limit_s=300)
