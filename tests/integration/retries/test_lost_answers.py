"""Repeats that need more than the same answer: other processes, other servers, agents in between, second wishes."""

from __future__ import annotations

import threading
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.conftest import RunningServer
from tests.faults import FaultProxy, RetryingClient

from .world import World


@pytest.fixture(scope="module")
def world(server: RunningServer) -> World:
    return World(server)


@pytest.fixture
def proxy(server: RunningServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.api) as running:
        yield running


@pytest.fixture
def client(server: RunningServer, proxy: FaultProxy) -> Iterator[RetryingClient]:
    made = RetryingClient(proxy.url, server.login())
    yield made
    made.close()


def waiting(world: World, queue: str) -> list[str]:
    return [entry["task"] for entry in world.call("queues.get_by_id", {"queue": queue})["queue"]["entries"]]


def status(world: World, task: str) -> str:
    return str(world.call("tasks.get_by_id", {"task": task})["task"]["status"])


def take(world: World, queue: str, worker: str = "agent") -> dict[str, Any]:
    """What an agent of ours would do at once: take a task and start it."""
    body = {"worker": worker, "queues": [queue], "timeout_s": 5}
    entry: dict[str, Any] = world.call("agents.wait", body)["entries"][0]
    world.call("tasks.started", {"task": entry["task"]}, token=entry["token"])
    return entry


# ---------------------------------------------------------------------------------------------- the caller means it


def test_what_was_answered_and_is_asked_again_is_refused_as_ever(world: World, client: RetryingClient) -> None:
    queue, task, project = world.queue(), world.task(), world.project()
    for name, body, refused in (
        ("tasks.enqueue", {"task": task, "queue": queue}, (400, 706)),
        ("queues.create", {"name": world.name("queue")}, (400, 801)),
        ("projects.delete", {"project": project}, (400, 401)),
        ("tasks.delete", {"task": task, "force": True}, (400, 101)),
        ("models.delete", {"model": world.model()}, (400, 201)),
    ):
        assert client.call(name, body)[:2] == (200, 0)
        assert client.call(name, body)[:2] == refused


def test_another_process_of_the_same_user_is_no_retry(world: World, server: RunningServer) -> None:
    model = world.model()
    for expected in ((200, 0), (400, 201)):
        process = RetryingClient(server.api, server.login())
        assert process.call("models.delete", {"model": model})[:2] == expected
        process.close()


def test_a_lost_answer_is_told_once_and_then_the_caller_means_it(
    world: World, client: RetryingClient, proxy: FaultProxy
) -> None:
    body = {"model": world.model()}
    proxy.cut("models.delete", "after")
    assert client.call("models.delete", body)[:2] == (200, 0)
    assert client.tries == 2
    assert client.call("models.delete", body)[:2] == (400, 201)


# ---------------------------------------------------------------------------------------------- agents in between


@pytest.mark.parametrize("ends", ["", "completed", "failed", "stopped"])
def test_an_enqueued_task_that_an_agent_has_taken_meanwhile_does_not_run_twice(
    world: World, client: RetryingClient, proxy: FaultProxy, ends: str
) -> None:
    queue, task = world.queue(), world.task()

    def agent() -> None:
        entry = take(world, queue)
        if ends:
            world.call(f"tasks.{ends}", {"task": entry["task"]}, token=entry["token"])

    proxy.cut("tasks.enqueue", "after", agent)
    code, subcode, data = client.call("tasks.enqueue", {"task": task, "queue": queue})
    assert (code, subcode, data["queued"], data["fields"]["status"]) == (200, 0, 1, "queued")
    assert status(world, task) == (ends or "in_progress")
    assert waiting(world, queue) == []


def test_enqueuing_again_what_has_failed_meanwhile_runs_it_again(world: World, server: RunningServer) -> None:
    """One connection a call, and a look in between: nobody who waits for an answer does that."""
    queue, task, token = world.queue(), world.task(), server.login()

    def call(name: str, body: dict[str, Any]) -> tuple[int, int, Any]:
        client = RetryingClient(server.api, token)
        try:
            return client.call(name, body)
        finally:
            client.close()

    assert call("tasks.enqueue", {"task": task, "queue": queue})[0] == 200
    entry = take(world, queue)
    world.call("tasks.failed", {"task": task}, token=entry["token"])
    assert call("tasks.get_by_id", {"task": task})[2]["task"]["status"] == "failed"
    assert call("tasks.enqueue", {"task": task, "queue": queue})[0] == 200
    assert waiting(world, queue) == [task]


