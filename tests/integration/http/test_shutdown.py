"""A server that is told to stop while it is written to: what it acknowledged is there, nobody is left hanging."""

from __future__ import annotations

import http.client
import json
import signal
import threading
from typing import Any

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
    assert own_server.process.wait(20) == 0
    for thread in threads:
        thread.join(30)
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
        thread.join(30)
        assert not thread.is_alive()
    assert not odd
    own_server.restart()
    for first in range(0, len(acknowledged), 500):
        ids = acknowledged[first : first + 500]
        found = own_server.call("tasks.get_all", {"id": ids, "only_fields": ["id"], "page_size": 500})["tasks"]
        assert {task["id"] for task in found} == set(ids)
