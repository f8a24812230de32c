"""What our agents call: waiting for work, leases, giving back. Over HTTP, on a real server."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from tests.conftest import ApiFailure, RunningServer

SHORT = {"CLEARML_SERVER_LEASE_S": "0.5", "CLEARML_SERVER_WATCH_PERIOD_S": "1"}
"""The watch begins anew after six periods without a round: on a busy machine it would always."""
LIMIT_S = 60


def new_queue(server: RunningServer) -> str:
    return str(server.call("queues.create", {"name": f"queue {uuid.uuid4().hex}"})["id"])


def new_task(server: RunningServer, queue: str | None = None) -> str:
    task = str(server.call("tasks.create", {"name": "a task", "type": "training"})["id"])
    if queue:
        server.call("tasks.enqueue", {"task": task, "queue": queue})
    return task


def new_worker() -> str:
    return f"host:{uuid.uuid4().hex}"


def in_background(action: Callable[[], Any]) -> Future[Any]:
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(action())
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def waiting(server: RunningServer, queue: str) -> list[str]:
    return [entry["task"] for entry in server.call("queues.get_by_id", {"queue": queue})["queue"]["entries"]]


def status(server: RunningServer, task: str) -> str:
    return str(server.call("tasks.get_all", {"id": [task], "only_fields": ["status"]})["tasks"][0]["status"])


def eventually(condition: Callable[[], Any]) -> Any:
    """Poll another process's state: there is no event to wait for."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def test_what_waits_is_handed_out_at_once_and_in_order(server: RunningServer) -> None:
    queue, worker = new_queue(server), new_worker()
    tasks = [new_task(server, queue) for _ in range(3)]
    answer = server.call("agents.wait", {"worker": worker, "queues": [queue], "slots": 2})
    assert [entry["task"] for entry in answer["entries"]] == tasks[:2]
    assert answer["stops"] == []
    assert answer["drain"] is False
    assert waiting(server, queue) == tasks[2:]


def test_a_waiting_agent_has_a_new_task_in_milliseconds(server: RunningServer) -> None:
    queue, worker = new_queue(server), new_worker()
    took_ms, straight_ms = [], []
    for _ in range(10):
        started = time.perf_counter()
        new_task(server, queue)
        server.call("agents.wait", {"worker": worker, "queues": [queue]})
        straight_ms.append((time.perf_counter() - started) * 1000)
        task = new_task(server)
        wait = in_background(lambda: server.call("agents.wait", {"worker": worker, "queues": [queue]}))
        time.sleep(0.05)  # the call should be waiting; if it is not yet, the test only proves less
        started = time.perf_counter()
        server.call("tasks.enqueue", {"task": task, "queue": queue})
        [entry] = wait.result(LIMIT_S)["entries"]
        took_ms.append((time.perf_counter() - started) * 1000)
        assert entry["task"] == task
    assert sorted(took_ms)[5] < 100 + 5 * sorted(straight_ms)[5], "that is polling"


def test_waiting_for_nothing_ends_empty_after_its_time(server: RunningServer) -> None:
    started = time.monotonic()
    answer = server.call("agents.wait", {"worker": new_worker(), "queues": [new_queue(server)], "timeout_s": 0.3})
    assert answer == {"entries": [], "stops": [], "drain": False, "missing": []}
    assert 0.25 < time.monotonic() - started < 10


def taken(server: RunningServer, asked: dict[str, Any]) -> Any:
    """Ask as agents do: what is queued between the look for entries and the count is first told as waiting."""
    while not (answer := server.call("agents.wait", asked))["entries"]:
        asked = {**asked, "known_waiting": answer["waiting"]}
    return answer


