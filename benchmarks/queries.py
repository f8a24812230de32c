"""How long `tasks.get_all_ex` takes among very many tasks, and what the read model behind it costs.

`scripts/bench queries`, or with a size: `python -m benchmarks.queries --tasks 1000000 --json FILE`. Tasks with 20
hyperparameters and 20 metrics each are written straight into an embedded store (its default durability); a server of
its own is then asked over HTTP, with authentication, one request at a time. Meanwhile another connection pings.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import http.client
import json
import random
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from rich.table import Table

from benchmarks.measure import console
from control_plane.store import EmbeddedStore, Store, keys, layout
from control_plane.store.layout import KINDS
from tests.conftest import RunningServer, running_server

PARAMETERS = 20
METRICS = 20
PROJECTS = 50
USERS = 10
TASKS_A_WRITE = 500
PAGE = 50
SHOWN = [
    *("type", "name", "tags", "system_tags", "status", "project.name", "user.name", "started", "last_update"),
    *("last_iteration", "comment", "active_duration", "parent.name", "runtime.progress"),
]
"""What a table of experiments shows of each."""
STATUSES = ("created", "stopped", "closed", "completed", "failed", "published")
"""None is under way: the watchdog would end what nobody answers for."""
METRIC_IDS = [(md5(f"m{n // 4}".encode()).hexdigest(), md5(f"v{n}".encode()).hexdigest()) for n in range(METRICS)]
"""(metric, variant) as keys of last_metrics."""


def task(number: int, chance: random.Random, projects: list[str], users: list[str]) -> dict[str, Any]:
    """A task of a parameter search; no two of its numbers are alike."""
    created = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=number * 37 + chance.random())
    started, ended = created + timedelta(seconds=chance.random() * 60), created + timedelta(hours=chance.random() * 9)
    return {
        "id": uuid.UUID(int=chance.getrandbits(128)).hex,
        "name": f"{chance.choice(('train', 'tune', 'evaluate'))} resnet{chance.choice((18, 34, 50))} #{number}",
        "comment": chance.choice(("", "", "baseline again", "with more augmentation")),
        "company": "c" * 32,
        "user": chance.choice(users),
        "project": chance.choice(projects),
        "type": chance.choice(("training", "training", "testing", "inference")),
        "status": chance.choice(STATUSES),
        "status_reason": "",
        "status_message": "",
        "tags": chance.sample(["best", "baseline", "gpu", "night", "retry"], chance.randrange(3)),
        "system_tags": ["archived"] if chance.random() < 0.1 else [],
        **{name: _iso(created) for name in ("created", "status_changed")},
        **{name: _iso(ended) for name in ("last_update", "last_change", "completed")},
        "started": _iso(started),
        "active_duration": int((ended - started).total_seconds()),
        "last_iteration": chance.randrange(100_000),
        "script": {
            "repository": "https://git.example.com/vision/train.git",
            "entry_point": "train.py",
            "branch": "main",
        },
        "execution": {"queue": "q" * 32, "artifacts": []},
        "models": {"input": [], "output": []},
        "container": {},
        "output": {},
        "runtime": {"progress": chance.randrange(100)},
        "hyperparams": {"Args": {f"p{n}": _parameter(f"p{n}", n, chance) for n in range(PARAMETERS)}},
        "last_metrics": {
            metric: {
                variant: _metric(f"m{n // 4}", f"v{n}", chance)
                for n, (of, variant) in enumerate(METRIC_IDS)
                if of == metric
            }
            for metric in dict.fromkeys(metric for metric, _ in METRIC_IDS)
        },
    }


def _parameter(name: str, number: int, chance: random.Random) -> dict[str, str]:
    choices: list[Any] = [chance.random(), chance.randrange(10**6), chance.choice(("adam", "sgd")), 2 ** (number % 8)]
    return {"section": "Args", "name": name, "value": str(choices[number % 4]), "type": "str"}


def _metric(metric: str, variant: str, chance: random.Random) -> dict[str, Any]:
    value = chance.random()
    return {
        "metric": metric,
        "variant": variant,
        "value": value,
        "min_value": value / 2,
        "max_value": value * 2,
        "min_value_iteration": 3,
        "max_value_iteration": 9,
        "first_value": 1.0,
        "first_value_iteration": 0,
        "count": 10,
        "mean_value": 0.5,
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


async def fill(url: str, tasks: int) -> tuple[list[str], float]:
    """Write that many tasks and their projects; returns the projects' ids and the store's bytes a task."""
    chance = random.Random(11)
    store = await Store.open(url)
    projects = [uuid.UUID(int=chance.getrandbits(128)).hex for _ in range(PROJECTS)]
    users = [uuid.UUID(int=chance.getrandbits(128)).hex for _ in range(USERS)]
    named: list[tuple[str, dict[str, Any]]] = [
        ("project", {"id": id, "name": f"search {n}", "basename": f"search {n}", "created": "2024"})
        for n, id in enumerate(projects)
    ]
    await _write(store, named + [("user", {"id": id, "name": f"user {n}"}) for n, id in enumerate(users)])
    before = await _used_bytes(store)
    for first in range(0, tasks, TASKS_A_WRITE):
        numbers = range(first, min(tasks, first + TASKS_A_WRITE))
        await _write(store, [("task", task(number, chance, projects, users)) for number in numbers])
    used = (await _used_bytes(store) - before) / tasks
    await store.close()
    return projects, used


async def _write(store: Store, documents: list[tuple[str, dict[str, Any]]]) -> None:
    commands: list[tuple[Any, ...]] = []
    for kind, document in documents:
        for part, leaves in layout.flatten(KINDS[kind], document).items():
            flat = [word for pair in leaves.items() for word in pair]
            commands.append(("HSET", keys.document(kind, document["id"], part), *flat))
        commands.append(("SADD", keys.ids(kind), document["id"]))
    await store.connection.run(lambda client: client.many(commands))


async def _used_bytes(store: Store) -> int:
    found: Any = await store.connection.run(lambda client: client.info("memory"))
    return int(found["used_memory"])


class Client:
    """One connection that stays open."""

    def __init__(self, server: RunningServer) -> None:
        address = urlsplit(server.api)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=300)
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {server.login()}"}

    def call(self, endpoint: str, body: dict[str, Any]) -> Any:
        self._connection.request("POST", f"/{endpoint}", json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{endpoint}: {content[:500]!r}")
        return content

    def data(self, endpoint: str, body: dict[str, Any]) -> Any:
        return json.loads(self.call(endpoint, body))["data"]

    def timed(self, endpoint: str, body: dict[str, Any]) -> float:
        began = time.perf_counter()
        self.call(endpoint, body)
        return time.perf_counter() - began


def bodies(project: str) -> dict[str, dict[str, Any]]:
    """What is measured: indexed fields first."""
    mine: dict[str, Any] = {
        "project": [project],
        "system_tags": ["__$all", "__$not", "archived"],
        "type": ["__$not", "annotation_manual", "__$not", "controller"],
        "page": 0,
        "page_size": PAGE,
        "only_fields": SHOWN,
        "search_hidden": True,
    }
    everywhere = {name: value for name, value in mine.items() if name != "project"}
    (metric, variant), (_, other) = METRIC_IDS[0], METRIC_IDS[1]
    parameter = {f"hyperparams.Args.p{n}.value": ["adam", "sgd"] for n in (2, 6)}
    return {
        "one project, newest first": {**mine, "order_by": ["-last_update"]},
        "all, newest first": {**everywhere, "order_by": ["-last_update"]},
        "all, created": {**everywhere, "order_by": ["created"]},
        "all, by status, name": {**everywhere, "order_by": ["status", "name"]},
        "all, by name": {**everywhere, "order_by": ["name"]},
        "all, by -started": {**everywhere, "order_by": ["-started"]},
        "all, by -last_iteration": {**everywhere, "order_by": ["-last_iteration"]},
        "three statuses, two tags, page 40": {
            **everywhere,
            "status": ["completed", "failed", "stopped"],
            "tags": ["best", "-retry"],
            "order_by": ["-last_update"],
            "page": 40,
        },
        "a page of 100, newest first": {**everywhere, "order_by": ["-last_update"], "page_size": 100},
        "a page of 100, two statuses, iterations": {
            **everywhere,
            "status": ["completed", "published"],
            "last_iteration": [1_000, 50_000],
            "order_by": ["-last_update"],
            "page_size": 100,
        },
        "all fields of 50": {**mine, "order_by": ["-last_update"], "only_fields": []},
        "by hyperparameter (number)": {**everywhere, "order_by": ["hyperparams.Args.p0.value"]},
        "by hyperparameter (text), filtered by two": {
            **everywhere,
            **parameter,
            "order_by": ["-hyperparams.Args.p2.value", "-last_update"],
        },
        "by last metric": {**everywhere, "order_by": [f"-last_metrics.{metric}.{variant}.value"]},
        "by last metric, range of another": {
            **everywhere,
            f"last_metrics.{metric}.{other}.max_value": [0.5, 1.5],
            "order_by": [f"last_metrics.{metric}.{variant}.min_value"],
        },
        "name matches": {**everywhere, "name": "resnet50 #.*77", "order_by": ["-last_update"]},
        "search_text": {**everywhere, "search_text": "augmentation #4242", "order_by": ["-@text_score"]},
    }


def one_by_one(client: Client, rounds: int, queries: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Each query: seconds of its first call, which may have to build columns, and of the others."""
    rows = []
    for name, body in queries.items():
        first = client.timed("tasks.get_all_ex", body)
        rows.append(
            {"name": name, "first": first, "times": [client.timed("tasks.get_all_ex", body) for _ in range(rounds)]}
        )
    return rows


