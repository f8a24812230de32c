"""`workers.*`: who registered to run tasks, and what they say they do."""

import fnmatch
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import UNSET

from control_plane.schema.workers import GetAllRequest, RegisterRequest, StatusReportRequest, UnregisterRequest
from control_plane.services import listing
from control_plane.services.context import Context
from control_plane.services.errors import unknown_queue
from control_plane.services.registry import endpoint
from control_plane.services.tasks_common import begin, commit
from control_plane.store.conditions import ListFilter
from control_plane.store.errors import InvalidQuery
from control_plane.store.patterns import compile_pattern
from control_plane.store.samples import Sample, readable
from control_plane.store.worker_history import LEAST_INTERVAL_S

LONGEST_S = 100 * 365 * 24 * 3600
"""Nobody was seen before that."""


def key(ctx: Context, worker: str) -> str:
    """A worker's key: two users may have workers of one name."""
    return f"worker_{ctx.company}_{ctx.user}_{worker}"


@endpoint("workers.register", RegisterRequest, min_version="2.22")
async def register(ctx: Context, request: RegisterRequest) -> dict[str, Any]:
    """A worker begins, or begins again; it is forgotten after `timeout` seconds without a report."""
    queues = request.queues or []
    missing = [id for id, found in zip(queues, await ctx.store.exists("queue", queues), strict=True) if not found]
    if missing:
        raise unknown_queue(ids=missing)
    timeout_s = request.timeout or int(ctx.settings.worker_timeout_s)
    tags = {"tags": request.tags or [], "system_tags": request.system_tags or []}
    await put(ctx, request.worker, timeout_s, {"queues": queues, **tags, "registered_tags": request.tags or []})
    return {}


async def put(ctx: Context, worker: str, timeout_s: float, values: dict[str, Any]) -> None:
    """Note a sign of life of a worker, registering it where it is unknown."""
    id = key(ctx, worker)
    known = await ctx.store.workers.get(id, ctx.now_ms)
    said: dict[str, Any] = {"register_timeout": math.ceil(timeout_s), **values, "last_activity_time": ctx.now_iso}
    if ctx.address:
        said["ip"] = ctx.address
    if known is None:
        said = {
            "worker": worker,
            "user": {"id": ctx.user, "name": ctx.identity.user_name},
            "company": {"id": ctx.company, "name": ctx.identity.company_name or ctx.settings.company_name},
            "register_time": ctx.now_iso,
            **said,
        }
    deadline_ms = ctx.now_ms + int(timeout_s * 1000)
    await ctx.store.workers.put(id, said, deadline_ms=deadline_ms)


@endpoint("workers.unregister", UnregisterRequest)
async def unregister(ctx: Context, request: UnregisterRequest) -> dict[str, Any]:
    """A worker ends; official agents say so twice, and an unknown one is no error."""
    await ctx.store.workers.remove([key(ctx, request.worker)])
    return {}


@endpoint("workers.status_report", StatusReportRequest, min_version="2.22")
async def status_report(ctx: Context, request: StatusReportRequest) -> dict[str, Any]:
    """A worker says what it does; its task counts as alive."""
    if request.task:
        transaction = begin(ctx, request.task)
        values = {"last_worker": request.worker, "last_worker_report": ctx.now_iso, "last_update": ctx.now_iso}
        transaction.set("task", request.task, values)
        await commit(ctx, transaction)
    known = await ctx.store.workers.get(key(ctx, request.worker), ctx.now_ms)
    said: dict[str, Any] = {"task": request.task, "queue": request.queue, "last_report_time": ctx.now_iso}
    if request.queues is not None:
        said["queues"] = request.queues
    if request.tags is not UNSET:
        said["tags"] = request.tags or []
    if request.system_tags is not UNSET:
        said["system_tags"] = request.system_tags or []
    await _record(ctx, request, known or {}, said)
    timeout_s = known["register_timeout"] if known else ctx.settings.worker_timeout_s
    await put(ctx, request.worker, timeout_s, said)
    return {}


