"""What users rely on, over Debian's Redis and over a Cluster, always asked of two servers at once."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from control_plane.store import Store
from tests import invariants
from tests.conftest import ApiFailure

from .conftest import Pair


def name() -> str:
    return f"t-{uuid.uuid4().hex}"


def create(pair: Pair, **values: Any) -> str:
    return str(pair.call("tasks.create", **{"name": name(), "type": "testing", **values})["id"])


def queue(pair: Pair) -> str:
    return str(pair.call("queues.create", name=name())["id"])


def status(pair: Pair, task: str) -> str:
    return str(pair.other("tasks.get_by_id", task=task)["task"]["status"])


def scalars(task: str, *points: tuple[int, float], metric: str = "loss") -> list[dict[str, Any]]:
    return [
        {"type": "training_stats_scalar", "task": task, "metric": metric, "variant": "v", "iter": step, "value": value}
        for step, value in points
    ]


def report(pair: Pair, task: str, *points: tuple[int, float]) -> None:
    for event in scalars(task, *points):
        pair.call("events.add", **event)


def test_a_created_task_is_read_and_found_by_the_other_server(pair: Pair) -> None:
    wanted = name()
    task = create(pair, name=wanted)
    assert pair.other("tasks.get_by_id", task=task)["task"]["name"] == wanted
    assert [found["id"] for found in pair.other("tasks.get_all", name=f"^{wanted}$")["tasks"]] == [task]


def test_an_edit_is_seen_by_every_later_query(pair: Pair) -> None:
    task = create(pair)
    for round in range(20):
        pair.call("tasks.edit", task=task, comment=f"round {round}")
        found = pair.other("tasks.get_all", id=[task], only_fields=["comment"])["tasks"]
        assert found[0]["comment"] == f"round {round}"


def test_parameters_are_replaced_and_found(pair: Pair) -> None:
    task = create(pair, hyperparams={"Args": {"lr": {"section": "Args", "name": "lr", "value": "0.1"}}})
    changed = {"section": "Args", "name": "lr", "value": task}
    pair.other("tasks.edit_hyper_params", task=task, hyperparams=[changed])
    found = pair.call("tasks.get_all", **{"hyperparams.Args.lr.value": [task]})["tasks"]
    assert [one["id"] for one in found] == [task]


def test_a_project_counts_its_tasks(pair: Pair) -> None:
    project = pair.call("projects.create", name=name())["id"]
    tasks = [create(pair, project=project) for _ in range(3)]
    pair.call("tasks.started", task=tasks[0])
    (found,) = pair.other("projects.get_all_ex", id=[project], include_stats=True)["projects"]
    counts = found["stats"]["active"]["status_count"]
    assert (counts["created"], counts["in_progress"]) == (2, 1)


def test_pages_and_scrolls_hold_every_task_once(pair: Pair) -> None:
    project = pair.call("projects.create", name=name())["id"]
    tasks = {create(pair, project=project) for _ in range(7)}
    pages = [
        [task["id"] for task in pair.other("tasks.get_all_ex", project=[project], page=n, page_size=3)["tasks"]]
        for n in range(4)
    ]
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert {id for page in pages for id in page} == tasks
    scroll, scrolled = "", list[str]()
    for server in (pair.call, pair.other, pair.call, pair.other):
        answer = server("tasks.get_all_ex", project=[project], size=3, scroll_id=scroll)
        scroll = answer["scroll_id"]
        scrolled += [task["id"] for task in answer["tasks"]]
    assert sorted(scrolled) == sorted(tasks)


def test_what_is_enqueued_first_is_taken_first(pair: Pair) -> None:
    line = queue(pair)
    tasks = [create(pair) for _ in range(3)]
    for task in tasks:
        pair.call("tasks.enqueue", task=task, queue=line)
    assert [entry["task"] for entry in pair.other("queues.get_by_id", queue=line)["queue"]["entries"]] == tasks
    taken = [ask("queues.get_next_task", queue=line)["entry"]["task"] for ask in (pair.call, pair.other, pair.call)]
    assert taken == tasks
    assert not pair.other("queues.get_next_task", queue=line).get("entry")


def test_each_entry_is_taken_once_by_many(pair: Pair) -> None:
    line = queue(pair)
    tasks = [create(pair) for _ in range(24)]
    for task in tasks:
        pair.call("tasks.enqueue", task=task, queue=line)
    tokens = [server.login() for server in (pair.first, pair.second)]
    start = threading.Barrier(6)

    def take(number: int) -> list[str]:
        server = (pair.first, pair.second)[number % 2]
        start.wait(10)
        taken = []
        while entry := server.call("queues.get_next_task", {"queue": line}, token=tokens[number % 2]).get("entry"):
            taken.append(entry["task"])
        return taken

    with ThreadPoolExecutor(6) as pool:
        taken = [task for some in pool.map(take, range(6)) for task in some]
    assert sorted(taken) == sorted(tasks)


def test_entries_are_moved_and_removed(pair: Pair) -> None:
    line = queue(pair)
    first, second, third = (create(pair) for _ in range(3))
    for task in (first, second, third):
        pair.call("tasks.enqueue", task=task, queue=line)
    pair.other("queues.move_task_to_front", queue=line, task=third)
    pair.call("tasks.dequeue", task=first)
    entries = pair.other("queues.get_by_id", queue=line)["queue"]["entries"]
    assert [entry["task"] for entry in entries] == [third, second]
    assert status(pair, first) == "created"


def test_a_started_task_goes_through_its_life(pair: Pair) -> None:
    task = create(pair)
    for ask, endpoint, wanted in (
        (pair.call, "tasks.started", "in_progress"),
        (pair.other, "tasks.stopped", "stopped"),
        (pair.call, "tasks.publish", "published"),
    ):
        ask(endpoint, task=task)
        assert status(pair, task) == wanted
    with pytest.raises(ApiFailure):
        pair.other("tasks.started", task=task)


def test_a_unique_name_is_given_once(pair: Pair) -> None:
    wanted = name()
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(ask, "queues.create", name=wanted) for ask in (pair.call, pair.other)]
        failures = [one.exception(20) for one in asked]
    assert sorted(failure is None for failure in failures) == [False, True]


def test_reported_values_become_curves_and_last_metrics(pair: Pair) -> None:
    task = create(pair)
    report(pair, task, (0, 3.0), (1, 2.0), (2, 1.0))
    curve = pair.other("events.scalar_metrics_iter_histogram", task=task)["loss"]["v"]
    assert (curve["x"], curve["y"]) == ([0, 1, 2], [3.0, 2.0, 1.0])
    shown = pair.other("tasks.get_by_id", task=task)["task"]["last_metrics"]
    (metric,) = shown.values()
    (variant,) = metric.values()
    assert (variant["value"], variant["max_value"], variant["min_value"]) == (1.0, 3.0, 1.0)


def test_both_servers_report_to_one_task(pair: Pair) -> None:
    task = create(pair)
    for step in range(0, 20, 2):
        pair.call("events.add", **scalars(task, (step, float(step)))[0])
        pair.other("events.add", **scalars(task, (step + 1, float(step)))[0])
    curve = pair.call("events.scalar_metrics_iter_histogram", task=task)["loss"]["v"]
    assert curve["x"] == list(range(20))


def test_many_tasks_report_in_one_batch(pair: Pair) -> None:
    """Their events are spread over the nodes."""
    tasks = [create(pair) for _ in range(12)]
    lines = [event for task in tasks for event in scalars(task, (0, 1.0), (1, 2.0))]
    body = "\n".join(json.dumps(line) for line in lines).encode()
    answer = pair.first.call("events.add_batch", body, headers={"Content-Type": "application/json-lines"})
    assert answer["added"] == len(lines)
    compared = pair.other("events.multi_task_scalar_metrics_iter_histogram", tasks=tasks)["loss"]["v"]
    assert {id: curve["y"] for id, curve in compared.items()} == {task: [1.0, 2.0] for task in tasks}


def test_the_console_and_plots_are_read_back(pair: Pair) -> None:
    task = create(pair)
    pair.call("events.add", type="log", task=task, msg="hello", level="info", timestamp=1000)
    pair.call("events.add", type="plot", task=task, metric="m", variant="v", iter=0, plot_str='{"data": []}')
    assert [event["msg"] for event in pair.other("events.get_task_log", task=task)["events"]] == ["hello"]
    assert len(pair.other("events.get_task_plots", task=task)["plots"]) == 1


def test_reset_forgets_what_was_reported(pair: Pair) -> None:
    task = create(pair)
    pair.call("tasks.started", task=task)
    report(pair, task, (0, 1.0))
    pair.other("tasks.stopped", task=task)
    pair.other("tasks.reset", task=task)
    assert pair.call("events.scalar_metrics_iter_histogram", task=task) == {}
    assert pair.call("tasks.get_by_id", task=task)["task"].get("last_metrics", {}) == {}
    report(pair, task, (5, 2.0))
    assert pair.other("events.scalar_metrics_iter_histogram", task=task)["loss"]["v"]["x"] == [5]


def test_a_deleted_task_is_gone_everywhere(pair: Pair) -> None:
    task = create(pair)
    report(pair, task, (0, 1.0))
    pair.call("tasks.delete", task=task, force=True)
    assert pair.other("tasks.get_all", id=[task])["tasks"] == []
    with pytest.raises(ApiFailure):
        pair.other("tasks.get_by_id", task=task)
    left = [key for node in pair.store.nodes for key in keys_of(node, task)]
    assert [key for key in left if key.startswith(b"ev:") and not key.endswith(b":meta")] == []


def keys_of(node: Any, task: str) -> list[bytes]:
    with node.client() as client:
        return list(client.scan_iter(f"*{task}*"))


def test_a_model_is_made_of_a_task_and_found(pair: Pair) -> None:
    task = create(pair)
    model = pair.call("models.create", name=name(), uri="file:///m", task=task, tags=[task])["id"]
    assert [one["id"] for one in pair.other("models.get_all", tags=[task])["models"]] == [model]


def test_credentials_of_one_server_work_at_the_other(pair: Pair) -> None:
    made = pair.call("auth.create_credentials", label="x")["credentials"]
    token = pair.other("auth.login")["token"]
    assert pair.first.call("users.get_current_user", token=token)["user"]["id"]
    pair.other("auth.revoke_credentials", access_key=made["access_key"])
    keys = [one["access_key"] for one in pair.call("auth.get_credentials")["credentials"]]
    assert made["access_key"] not in keys


def test_many_tasks_change_in_one_call(pair: Pair) -> None:
    line = queue(pair)
    tasks = [create(pair) for _ in range(5)]
    assert len(pair.call("tasks.enqueue_many", ids=tasks, queue=line)["succeeded"]) == 5
    assert len(pair.other("tasks.archive_many", ids=tasks)["succeeded"]) == 5
    found = pair.call("tasks.get_all", id=tasks, system_tags=["archived"], search_hidden=True)["tasks"]
    assert {task["id"] for task in found} == set(tasks)


def test_everything_above_left_the_store_consistent(pair: Pair) -> None:
    async def check() -> dict[str, int]:
        store = await Store.open(pair.store.url)
        try:
            return await invariants.check(store)
        finally:
            await store.close()

    create(pair)
    assert asyncio.run(check())["tasks"] > 0
