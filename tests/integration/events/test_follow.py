"""`events.follow`: lines as they come, over seals, restarts and replicas, until the task ends."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.parse
from contextlib import ExitStack
from pathlib import Path

import pytest

from control_plane.store import EmbeddedStore
from tests.conftest import ApiFailure, RunningServer, running_server
from tests.integration.segments.operating import command, restart

from .following import HEARTBEAT, WAIT_S, Following
from .reports import line, new_task, scalar, send


def started(server: RunningServer) -> str:
    task = new_task(server, "followed")
    server.call("tasks.started", {"task": task})
    return task


def say(server: RunningServer, task: str, *texts: str) -> list[str]:
    send(server, *(line(task, number, text) for number, text in enumerate(texts)))
    return list(texts)


def test_lines_come_as_they_are_reported_and_it_ends_with_the_task(server: RunningServer) -> None:
    task = started(server)
    said = say(server, task, "before 1", "before 2", "before 3")
    with Following(server, task, lines=2) as following:
        assert following.response.headers["Content-Type"].startswith("text/event-stream")
        assert following.until("status").data == {"status": "in_progress"}
        assert following.until_lines(2) == said[1:]
        said += say(server, task, "now")
        said += say(server, task, "late, by its clock")
        assert following.until_lines(4) == said[1:]
        server.call("tasks.completed", {"task": task})
        said += say(server, task, "a last word")
        assert following.until("end").data == {"status": "completed", "reason": ""}
        assert following.next() is None
    assert following.lines == said[1:]
    shown = {one["msg"]: one for one in server.call("events.get_task_log", {"task": task})["events"]}
    told = [one for message in following.messages if message.event == "lines" for one in message.data["lines"]]
    assert told == [shown[text] for text in following.lines]


def test_a_task_that_is_over_is_shown_and_ends_at_once(server: RunningServer) -> None:
    task = started(server)
    said = say(server, task, "all", "there", "was")
    server.call("tasks.completed", {"task": task})
    with Following(server, task) as following:
        assert following.until("end").data["status"] == "completed"
    assert following.lines == said


@pytest.mark.embedded
def test_who_comes_again_goes_on_where_it_was_also_when_all_was_sealed(server: RunningServer) -> None:
    task = started(server)
    with Following(server, task, lines=0) as following:
        said = say(server, task, "1", "2")
        following.until_lines(2)
    said += say(server, task, "3", "4")
    assert command(server, "compact", "--task", task)["sealed_events"] == 4
    said += say(server, task, "5")
    with Following(server, task, last_id=following.last_id) as again:
        assert again.until_lines(3) == said[2:]
    with Following(server, task, after=following.last_id) as again:
        assert again.until_lines(3) == said[2:]
        server.call("tasks.stopped", {"task": task})
        again.until("end")
    assert again.lines == said[2:]


def test_a_reset_is_told_and_what_follows_comes(server: RunningServer) -> None:
    task = started(server)
    say(server, task, "of the first run")
    with Following(server, task) as following:
        following.until_lines(1)
        server.call("tasks.reset", {"task": task, "force": True})
        following.until("reset")
        say(server, task, "of the second run")
        assert following.until_lines(2)[1:] == ["of the second run"]
        server.call("tasks.delete", {"task": task, "force": True})
        assert following.until("end").data == {"status": None, "reason": "it was deleted"}


def test_cleared_lines_begin_anew(server: RunningServer) -> None:
    task = started(server)
    say(server, task, "old")
    with Following(server, task) as following:
        following.until_lines(1)
        server.call("events.clear_task_log", {"task": task})
        following.until("reset")
        say(server, task, "new")
        assert following.until_lines(2) == ["old", "new"]


def test_heart_beats_come_while_nothing_happens(server: RunningServer) -> None:
    with Following(server, started(server), heartbeat_s=1) as following:
        for _ in range(2):
            following.until(HEARTBEAT)


def test_the_newest_values_come_with_the_lines(server: RunningServer) -> None:
    task = started(server)
    send(server, scalar(task, 1, 0.5), scalar(task, 1, 2.0, ("loss", "test")))
    with Following(server, task, scalars=True) as following:
        first = {one["variant"]: one for one in following.until("scalars").data["scalars"]}
        assert {name: (one["iter"], one["value"]) for name, one in first.items()} == {"train": (1, 0.5), "test": (1, 2)}
        send(server, scalar(task, 2, 0.25))
        (news,) = following.until("scalars").data["scalars"]
        assert (news["variant"], news["iter"], news["value"], news["min_value"]) == ("train", 2, 0.25, 0.25)


def test_who_may_not_read_may_not_follow(server: RunningServer) -> None:
    task = started(server)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server.api}/events.follow?task={task}", timeout=20)
    with refused.value as answer:
        assert answer.code == 401
    with pytest.raises(ApiFailure) as unknown:
        server.call("events.follow", {"task": "0" * 32})
    assert (unknown.value.code, unknown.value.subcode) == (400, 101)
    with pytest.raises(ApiFailure) as foreign:
        server.call("events.follow", {"task": task, "after": "somewhere"})
    assert (foreign.value.code, foreign.value.subcode) == (400, 1104)


def test_models_are_followed_too(server: RunningServer) -> None:
    model = server.call("models.create", {"uri": "file:///m", "name": "followed", "labels": {}, "ready": False})["id"]
    with Following(server, model, model_events=True) as following:
        assert following.until("status").data == {"status": "in_progress"}
        send(server, line(model, 1, "of a model", model_event=True))
        assert following.until_lines(1) == ["of a model"]


def test_many_follow_one_task_and_other_calls_are_answered(server: RunningServer) -> None:
    task = started(server)
    with ExitStack() as stack:
        many = [stack.enter_context(Following(server, task, lines=0)) for _ in range(40)]
        for following in many:
            following.until("lines")  # it has begun: what comes next it has to tell
        said = [text for number in range(30) for text in say(server, task, f"{number} a", f"{number} b")]
        assert server.call("tasks.get_by_id", {"task": task})["task"]["status"] == "in_progress"
        for following in many:
            assert following.until_lines(len(said)) == said


def test_who_takes_nothing_holds_up_nobody(server: RunningServer) -> None:
    task = started(server)
    parts = urllib.parse.urlsplit(server.api)
    head = (
        f"GET /events.follow?task={task}&lines=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.login()}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=20) as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.sendall(head.encode())
        assert b"200 OK" in stalled.recv(4096)
        with Following(server, task, lines=0) as following:
            following.until("lines")
            for number in range(20):
                send(server, *(line(task, number, f"{number} {k} " + "x" * 1000) for k in range(300)))
            assert len(following.until_lines(6000)) == 6000


@pytest.mark.embedded
@pytest.mark.one_server
def test_a_server_that_stops_or_dies_lets_its_followers_go_on_elsewhere(own_server: RunningServer) -> None:
    server = own_server
    task = started(server)
    said = say(server, task, "1", "2")
    with Following(server, task) as following:
        following.until_lines(2)
        restart(server, {})
        while following.next() is not None:
            pass
    said += say(server, task, "3")
    with Following(server, task, last_id=following.last_id) as again:
        assert again.until_lines(1) == ["3"]
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < WAIT_S, "the server waited for those who follow"
        while again.next() is not None:
            pass


@pytest.mark.embedded
@pytest.mark.one_server
async def test_two_replicas_tell_the_same(tmp_path: Path) -> None:
    import asyncio

    async with EmbeddedStore(tmp_path / "store") as redis:
        await asyncio.to_thread(over_two, redis.url, str(tmp_path / "segments"))


def over_two(url: str, segments: str) -> None:
    env = {"CLEARML_SERVER_SEGMENTS": segments, "CLEARML_SERVER_SEAL_PERIOD_S": "0"}
    with running_server("--redis", url, env=env) as one, running_server("--redis", url, env=env) as two:
        task = started(one)
        with Following(one, task, lines=0) as here, Following(two, task, lines=0) as there:
            here.until("lines")
            there.until("lines")
            said: list[str] = []
            for number in range(10):
                said += say((one, two)[number % 2], task, f"{number}")
            assert here.until_lines(10) == there.until_lines(10) == said
        command(one, "compact", CLEARML_SERVER_SEGMENTS=segments)
        said += say(two, task, "more")
        with Following(two, task, last_id=here.last_id) as elsewhere:
            assert elsewhere.until_lines(1) == ["more"]
            one.call("tasks.completed", {"task": task})
            elsewhere.until("end")