def test_a_stop_whose_answer_was_lost_is_answered_when_the_run_has_ended_otherwise(
    world: World, client: RetryingClient, proxy: FaultProxy
) -> None:
    _, entry = world.claimed()

    def agent() -> None:
        world.call("tasks.completed", {"task": entry["task"]}, token=entry["token"])

    proxy.cut("tasks.stop", "after", agent)
    assert client.call("tasks.stop", {"task": entry["task"]})[:2] == (200, 0)
    assert status(world, entry["task"]) == "completed"


# ---------------------------------------------------------------------------------------------- taking tasks


def test_a_taken_task_whose_answer_was_lost_is_given_again_and_no_other(
    world: World, client: RetryingClient, proxy: FaultProxy
) -> None:
    queue = world.queue()
    tasks = [world.queued(queue) for _ in range(3)]
    for expected in tasks:
        for _ in range(3):
            proxy.cut("queues.get_next_task", "after")
        assert client.call("queues.get_next_task", {"queue": queue})[2]["entry"]["task"] == expected
        assert client.tries == 4
        assert client.call("tasks.started", {"task": expected, "force": True})[0] == 200
    assert client.call("queues.get_next_task", {"queue": queue})[2] == {}


def test_two_processes_that_share_a_login_never_get_the_same_task(world: World, server: RunningServer) -> None:
    queue, token = world.queue(), server.login()
    tasks = [world.queued(queue) for _ in range(4)]
    processes = [RetryingClient(server.api, token) for _ in range(2)]
    given = [
        process.call("queues.get_next_task", {"queue": queue})[2]["entry"]["task"]
        for _ in range(2)
        for process in processes
    ]
    assert given == tasks
    for process in processes:
        process.close()


def test_an_agent_of_ours_gets_again_what_it_was_given(world: World, client: RetryingClient, proxy: FaultProxy) -> None:
    """Our clients name their calls; entries whose answer was lost do not wait for the end of their lease."""
    queue = world.queue()
    tasks = [world.queued(queue) for _ in range(3)]
    body = {"worker": world.name("worker"), "queues": [queue], "slots": 2, "timeout_s": 5}
    proxy.cut("agents.wait", "after")
    entries = client.call("agents.wait", body, {"X-ClearML-Request-Id": uuid.uuid4().hex})[2]["entries"]
    assert client.tries == 2
    assert [entry["task"] for entry in entries] == tasks[:2]
    assert waiting(world, queue) == tasks[2:]
    for entry in entries:
        assert world.call("tasks.started", {"task": entry["task"]}, token=entry["token"])["updated"] == 1


# ---------------------------------------------------------------------------------------------- named calls


@pytest.mark.parametrize("name", ["tasks.create", "tasks.clone", "models.create", "reports.create"])
def test_what_makes_something_makes_one_when_the_call_is_named(
    world: World, client: RetryingClient, proxy: FaultProxy, name: str
) -> None:
    title = world.name("once")
    body = {
        "tasks.create": {"name": title, "type": "training"},
        "tasks.clone": {"task": world.task(), "new_task_name": title},
        "models.create": {"name": title, "uri": "file:///tmp/m"},
        "reports.create": {"name": title},
    }[name]
    proxy.cut(name, "after")
    code, _, data = client.call(name, body, {"X-ClearML-Request-Id": uuid.uuid4().hex})
    assert (code, client.tries) == (200, 2)
    kind = "models" if name.startswith("models") else "tasks"
    found = world.call(f"{kind}.get_all", {"name": f"^{title}$", "search_hidden": True})[kind]
    assert [item["id"] for item in found] == [data["id"]]


def test_one_name_is_one_call_even_on_one_connection(world: World, client: RetryingClient) -> None:
    name = {"X-ClearML-Request-Id": uuid.uuid4().hex}
    body = {"name": world.name("once"), "type": "training"}
    first, again = (client.call("tasks.create", body, name)[2]["id"] for _ in range(2))
    other = client.call("tasks.create", body, {"X-ClearML-Request-Id": uuid.uuid4().hex})[2]["id"]
    assert first == again != other


# ---------------------------------------------------------------------------------------------- other servers