def test_an_agent_takes_from_some_queues_and_hears_of_the_others(server: RunningServer) -> None:
    small, large = new_queue(server), new_queue(server)
    asked = {"worker": new_worker(), "queues": [large, small], "take_from": [small], "known_waiting": []}
    big = new_task(server, large)
    answer = server.call("agents.wait", asked)
    assert (answer["entries"], answer["waiting"]) == ([], [large])
    wait = in_background(lambda: taken(server, {**asked, "known_waiting": [large]}))
    little = new_task(server, small)
    answer = wait.result(LIMIT_S)
    assert [entry["task"] for entry in answer["entries"]] == [little]
    assert answer["waiting"] == [large]
    blind = {**asked, "slots": 0, "known_waiting": [large]}
    wait = in_background(lambda: server.call("agents.wait", blind))
    server.call("tasks.dequeue", {"task": big})
    assert wait.result(LIMIT_S)["waiting"] == []


def test_a_task_enqueued_after_the_agent_hung_up_stays_in_its_queue(own_server: RunningServer) -> None:
    server = own_server
    queue = new_queue(server)
    host, port = server.api.removeprefix("http://").split(":")
    body = json.dumps({"worker": new_worker(), "queues": [queue]}).encode()
    for _ in range(5):
        task = new_task(server)
        with socket.create_connection((host, int(port))) as agent:
            agent.sendall(
                b"POST /agents.wait HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s" % (server.login().encode(), len(body), body)
            )
            time.sleep(0.05)  # until it waits; a shorter wait only proves less
        server.call("tasks.enqueue", {"task": task, "queue": queue})
        # Taken or not, it has to be there for the next agent.
        eventually(lambda: waiting(server, queue) == [task])  # noqa: B023 - called at once
        answer = server.call("agents.wait", {"worker": new_worker(), "queues": [queue], "timeout_s": 5})
        assert [entry["task"] for entry in answer["entries"]] == [task]


def test_two_agents_never_get_the_same_task(server: RunningServer) -> None:
    queue = new_queue(server)
    waits = [
        in_background(
            lambda: server.call("agents.wait", {"worker": new_worker(), "queues": [queue], "timeout_s": 2, "slots": 3})
        )
        for _ in range(6)
    ]
    tasks = [new_task(server, queue) for _ in range(4)]
    given = [entry["task"] for wait in waits for entry in wait.result(LIMIT_S)["entries"]]
    assert sorted([*given, *waiting(server, queue)]) == sorted(tasks)


def test_an_agent_that_dies_before_the_start_loses_nothing(
    new_server: Callable[..., Any],
) -> None:
    """No renewal, no start: the lease ends, and the task is the next one again, for somebody else."""
    with new_server(env=SHORT) as server:
        queue = new_queue(server)
        first, second = new_task(server, queue), new_task(server, queue)
        [entry] = server.call("agents.wait", {"worker": "dies:0", "queues": [queue]})["entries"]
        assert entry["task"] == first
        assert eventually(lambda: waiting(server, queue) == [first, second])
        assert status(server, first) == "queued"
        [again] = server.call("agents.wait", {"worker": "lives:0", "queues": [queue]})["entries"]
        assert (again["task"], again["claim"]) == (first, entry["claim"] + 1)
        with pytest.raises(ApiFailure, match="This claim of the task is over") as refused:
            server.call("tasks.started", {"task": first}, token=entry["token"])
        assert (refused.value.code, refused.value.subcode) == (400, 190)
        assert server.call("tasks.started", {"task": first}, token=again["token"])["updated"] == 1


def test_renewing_keeps_what_is_not_started_yet(new_server: Callable[..., Any]) -> None:
    with new_server(env={**SHORT, "CLEARML_SERVER_LEASE_S": "2"}) as server:
        kept, given_up = new_queue(server), new_queue(server)
        task, other = new_task(server, kept), new_task(server, given_up)
        [entry] = server.call("agents.wait", {"worker": "w:0", "queues": [kept]})["entries"]
        server.call("agents.wait", {"worker": "w:1", "queues": [given_up]})
        renewal = {"worker": "w:0", "queues": [kept], "claims": [{"task": task, "claim": entry["claim"]}]}

        def is_over() -> bool:
            assert server.call("agents.renew", renewal)["lost"] == []
            return waiting(server, given_up) == [other]

        eventually(is_over)  # the lease that nobody renews: so long it would have been
        assert server.call("agents.renew", renewal)["lost"] == []
        assert waiting(server, kept) == []
        assert server.call("tasks.started", {"task": task}, token=entry["token"])["updated"] == 1


