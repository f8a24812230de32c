"""The console: a window of it, the whole of it as a text, and forgetting lines of it."""

import re
from collections.abc import AsyncIterator
from typing import Any

import orjson

from control_plane.schema.events import ClearLogRequest, DownloadLogRequest, LogRequest
from control_plane.services.context import Context
from control_plane.services.errors import unknown_task, validation
from control_plane.services.events_read import event, iso, require_owners
from control_plane.services.registry import Download, endpoint
from control_plane.services.status import LOCKED
from control_plane.store.blocks import Record
from control_plane.store.turns import Turns

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_TERMINAL = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
"""What colours a line, and moves in a terminal."""
FORMATTED = frozenset({"asctime", "timestamp", "worker", "level", "msg", "task", "metric", "variant", "iter"})
"""The names that a line's format may use."""


@endpoint("events.get_task_log", LogRequest, min_version="1.5")
async def get_task_log(ctx: Context, request: LogRequest) -> dict[str, Any]:
    """A window of the console: the newest entries, or those before or after a time."""
    await require_owners(ctx, [request.task], request.model_events)
    found = await ctx.store.events.console(
        request.task, at_ms=request.from_timestamp, earlier=request.navigate_earlier, most=request.batch_size
    )
    window = found.lines[::-1] if request.navigate_earlier else found.lines
    if request.order and (request.order == "desc") != request.navigate_earlier:
        window = window[::-1]
    events, turns = [], Turns()
    for line in window:
        events.append(event(request.task, "log", line))
        await turns.rest()
    return {"events": events, "returned": len(events), "total": found.total}


@endpoint("events.download_task_log", DownloadLogRequest, min_version="2.18")
async def download_task_log(ctx: Context, request: DownloadLogRequest) -> Download:
    """The whole console as a text, one line each, sent while it is read."""
    await require_owners(ctx, [request.task], False)
    unknown = set(_PLACEHOLDER.findall(request.line_format)) - FORMATTED
    if unknown:
        raise validation(f"error for field 'line_format': unknown names {', '.join(sorted(unknown))}")
    return Download(f"task_{request.task}.log", "text/plain; charset=utf-8", _lines(ctx, request))


async def _lines(ctx: Context, request: DownloadLogRequest) -> AsyncIterator[bytes]:
    wanted = (request.search or "").lower()
    async for records in ctx.store.events.console_stream(request.task):
        if wanted:
            records = [record for record in records if wanted in plain(record.text).lower()]
            if not records:
                yield b"\n"  # shows the caller that it goes on, and us whether the caller is still there
                continue
        if request.line_type == "json":
            yield b"".join(orjson.dumps(event(request.task, "log", record)) + b"\n" for record in records)
        else:
            text = "".join(formatted(request.task, record, request.line_format) for record in records)
            yield text.encode("utf-8", "replace")


def plain(text: str) -> str:
    """A line as it is read on a terminal."""
    return _TERMINAL.sub("", text) if "\x1b" in text else text


def formatted(task: str, record: Record, line_format: str) -> str:
    """A line by its format, ending in one line break."""
    values = {
        "asctime": iso(record.at_ms),
        "timestamp": str(record.at_ms),
        "worker": record.worker,
        "level": record.level,
        "msg": record.text.rstrip("\n"),
        "task": task,
        "metric": record.metric,
        "variant": record.variant,
        "iter": str(record.iteration),
    }
    return _PLACEHOLDER.sub(lambda found: values[found[1]], line_format) + "\n"


@endpoint("events.clear_task_log", ClearLogRequest, min_version="2.19")
async def clear_task_log(ctx: Context, request: ClearLogRequest) -> dict[str, Any]:
    """Forget lines of the console."""
    task = await ctx.store.get("task", request.task, ["status"])
    if task is None or (task.get("status") in LOCKED and not request.allow_locked):
        raise unknown_task(id=request.task, company=ctx.company)
    before_ms = ctx.now_ms - request.threshold_sec * 1000 if request.threshold_sec else None
    included, excluded = request.include_metrics, frozenset(request.exclude_metrics or ())

    def is_doomed(line: Record) -> bool:
        if (included and line.metric not in included) or line.metric in excluded:
            return False
        return before_ms is None or line.at_ms < before_ms

    deleted = await ctx.store.events.drop_lines(request.task, is_doomed)
    transaction = ctx.store.transaction()
    transaction.touch("task", request.task)  # who follows it looks again
    await transaction.commit()
    return {"deleted": deleted}