@pytest.mark.timeout(300)  # it starts five servers one after another
def test_a_server_killed_after_the_commit_knows_the_retry_when_it_is_back(
    new_server: Callable[..., AbstractContextManager[RunningServer]],
) -> None:
    with new_server() as server, FaultProxy(server.api) as proxy:
        world = World(server)
        queue, task = world.queue(), world.task()
        first = world.queued(queue)
        client = RetryingClient(proxy.url, server.login())

        def crash() -> None:
            server.kill()
            server.restart()

        for name, body in (
            ("tasks.enqueue", {"task": task, "queue": queue}),
            ("queues.get_next_task", {"queue": queue}),
            ("tasks.delete", {"task": task, "force": True}),
            ("queues.create", {"name": "made once"}),
        ):
            proxy.cut(name, "after", crash)
            code, subcode, data = client.call(name, body)
            assert (name, code, subcode, client.tries) == (name, 200, 0, 2)
            if name == "queues.get_next_task":
                assert data["entry"]["task"] == first
        assert waiting(world, queue) == []
        client.close()


def test_half_a_batch_done_by_a_server_that_was_killed_is_finished_by_the_retry(
    new_server: Callable[..., AbstractContextManager[RunningServer]],
) -> None:
    """Killed at some moment of a long batch: whatever was done counts as done, the rest is done."""
    with new_server() as server, FaultProxy(server.api) as proxy:
        world = World(server)
        queue = world.queue()
        tasks = [world.task() for _ in range(60)]
        client = RetryingClient(proxy.url, server.login())
        watcher = RetryingClient(server.api, server.login())
        killed = []

        def crash_halfway() -> None:
            while len(waiting_by(watcher, queue)) < 10:
                pass
            server.kill()
            killed.append(True)
            server.restart()

        thread = threading.Thread(target=crash_halfway)
        thread.start()
        try:
            code, _, data = client.call("tasks.enqueue_many", {"ids": tasks, "queue": queue})
        finally:
            thread.join(60)  # a server that is being started has to be there to be stopped
            client.close()
            watcher.close()
        assert killed
        assert code == 200
        assert data["failed"] == []
        assert sorted(item["id"] for item in data["succeeded"]) == sorted(tasks)
        assert sorted(waiting(world, queue)) == sorted(tasks)


def waiting_by(client: RetryingClient, queue: str) -> list[str]:
    data = client.call("queues.get_by_id", {"queue": queue})[2]
    return [entry["task"] for entry in data["queue"]["entries"]]


def test_the_counter_tells_of_repeats(world: World, client: RetryingClient, proxy: FaultProxy) -> None:
    def count() -> int:
        with urllib.request.urlopen(f"{world.server.api}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        found = [line for line in text.splitlines() if line.startswith("clearml_repeated_writes")]
        return int(float(found[0].split()[1])) if found else 0

    before = count()
    proxy.cut("models.delete", "after")
    client.call("models.delete", {"model": world.model()})
    assert count() == before + 1


# ---------------------------------------------------------------------------------------------- proxies and closers


def test_the_same_call_again_on_a_proxys_connection_is_a_retry_until_its_client_calls_something_else(
    world: World, server: RunningServer
) -> None:
    """A proxy keeps its connection when its client is gone, and sends the retry over it."""
    client = RetryingClient(server.api, server.login(), {"X-Forwarded-For": "192.0.2.7"})
    body = {"model": world.model()}
    assert [client.call("models.delete", body)[:2] for _ in range(2)] == [(200, 0), (200, 0)]
    client.call("debug.ping_auth")
    assert client.call("models.delete", body)[:2] == (400, 201)
    client.close()


def test_who_closes_after_every_call_is_refused_as_ever_but_may_enqueue_again(
    world: World, server: RunningServer
) -> None:
    queue, task, model, token = world.queue(), world.task(), world.model(), server.login()

    def call(name: str, body: dict[str, Any]) -> tuple[int, int]:
        client = RetryingClient(server.api, token, {"Connection": "close"})
        try:
            return client.call(name, body)[:2]
        finally:
            client.close()

    assert [call("models.delete", {"model": model}) for _ in range(2)] == [(200, 0), (400, 201)]
    assert [call("tasks.enqueue", {"task": task, "queue": queue}) for _ in range(2)] == [(200, 0), (200, 0)]
    assert waiting(world, queue) == [task]
    assert [call("queues.get_next_task", {"queue": queue}) for _ in range(2)] == [(200, 0), (200, 0)]
    assert waiting(world, queue) == []