def test_stopping_a_run_tells_its_agent_once(server: RunningServer) -> None:
    queue, worker = new_queue(server), new_worker()
    task = new_task(server, queue)
    [entry] = server.call("agents.wait", {"worker": worker, "queues": [queue]})["entries"]
    server.call("tasks.started", {"task": task}, token=entry["token"])
    wait = in_background(lambda: server.call("agents.wait", {"worker": worker, "queues": [queue], "slots": 0}))
    time.sleep(0.05)  # until it waits; a shorter wait only proves less
    server.call("tasks.stop", {"task": task})
    stop = {"task": task, "claim": entry["claim"], "reason": "stopping"}
    assert wait.result(LIMIT_S)["stops"] == [stop]
    known = {"worker": worker, "queues": [queue], "slots": 0, "known_stops": [task], "timeout_s": 0.2}
    assert server.call("agents.wait", known)["stops"] == []


@pytest.mark.parametrize(
    ("endpoint", "body", "reason"),
    [
        ("tasks.stopped", {"force": True}, "status changed: stopped"),
        ("tasks.reset", {"force": True}, "fenced"),
        ("tasks.delete", {"force": True}, "deleted"),
    ],
)
def test_an_agent_learns_that_its_task_is_not_its_own_any_more(
    server: RunningServer, endpoint: str, body: dict[str, Any], reason: str
) -> None:
    queue, worker = new_queue(server), new_worker()
    task = new_task(server, queue)
    [entry] = server.call("agents.wait", {"worker": worker, "queues": [queue]})["entries"]
    server.call("tasks.started", {"task": task}, token=entry["token"])
    server.call(endpoint, {"task": task, **body})
    answer = server.call("agents.wait", {"worker": worker, "queues": [queue], "slots": 0, "timeout_s": 5})
    assert answer["stops"] == [{"task": task, "claim": entry["claim"], "reason": reason}]


@pytest.mark.parametrize("started", [False, True])
def test_a_released_task_is_the_next_one_again(server: RunningServer, started: bool) -> None:
    queue, worker = new_queue(server), new_worker()
    tasks = [new_task(server, queue) for _ in range(2)]
    [entry] = server.call("agents.wait", {"worker": worker, "queues": [queue]})["entries"]
    if started:
        server.call("tasks.started", {"task": tasks[0]}, token=entry["token"])
    release = {"worker": worker, "task": tasks[0], "claim": entry["claim"], "reason": "no disk space"}
    assert server.call("agents.release", release) == {"released": 1}
    assert waiting(server, queue) == tasks
    assert status(server, tasks[0]) == "queued"
    assert server.call("agents.release", release) == {"released": 0}, "a repeat changes nothing"
    assert waiting(server, queue) == tasks


def test_a_drained_worker_gets_nothing_new(server: RunningServer) -> None:
    queue, worker = new_queue(server), new_worker()
    server.call("agents.renew", {"worker": worker, "queues": [queue]})
    wait = in_background(lambda: server.call("agents.wait", {"worker": worker, "queues": [queue]}))
    time.sleep(0.05)  # until it waits; a shorter wait only proves less
    assert server.call("agents.drain", {"worker": worker}) == {"updated": 1}
    assert wait.result(LIMIT_S)["drain"] is True
    task = new_task(server, queue)
    answer = server.call("agents.wait", {"worker": worker, "queues": [queue]})
    assert (answer["drain"], answer["entries"]) == (True, [])
    server.call("agents.drain", {"worker": worker, "drain": False})
    [entry] = server.call("agents.wait", {"worker": worker, "queues": [queue]})["entries"]
    assert entry["task"] == task


