"""A server that is told to stop while it is written to: what it acknowledged is there, nobody is left hanging."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import threading
from typing import Any

import psutil

WRITERS = 32


def write_until_refused(server: Any, token: str, number: int, acknowledged: list[str], odd: list[str]) -> None:
    """Create tasks over one connection until the server is gone; every answer is an envelope."""
    connection = http.client.HTTPConnection(server.api.removeprefix("http://"), timeout=30)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for turn in range(100_000):
        body = json.dumps({"name": f"writer {number} turn {turn}", "type": "training"})
        try:
            connection.request("POST", "/tasks.create", body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            break
        envelope = json.loads(content)
        if answer.status == envelope["meta"]["result_code"] == 200:
            acknowledged.append(envelope["data"]["id"])
        else:
            odd.append(content.decode())
    connection.close()


def test_what_was_acknowledged_before_and_while_it_stopped_is_there(own_server: Any) -> None:
    token = own_server.login()
    acknowledged: list[str] = []
    odd: list[str] = []
    threads = [
        threading.Thread(target=write_until_refused, args=(own_server, token, number, acknowledged, odd))
        for number in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 10 * WRITERS:
        threads[0].join(0.01)  # the writers do it: all there is to wait for
        assert own_server.process.poll() is None
    own_server.process.send_signal(signal.SIGTERM)
    assert own_server.process.wait(60) == 0
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not odd
    assert "unexpected failure" not in own_server.log
    own_server.restart()
    for first in range(0, len(acknowledged), 500):
        ids = acknowledged[first : first + 500]
        found = own_server.call("tasks.get_all", {"id": ids, "only_fields": ["id"], "page_size": 500})["tasks"]
        assert {task["id"] for task in found} == set(ids)


def test_what_was_acknowledged_before_it_was_killed_is_there(own_server: Any) -> None:
    token = own_server.login()
    acknowledged: list[str] = []
    odd: list[str] = []
    threads = [
        threading.Thread(target=write_until_refused, args=(own_server, token, number, acknowledged, odd))
        for number in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 10 * WRITERS:
        threads[0].join(0.01)
        assert own_server.process.poll() is None
    own_server.kill()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not odd
    own_server.restart()
    for first in range(0, len(acknowledged), 500):
        ids = acknowledged[first : first + 500]
        found = own_server.call("tasks.get_all", {"id": ids, "only_fields": ["id"], "page_size": 500})["tasks"]
        assert {task["id"] for task in found} == set(ids)


def test_a_follower_who_does_not_read_does_not_hold_up_the_stop(own_server: Any) -> None:
    task = own_server.call("tasks.create", {"name": "followed", "type": "testing"})["id"]
    own_server.call("tasks.started", {"task": task})
    host, port = own_server.api.removeprefix("http://").split(":")
    body = json.dumps({"task": task}).encode()
    head = f"POST /events.follow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {own_server.login()}\r\n"
    with socket.create_connection((host, int(port)), timeout=20) as follower:
        follower.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert follower.recv(8, socket.MSG_PEEK) == b"HTTP/1.1"
        before = psutil.Process(own_server.process.pid).memory_info().rss
        for number in range(20):
            lines = [{"type": "log", "task": task, "msg": "x" * 100_000, "timestamp": 1 + number} for _ in range(10)]
            own_server.call("events.add_batch", "\n".join(map(json.dumps, lines)).encode())
        assert psutil.Process(own_server.process.pid).memory_info().rss - before < 200e6
        own_server.process.send_signal(signal.SIGTERM)
        assert own_server.process.wait(60) == 0
    assert "calls are cut off" not in own_server.log
