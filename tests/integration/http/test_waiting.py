"""A call that hands out work gives it only to a caller who is still there."""

import socket
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

from .client import send


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"


def _waiting(server: Any, count: int) -> bool:
    text = send(server.api, "/metrics", method="GET").body.decode()
    return f"\nclearml_waiting_calls {count}" in text


def test_who_hangs_up_takes_nothing(new_server: Any) -> None:
    with new_server() as server:
        queue = server.call("queues.create", {"name": "abandoned"})["id"]
        body = f'{{"worker":"gone","queues":["{queue}"],"slots":1,"timeout_s":25}}'.encode()
        parts = urllib.parse.urlsplit(server.api)
        head = f"POST /agents.wait HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.login()}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as sock:
            sock.sendall(head.encode() + body)
            _until(lambda: _waiting(server, 1))
        _until(lambda: _waiting(server, 0))
        task = server.call("tasks.create", {"name": "wanted", "type": "training"})["id"]
        server.call("tasks.enqueue", {"task": task, "queue": queue})
        here = server.call("agents.wait", {"worker": "here", "queues": [queue], "slots": 1, "timeout_s": 5})
        assert [entry["task"] for entry in here["entries"]] == [task]


def test_who_waits_gets_it_when_it_comes(new_server: Any) -> None:
    import threading

    with new_server() as server:
        queue = server.call("queues.create", {"name": "waited for"})["id"]
        task = server.call("tasks.create", {"name": "wanted", "type": "training"})["id"]
        answers: list[Any] = []
        body = {"worker": "here", "queues": [queue], "slots": 1, "timeout_s": 25}
        thread = threading.Thread(target=lambda: answers.append(server.call("agents.wait", body)))
        thread.start()
        _until(lambda: _waiting(server, 1))
        server.call("tasks.enqueue", {"task": task, "queue": queue})
        thread.join(60)
        entry = answers[0]["entries"][0]
        assert entry["task"] == task
        # What the child is given acts for this task under this claim, and for nothing that hands out credentials.
        token = entry["token"]
        server.call("tasks.started", {"task": task}, token=token)
        answer = send(server.api, "/auth.create_credentials", body={}, Authorization=f"Bearer {token}")
        assert answer.codes == (403, 20)
        renewed = server.call("auth.login", {}, token=token)["token"]
        server.call("tasks.edit", {"task": task, "comment": "mine", "force": True}, token=renewed)
        # Reset and queued again: the old claim is over, whatever it still wants to say.
        server.call("tasks.reset", {"task": task, "force": True})
        for call, more in (("tasks.completed", {"force": True}), ("tasks.edit", {"comment": "late", "force": True})):
            late = send(server.api, f"/{call}", body={"task": task, **more}, Authorization=f"Bearer {renewed}")
            assert late.codes == (400, 190)
        assert "clearml_fenced_writes_total 2" in send(server.api, "/metrics", method="GET").body.decode()
        assert server.call("tasks.get_by_id", {"task": task})["task"]["comment"] == "mine"