def test_as_many_idle_agents_wake_as_tasks_come(server: RunningServer) -> None:
    """Tasks that come at one time wake one agent each, also when one of them takes while others still come."""
    queues = [new_queue(server), new_queue(server)]
    for count in (1, 2, 5, 3, 5, 4):
        tasks = [new_task(server) for _ in range(count)]
        asked = [{"worker": new_worker(), "queues": queues} for _ in range(count)]
        waits = [in_background(lambda body=body: server.call("agents.wait", body)) for body in asked]
        time.sleep(0.05)  # until they wait; a shorter wait only proves less
        calls = [{"task": task, "queue": queues[at % 2]} for at, task in enumerate(tasks)]
        for done in [in_background(lambda body=body: server.call("tasks.enqueue", body)) for body in calls]:
            done.result(LIMIT_S)
        # Who is not woken looks again by itself after 10 s: too late for this.
        entries = [entry for wait in waits for entry in wait.result(9)["entries"]]
        assert sorted(entry["task"] for entry in entries) == sorted(tasks)


@pytest.mark.parametrize("closing", ["drain", "tag"])
def test_a_task_that_comes_as_its_taker_is_closed_runs_there_or_stays_where_it_was(
    server: RunningServer, closing: str
) -> None:
    """An entry is taken in the round trip that tells whether it may be: what may not be taken is not lost."""
    for _ in range(10):
        queue, worker = new_queue(server), new_worker()
        tasks = [new_task(server), new_task(server)]
        close: tuple[str, dict[str, Any]] = ("queues.update", {"queue": queue, "tags": ["force_workers:off"]})
        if closing == "drain":
            close = ("agents.drain", {"worker": worker})
        server.call("agents.renew", {"worker": worker, "queues": [queue]})
        asked = {"worker": worker, "queues": [queue], "timeout_s": 0.3}
        wait = in_background(lambda asked=asked: server.call("agents.wait", asked))
        time.sleep(0.05)  # until it waits; a shorter wait only proves less
        calls = [close, *(("tasks.enqueue", {"task": task, "queue": queue}) for task in tasks)]
        for done in [in_background(lambda call=call: server.call(*call)) for call in calls]:
            done.result(LIMIT_S)
        handed = [entry["task"] for entry in wait.result(LIMIT_S)["entries"]]
        assert len(handed) <= 1
        assert sorted([*handed, *waiting(server, queue)]) == sorted(tasks)


def test_an_agents_worker_is_listed_while_it_renews_and_gone_after(new_server: Callable[..., Any]) -> None:
    with new_server(env=SHORT) as server:
        queue = new_queue(server)

        def listed() -> Any:
            server.call("agents.renew", {"worker": "w:0", "queues": [queue]})
            return server.call("workers.get_all", {"last_seen": 0})["workers"]

        [worker] = eventually(listed)
        assert (worker["id"], [served["id"] for served in worker["queues"]]) == ("w:0", [queue])
        assert eventually(lambda: server.call("workers.get_all", {"last_seen": 0})["workers"] == [])


def test_wrong_calls_say_what_is_wrong(server: RunningServer) -> None:
    with pytest.raises(ApiFailure, match="Invalid queue id") as unknown:
        server.call("agents.wait", {"worker": "w", "queues": ["f" * 32]})
    assert (unknown.value.code, unknown.value.subcode) == (400, 701)
    with pytest.raises(ApiFailure, match="worker"):
        server.call("agents.wait", {"queues": []})
    with pytest.raises(ApiFailure, match="timeout_s"):
        server.call("agents.wait", {"worker": "w", "queues": [], "timeout_s": 3600})


def test_a_running_tasks_token_cannot_take_other_tasks(server: RunningServer) -> None:
    queue = new_queue(server)
    new_task(server, queue)
    other = new_task(server, queue)
    [entry] = server.call("agents.wait", {"worker": new_worker(), "queues": [queue]})["entries"]
    for endpoint, body in (
        ("agents.wait", {"worker": "w", "queues": [queue]}),
        ("queues.get_next_task", {"queue": queue}),
    ):
        with pytest.raises(ApiFailure) as refused:
            server.call(endpoint, body, token=entry["token"])
        assert refused.value.code == 403
    assert waiting(server, queue) == [other]