def after_edits(client: Client, body: dict[str, Any], rounds: int) -> list[float]:
    """Seconds of a query whose model has to take in a change."""
    ids = [found["id"] for found in client.data("tasks.get_all_ex", body)["tasks"]]
    times = []
    for number in range(rounds):
        client.call("tasks.edit", {"task": ids[number % len(ids)], "comment": f"edit {number}", "force": True})
        times.append(client.timed("tasks.get_all_ex", body))
    return times


async def limits(url: str, rounds: int) -> dict[str, list[float]]:
    """What cannot be less: reading the 50 documents of a page, and finding them in plain Python."""
    store = await Store.open(url)
    ids = (await store.ids("task"))[:PAGE]
    commands = [("HMGET", keys.document("task", id), *sorted(path.partition(".")[0] for path in SHOWN)) for id in ids]
    read, sort = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        await store.connection.run(lambda client: client.many(commands))
        read.append(time.perf_counter() - began)
    size = await store.connection.run(lambda client: client.scard(keys.ids("task")))
    await store.close()
    chance = random.Random(3)
    rows = [{"archived": chance.random() < 0.1, "last_update": chance.random()} for _ in range(size)]
    for _ in range(min(5, rounds)):
        began = time.perf_counter()
        heapq.nlargest(PAGE, (row for row in rows if not row["archived"]), key=lambda row: row["last_update"])
        sort.append(time.perf_counter() - began)
    return {f"Redis, one pipeline of {PAGE}": read, "a list of dicts: filter, nlargest": sort}


