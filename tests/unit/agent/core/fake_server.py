"""A server that answers what the agent asks, in memory, so that its failures can be chosen by a test.

The real server is in tests/e2e; this one can lose answers, refuse and vanish at a given call.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web

KEY = b"a key of thirty-two bytes or more"


@dataclass
class FakeServer:
    """tasks: by id; waiting: entries not handed out yet; calls: (endpoint, body, claim) in order."""

    url: str = ""
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    claims: Counter[str] = field(default_factory=Counter)
    stops: list[dict[str, Any]] = field(default_factory=list)
    batches: dict[str, bytes] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    lease_s: float = 30.0
    drain: bool = False
    drained_before: bool = False
    hook: Callable[[str], int] = lambda endpoint: 0
    """Gets each endpoint; a status other than 0 is answered in place of the answer."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def enqueue(self, task: str, script: dict[str, Any] | None = None, **fields: Any) -> None:
        self.tasks[task] = {"id": task, "name": task, "status": "queued", "script": script or {}, **fields}
        self.waiting.append(task)

    def stop(self, task: str) -> None:
        self.tasks[task]["status_message"] = "stopping"
        self.stops.append({"task": task, "claim": self.claims[task], "reason": "stopping"})

    async def notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until(self, holds: Callable[[], Any], limit_s: float = 60.0) -> Any:
        """Wait until `holds()` is true, looked at after every call."""
        async with asyncio.timeout(limit_s), self.changed:
            while not (found := holds()):
                await self.changed.wait()
        return found

    def text(self, task: str) -> str:
        events = [json.loads(line) for body in self.batches.values() for line in body.splitlines()]
        mine = sorted((e for e in events if e["task"] == task), key=lambda e: e["timestamp"])
        return "".join(str(event["msg"]) for event in mine)

    def called(self, endpoint: str) -> list[dict[str, Any]]:
        return [body for name, body, _ in self.calls if name == endpoint]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        endpoint = request.path.strip("/")
        raw = await request.read()
        if status := self.hook(endpoint):
            return web.json_response(
                {"meta": {"result_code": status, "result_msg": "chosen"}, "data": {}}, status=status
            )
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        body = json.loads(raw or b"{}") if endpoint != "events.add_batch" else {}
        claim = "" if token.startswith("Basic") else str(jwt.decode(token, KEY, ["HS256"]).get("claim", ""))
        self.calls.append((endpoint, body, claim))
        code, data = await self.answer(endpoint, body, raw, request)
        await self.notify()
        meta = {"result_code": code, "result_subcode": 0, "result_msg": str(data) if code != 200 else "OK"}
        return web.json_response({"meta": meta, "data": data if code == 200 else {}}, status=code)

    async def answer(
        self, endpoint: str, body: dict[str, Any], raw: bytes, request: web.Request
    ) -> tuple[int, dict[str, Any] | str]:
        if endpoint == "auth.login":
            return 200, {"token": jwt.encode({"identity": {}}, KEY)}
        if endpoint == "agents.wait":
            return 200, await self.wait(body)
        if endpoint == "agents.renew":
            return 200, {"lease_s": self.lease_s, "lost": []}
        if endpoint == "agents.release":
            self.waiting.insert(0, body["task"])
            return 200, {"released": 1}
        if endpoint == "queues.get_all":
            return 200, {"queues": [{"id": "q1", "name": "default"}]}
        if endpoint == "events.add_batch":
            self.batches.setdefault(request.headers["X-ClearML-Batch"], raw)
            return 200, {"added": raw.count(b"\n") + 1}
        if endpoint == "tasks.get_by_id":
            task = self.tasks.get(body["task"])
            return (200, {"task": task}) if task else (400, "no such task")
        if endpoint.startswith("tasks."):
            status = {"started": "in_progress"}.get(endpoint[6:], endpoint[6:])
            if status in ("in_progress", "completed", "failed", "stopped"):
                self.tasks[body["task"]] |= {
                    "status": status,
                    "status_reason": body.get("status_reason"),
                    "status_message": body.get("status_message"),
                }
        return 200, {}

    async def wait(self, body: dict[str, Any]) -> dict[str, Any]:
        known = set(body["known_stops"])

        def found() -> dict[str, Any]:
            stops = [stop for stop in self.stops if stop["task"] not in known]
            taken = [] if self.drain else self.waiting[: body["slots"]]
            del self.waiting[: len(taken)]
            entries = []
            for task in taken:
                self.claims[task] += 1
                number = self.claims[task]
                token = jwt.encode({"claim": f"{task}.{number}", "identity": {}}, KEY)
                entries.append({"task": task, "queue": "q1", "claim": number, "token": token, "lease_s": 30.0})
            if entries or stops or self.drain != self.drained_before:
                self.drained_before = self.drain
                return {"entries": entries, "stops": stops, "drain": self.drain}
            return {}

        try:
            return dict(await self.until(found, body["timeout_s"]))
        except TimeoutError:
            return {"entries": [], "stops": [], "drain": False}


@asynccontextmanager
async def serving(server: FakeServer, port: int = 0) -> AsyncIterator[FakeServer]:
    """Serve on a free port, or again on one that was used before."""
    app = web.Application(client_max_size=16 << 20)
    app.router.add_route("*", "/{endpoint:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
