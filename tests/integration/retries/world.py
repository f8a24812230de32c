"""What the cases of retried writes are made of: a server's objects, and a picture of all of them."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from tests.conftest import RunningServer

VOLATILE = frozenset(
    {"last_update", "last_change", "status_changed", "last_worker_report", "last_activity_time", "last_report_time"}
    | {"completed", "published", "last_used", "updated", "last_used_from", "register_time"}
)
"""Times of the last touch: a repeat may move them."""


class World:
    """Objects on one server, made over connections of their own, which nothing cuts."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.token = server.login()
        self._admin = server.login()

    def call(self, endpoint: str, body: Any = None, *, token: str | None = None) -> Any:
        return self.server.call(endpoint, body, token=token or self._admin)

    @staticmethod
    def name(kind: str) -> str:
        return f"{kind} {uuid.uuid4().hex[:12]}"

    def task(self, status: str = "created", **more: Any) -> str:
        task = str(self.call("tasks.create", {"name": self.name("task"), "type": "training", **more})["id"])
        if status in ("in_progress", "stopped", "completed", "failed"):
            self.call("tasks.started", {"task": task})
        if status in ("stopped", "completed", "failed"):
            self.call(f"tasks.{status}", {"task": task})
        return task

    def queue(self) -> str:
        return str(self.call("queues.create", {"name": self.name("queue")})["id"])

    def queued(self, queue: str) -> str:
        task = self.task()
        self.call("tasks.enqueue", {"task": task, "queue": queue})
        return task

    def claimed(self) -> tuple[str, dict[str, Any]]:
        """A task that a worker of ours took and started: queue and entry."""
        queue = self.queue()
        self.queued(queue)
        body = {"worker": self.name("worker"), "queues": [queue], "timeout_s": 5}
        entry = self.call("agents.wait", body)["entries"][0]
        self.call("tasks.started", {"task": entry["task"]}, token=entry["token"])
        return body["worker"], entry

    def model(self, **more: Any) -> str:
        body = {"name": self.name("model"), "uri": "file:///tmp/m", "ready": False, **more}
        return str(self.call("models.create", body)["id"])

    def project(self) -> str:
        return str(self.call("projects.create", {"name": self.name("project"), "description": ""})["id"])

    def report(self) -> str:
        return str(self.call("reports.create", {"name": self.name("report")})["id"])

    def user(self) -> str:
        body = {"name": self.name("user"), "email": f"{uuid.uuid4().hex}@example.com", "role": "user"}
        return str(self.call("auth.create_user", body)["id"])

    def event(self, owner: str, **more: Any) -> dict[str, Any]:
        event = {"type": "training_stats_scalar", "task": owner, "iter": 1, "metric": "m", "variant": "v", "value": 1.0}
        return {**event, "timestamp": int(time.time() * 1000), **more}

    # ---- the picture

    def picture(self, body: Any = b"") -> dict[str, Any]:
        """Everything that the API tells of, by id; with the events of the tasks that a request names."""
        named = body if isinstance(body, bytes) else json.dumps(body).encode()
        hidden = {"search_hidden": True, "page_size": 500}
        tasks = self._all("tasks", {**hidden, "size": 500})
        return {
            "tasks": {task["id"]: _still(task) for task in tasks},
            "events": {task["id"]: self._events(task["id"]) for task in tasks if task["id"].encode() in named},
            "models": {item["id"]: _still(item) for item in self._all("models", hidden)},
            "projects": {item["id"]: _still(item) for item in self._all("projects", hidden)},
            "queues": {item["id"]: self._queue(item) for item in self._all("queues", hidden)},
            "users": {user["id"]: _still(user) for user in self.call("users.get_all")["users"]},
            "keys": sorted(self.keys()),
            "workers": {worker["id"]: self._worker(worker) for worker in self._workers()},
            "preferences": self.call("users.get_preferences"),
        }

    def keys(self) -> list[str]:
        return [pair["access_key"] for pair in self.call("auth.get_credentials")["credentials"]]

    def _workers(self) -> list[dict[str, Any]]:
        """Those without a lease, which do not end by themselves while a test runs."""
        found = self.call("workers.get_all")["workers"]
        return [worker for worker in found if worker["register_timeout"] >= 600]

    def _worker(self, worker: dict[str, Any]) -> dict[str, Any]:
        return {"task": (worker.get("task") or {}).get("id"), "queues": [queue["id"] for queue in worker["queues"]]}

    def _all(self, service: str, query: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        page = 0
        while items := self.call(f"{service}.get_all", {**query, "page": page})[service]:
            found += items
            page += 1
        return found

    def _events(self, task: str) -> dict[str, Any]:
        log = self.call("events.get_task_log", {"task": task, "batch_size": 100})["events"]
        points = self.call("events.scalar_metrics_iter_histogram", {"task": task})
        return {"log": [event["msg"] for event in log], "points": points}

    def _queue(self, queue: dict[str, Any]) -> dict[str, Any]:
        return {**_still(queue), "entries": [entry["task"] for entry in queue.get("entries") or ()]}


def _still(document: Any) -> Any:
    """A document without its times of the last touch."""
    if isinstance(document, dict):
        return {name: _still(value) for name, value in document.items() if name not in VOLATILE}
    if isinstance(document, list):
        return [_still(item) for item in document]
    return document