@contextmanager
def pinging(server: RunningServer) -> Iterator[list[float]]:
    """Ping every 5 ms meanwhile; yields the list that fills with seconds a ping."""
    times: list[float] = []
    over = threading.Event()
    client = Client(server)

    def ping() -> None:
        while not over.wait(0.005):
            times.append(client.timed("debug.ping", {}))

    thread = threading.Thread(target=ping)
    thread.start()
    try:
        yield times
    finally:
        over.set()
        thread.join()


def resident(server: RunningServer) -> int:
    return int(psutil.Process(server.process.pid).memory_info().rss)


def measure(tasks: int, rounds: int) -> dict[str, Any]:
    """Everything, for one number of tasks."""

    def ask(url: str, project: str) -> dict[str, Any]:
        idle = resident_when_idle()
        began = time.perf_counter()
        with running_server("--redis", url) as server:
            return asked(server, project, rounds, tasks, began, idle)

    async def with_store() -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True) as folder:
            async with EmbeddedStore(Path(folder) / "store") as embedded:
                began = time.perf_counter()
                projects, store_bytes = await fill(embedded.url, tasks)
                found = {"tasks": tasks, "fill_s": time.perf_counter() - began, "store_bytes": store_bytes}
                found |= await asyncio.to_thread(ask, embedded.url, projects[0])
                return {**found, "limits": await limits(embedded.url, rounds)}

    return asyncio.run(with_store())


