"""Sends an answer that is no envelope and has no end of its own: server-sent events, as they happen."""

import asyncio
import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

import orjson
from aiohttp import web

from control_plane.http.authentication import header_text
from control_plane.http.protocol import Server
from control_plane.logs import exception_facts
from control_plane.services.context import Connection
from control_plane.services.errors import too_many
from control_plane.services.registry import Message, Stream

log = logging.getLogger(__name__)

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Accel-Buffering": "no",  # a proxy shall not collect them
}
HEARTBEAT = b":\n\n"
STALLED_S = 60.0
"""A caller that takes nothing for so long is hung up on; it may come again with the last id that it has."""
MAX_FOLLOWERS = 4000
"""So many callers at a time in one process."""


def go_on(request: Any, headers: Mapping[str, str]) -> None:
    """Let a caller that comes again say in a header where it was: browsers and libraries do. Some streams have no place
    to go on from: they tell what comes."""
    if hasattr(request, "after"):
        request.after = request.after or header_text(headers.get("Last-Event-ID", ""))


async def send(
    request: web.BaseRequest, stream: Stream, connection: Connection, gauges: MutableMapping[str, float]
) -> web.StreamResponse:
    """Send it until it is over, the caller hangs up, or the server stops; then the caller asks again."""
    if gauges.get("followers", 0) >= MAX_FOLLOWERS:
        raise too_many(f"{MAX_FOLLOWERS} callers follow tasks already", 10)
    response = web.StreamResponse(headers=HEADERS)
    await response.prepare(request)
    server = request.protocol._manager
    if isinstance(server, Server):
        server.watch(request.protocol, connection)
    gauges["followers"] = gauges.get("followers", 0) + 1
    try:
        if request.method != "HEAD":
            await _send(response, stream, connection)
        await response.write_eof()
    except ConnectionResetError:
        pass  # the caller hung up, as callers do
    except Exception as error:  # noqa: BLE001 - whatever it is, the only way left to tell the caller is to hang up
        log.error("server-sent events were cut off", extra=exception_facts(error))
        if request.transport is not None:
            request.transport.abort()
    finally:
        gauges["followers"] -= 1
        if isinstance(server, Server):
            server.unwatch(request.protocol)
    return response


async def _send(response: web.StreamResponse, stream: Stream, connection: Connection) -> None:
    lost = asyncio.ensure_future(connection.lost())
    coming: asyncio.Future[Message | None] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(_next(stream))
            either: set[asyncio.Future[Any]] = {coming, lost}
            await asyncio.wait(either, timeout=stream.heartbeat_s, return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                return
            piece = HEARTBEAT
            if coming.done():
                message, coming = coming.result(), None
                if message is None:
                    return
                piece = encoded(message)
            async with asyncio.timeout(STALLED_S):
                await response.write(piece)
    finally:
        waiting: list[asyncio.Future[Any]] = [one for one in (lost, coming) if one is not None]
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await stream.messages.aclose()


async def _next(stream: Stream) -> Message | None:
    return await anext(stream.messages, None)


def encoded(message: Message) -> bytes:
    """A message as it goes over the wire: JSON has no line breaks, so `data` is one line."""
    id = f"id: {message.id}\n" if message.id else ""
    return f"{id}event: {message.event}\ndata: ".encode() + orjson.dumps(message.data) + b"\n\n"
