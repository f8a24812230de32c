"""aiohttp's low-level server, adapted: bodies as large as ours, hang-ups noticed, errors as envelopes.

The application layer of aiohttp (router, middlewares) is not used: there is one handler a port, and the handler
table is the router.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from control_plane.http.answers import HEADERS
from control_plane.http.envelope import failure
from control_plane.http.routing import NEWEST
from control_plane.services.context import Connection
from control_plane.services.errors import ApiError, Subcode

log = logging.getLogger(__name__)

MAX_LINE_BYTES = 64 * 1024
"""Longest request line and header: queries with long id lists, tokens."""

HEAD_S = 20.0
"""Time in which the head of a connection's first request has to arrive."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def new_request_id() -> str:
    """An id for one call: in its envelope, its log lines and the `X-Request-Id` of its answer. Not secret."""
    return f"{random.getrandbits(128):032x}"


class Protocol(web.RequestHandler):
    """One connection. What cannot be read as HTTP is answered with an envelope too, never with HTML.

    is_spent: no further request can be read from it, as somebody else has read from it.
    has_ended: the caller sends no more, and still gets its answers.
    """

    __slots__ = ("_head_timer", "has_ended", "is_spent")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.is_spent = self.has_ended = False
        super().connection_made(transport)
        head_s = self._manager.head_s if isinstance(self._manager, Server) else HEAD_S
        self._head_timer: asyncio.TimerHandle | None = self._loop.call_later(head_s, self.force_close)

    def head_came(self) -> None:
        """A request is here: from now on the keep-alive timer is enough."""
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def connection_lost(self, exc: BaseException | None) -> None:
        self.head_came()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio asks, aiohttp does not answer
        """Whether the connection stays: for answers to what was asked in full. Who waits in a long call has hung up."""
        asked = [] if self._current_request is None else [self._current_request.content]
        asked += [payload for _, payload in self._messages]
        is_waiting = isinstance(self._manager, Server) and self._manager.is_watched(self)
        self.has_ended = bool(asked) and not is_waiting and all(content.is_eof() for content in asked)
        return self.has_ended

    @property
    def is_last(self) -> bool:
        """Whether no request follows the one that is being answered."""
        return self.has_ended and not self._messages

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        code = min(status, 500)
        text = "The request cannot be read as HTTP" if code < 500 else "Internal server error"
        request_id = new_request_id()
        body = failure(request_id, "", NEWEST, "0", ApiError(code, Subcode.MALFORMED, text))
        response = web.Response(status=code, body=body, headers={**HEADERS, "X-Request-Id": request_id})
        response.force_close()
        return response


class Server(web.Server):
    """A port: makes requests with our body limit and tells long calls when their caller hangs up."""

    def __init__(self, handler: Handler, *, max_body_bytes: int, head_s: float = HEAD_S, **kwargs: Any) -> None:
        self.head_s = head_s
        self._max_body_bytes = max_body_bytes
        self._long_calls: dict[web.RequestHandler, Connection] = {}
        self._handler = handler
        self._running = 0
        self._is_stopping = False
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        super().__init__(
            self._counted,
            request_factory=self._request,
            access_log=None,
            auto_decompress=False,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            **kwargs,
        )

    def __call__(self) -> web.RequestHandler:
        return Protocol(self, loop=self._loop, **self._kwargs)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        if isinstance(protocol, Protocol):
            protocol.head_came()
        return web.BaseRequest(
            message, payload, protocol, writer, task, self._loop, client_max_size=self._max_body_bytes
        )

    async def _counted(self, request: web.BaseRequest) -> web.StreamResponse:
        self._running += 1
        self._is_idle.clear()
        try:
            if request.headers.get("Expect", "").lower() == "100-continue":
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            response = await self._handler(request)
            protocol = request.protocol
            is_last = isinstance(protocol, Protocol) and (protocol.is_spent or protocol.is_last)
            if self._is_stopping or is_last:
                response.force_close()
            return response
        finally:
            self._running -= 1
            if not self._running:
                self._is_idle.set()

    def watch(self, protocol: web.RequestHandler, connection: Connection) -> None:
        """Have `connection` told when this caller hangs up or the server stops."""
        self._long_calls[protocol] = connection
        if isinstance(protocol, Protocol) and protocol.has_ended:
            connection.lose()

    def is_watched(self, protocol: web.RequestHandler) -> bool:
        """Whether a long call on this connection is being answered."""
        return protocol in self._long_calls

    def unwatch(self, protocol: web.RequestHandler) -> None:
        """Forget a call that has been answered."""
        self._long_calls.pop(protocol, None)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        connection = self._long_calls.pop(handler, None)
        if connection is not None:
            connection.lose()
        super().connection_lost(handler, exc)

    async def drain(self, grace_s: float) -> None:
        """Make waiting calls answer now with what they have, and wait until the others are done, at most `grace_s`.

        aiohttp's own shutdown drops what an upload still sends, so it comes after this.
        """
        self._is_stopping = True
        for protocol, connection in list(self._long_calls.items()):
            connection.lose()
            transport = protocol.transport
            if transport is not None and transport.get_write_buffer_size():
                transport.abort()  # it does not take what it was sent: nothing more can be told
        try:
            async with asyncio.timeout(grace_s):
                await self._is_idle.wait()
        except TimeoutError:
            log.warning("calls are cut off", extra={"running": self._running})