def resident_when_idle() -> int:
    """Bytes of a server that has answered a query, over an empty store."""
    with running_server() as server:
        Client(server).call("tasks.get_all_ex", {})
        return resident(server)


def asked(server: RunningServer, project: str, rounds: int, tasks: int, started_at: float, idle: int) -> dict[str, Any]:
    """What a server answers, from its start.

    Args:
        started_at: when its process was started, on the clock of `time.perf_counter`.
        idle: its bytes without tasks.
    """
    client, queries = Client(server), bodies(project)
    client.call("tasks.get_all_ex", queries["all, newest first"])
    rebuild = time.perf_counter() - started_at
    base = resident(server)
    with pinging(server) as pings:
        rows = one_by_one(client, rounds, queries)
    edits = after_edits(client, queries["all, newest first"], rounds)
    build = []
    for n in range(PARAMETERS):
        began = client.timed("tasks.get_all_ex", {"order_by": [f"hyperparams.Args.p{n}.value"], "page_size": 1})
        metric, variant = METRIC_IDS[n]
        build += [
            began,
            client.timed("tasks.get_all_ex", {"order_by": [f"last_metrics.{metric}.{variant}.value"], "page_size": 1}),
        ]
    return {
        "rebuild_s": rebuild,
        "base_bytes": (base - idle) / tasks,
        "full_bytes": (resident(server) - idle) / tasks,
        "queries": rows,
        "after_edits": edits,
        "columns_s": build,
        "pings": pings,
    }


def quantiles(seconds: list[float]) -> tuple[float, float, float]:
    """p50, p99 and the worst, in ms."""
    ordered = sorted(seconds)
    return statistics.median(ordered) * 1e3, ordered[int(len(ordered) * 0.99)] * 1e3, ordered[-1] * 1e3


def show(title: str, found: dict[str, Any]) -> None:
    table = Table(title=f"{title}: {found['tasks']:,} tasks", title_justify="left")
    for column in ("what", "first", "p50", "p99", "worst"):
        table.add_column(column, justify="left" if column == "what" else "right")
    rows = [(row["name"], f"{row['first'] * 1e3:.0f} ms", row["times"]) for row in found["queries"]]
    rows += [
        ("newest first, after an edit", "", found["after_edits"]),
        ("a column never asked for", "", found["columns_s"]),
        ("pings meanwhile", "", found["pings"]),
        *((f"limit: {name}", "", times) for name, times in found["limits"].items()),
    ]
    for name, first, times in rows:
        table.add_row(name, first, *(f"{value:.1f} ms" for value in quantiles(times)))
    console.print(table)
    console.print(
        f"from the start of the process to the first page {found['rebuild_s']:.2f} s; "
        f"a task takes {found['base_bytes']:,.0f} bytes in the read model, "
        f"{found['full_bytes']:,.0f} with {PARAMETERS} parameters and {METRICS} metrics as columns, "
        f"{found['store_bytes']:,.0f} in the store (filled in {found['fill_s']:.0f} s)"
    )


def run(title: str, *, rounds: int) -> None:
    show(title, measure(100_000, rounds=max(20, rounds * 10)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queries", description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=50, help="measured calls of each query")
    parser.add_argument("--json", type=Path, help="write every measured value here")
    arguments = parser.parse_args()
    found = measure(arguments.tasks, arguments.rounds)
    show("tasks.get_all_ex", found)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