async def _record(ctx: Context, request: StatusReportRequest, known: dict[str, Any], said: dict[str, Any]) -> None:
    """Keep the report for the statistics, unless the last one like it was a moment ago."""
    values = readable(request.machine_stats or {})
    mark = "measured_ms" if values else "recorded_ms"
    is_new = bool(request.task) != bool(known.get("task"))
    if not is_new and abs(ctx.now_ms - known.get(mark, 0)) < LEAST_INTERVAL_S * 1000:
        return
    said |= {"recorded_ms": ctx.now_ms, mark: ctx.now_ms}
    sample = Sample(ctx.now_ms // 1000, bool(request.task), values)
    await ctx.store.worker_history.add(key(ctx, request.worker), request.worker, sample, ctx.now_ms)


@endpoint("workers.get_all", GetAllRequest, min_version="2.30")
async def get_all(ctx: Context, request: GetAllRequest) -> dict[str, Any]:
    """The living workers, with what they serve and run."""
    workers = await _matching(ctx, request)
    tasks = await _by_id(
        ctx, "task", [w.get("task") for w in workers], ["name", "started", "last_iteration", "project"]
    )
    projects = await _by_id(ctx, "project", [task.get("project") for task in tasks.values()], ["name"])
    queues = await _queues(ctx, workers)
    return {"workers": [_shown(ctx, worker, tasks, projects, queues) for worker in workers]}


@endpoint("workers.get_count", GetAllRequest, min_version="2.30")
async def get_count(ctx: Context, request: GetAllRequest) -> dict[str, Any]:
    """How many workers live."""
    return {"count": len(await _matching(ctx, request))}


async def _matching(ctx: Context, request: GetAllRequest) -> list[dict[str, Any]]:
    workers = await ctx.store.workers.alive(ctx.now_ms)
    if request.last_seen:
        since = (ctx.now - timedelta(seconds=min(request.last_seen, LONGEST_S))).isoformat(timespec="microseconds")
        workers = [worker for worker in workers if worker.get("last_activity_time", "") >= since]
    if request.worker_pattern:
        try:
            pattern = compile_pattern(r"\A" + fnmatch.translate(request.worker_pattern))
            workers = [worker for worker in workers if pattern.is_in(str(worker.get("worker")))]
        except InvalidQuery as error:
            raise listing.explained(error) from None
    if request.tags:
        wanted = ListFilter.parse("tags", request.tags)
        # Tags given at the registration stay searchable when a report clears them, as on official servers.
        workers = [w for w in workers if wanted([*w.get("tags", ()), *w.get("registered_tags", ())])]
    if request.system_tags:
        wanted = ListFilter.parse("system_tags", request.system_tags)
        workers = [worker for worker in workers if wanted(worker.get("system_tags"))]
    return sorted(workers, key=lambda worker: str(worker.get("worker")))


async def _by_id(ctx: Context, kind: str, ids: list[Any], parts: list[str]) -> dict[str, dict[str, Any]]:
    wanted = list(dict.fromkeys(id for id in ids if id))
    found = await ctx.store.get_many(kind, wanted, parts)
    return {id: document for id, document in zip(wanted, found, strict=True) if document is not None}


async def _queues(ctx: Context, workers: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What is shown of every queue that these workers serve."""
    ids = [id for worker in workers for id in [*worker.get("queues", ()), worker.get("queue")]]
    queues = await _by_id(ctx, "queue", ids, ["name", "display_name"])
    counts = await ctx.store.queues.counts(list(queues))
    heads = await ctx.store.queues.entries(list(queues), 1)
    next_tasks = await _by_id(ctx, "task", [entries[0].task for entries in heads if entries], ["name"])
    for queue, count, entries in zip(queues.values(), counts, heads, strict=True):
        queue["num_tasks"] = count
        for name in ("tags", "system_tags", "metadata"):
            queue.pop(name, None)
        task = next_tasks.get(entries[0].task) if entries else None
        if task is not None:
            queue["next_task"] = {"id": task["id"], "name": task.get("name", "")}
    return queues


def _shown(
    ctx: Context,
    worker: dict[str, Any],
    tasks: dict[str, dict[str, Any]],
    projects: dict[str, dict[str, Any]],
    queues: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    hidden = {"worker", "registered_tags", "recorded_ms", "measured_ms", "machine_stats", "task", "queue"}
    shown = {name: value for name, value in worker.items() if name not in hidden}
    shown |= {"id": worker["worker"], "key": worker["id"], "ip": worker.get("ip", "")}
    shown["queues"] = [queues[id] for id in worker.get("queues", ()) if id in queues]
    if worker.get("queue") in queues:
        shown["queue"] = queues[worker["queue"]]
    task = tasks.get(worker.get("task") or "")
    if task is not None:
        shown["task"] = {
            "id": task["id"],
            "name": task.get("name", ""),
            "running_time": _running_ms(ctx, task.get("started")),
            "last_iteration": task.get("last_iteration", 0),
        }
        project = projects.get(task.get("project") or "")
        if project is not None:
            shown["project"] = {"id": project["id"], "name": project.get("name", "")}
    return shown


def _running_ms(ctx: Context, started: str | None) -> int:
    if not started:
        return 0
    begun = datetime.fromisoformat(started)
    if begun.tzinfo is None:
        begun = begun.replace(tzinfo=UTC)
    return max(0, int((ctx.now - begun).total_seconds() * 1000))
