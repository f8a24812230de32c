"""A network that loses answers: a TCP proxy in front of a real server, and a client that retries as official ones do.

    with FaultProxy(server.api) as proxy:
        client = RetryingClient(proxy.url, token)
        proxy.cut("tasks.enqueue", "after")            # the server does it, the client never hears of it
        client.call("tasks.enqueue", {...})            # sent twice
        assert proxy.cuts == ["tasks.enqueue"]

The proxy reads whole requests and whole responses, so it knows what the server has done when it cuts.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any, Literal, Self

LIMIT_S = 30.0
MAX_TRIES = 1000
PAUSE_S = 0.1

Moment = Literal["before", "after", "half"]
"""before: the request does not reach the server. after: the server's whole answer is lost. half: half of it arrives."""


class FaultProxy:
    """Forwards HTTP/1.1 to one server, and cuts the client's connection at chosen requests.

    Args:
        on_lost: called with each answer that the server gave and the client does not get.
    """

    def __init__(self, target: str, *, on_lost: Callable[[Any], None] = lambda _: None) -> None:
        self._on_lost = on_lost
        parts = urllib.parse.urlsplit(target)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._plans: dict[str, list[tuple[Moment | None, Callable[[], None]]]] = {}
        self.cuts: list[str] = []
        """What was cut, in order."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop
        ).result(LIMIT_S)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(LIMIT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LIMIT_S)
        self._loop.close()

    def cut(self, endpoint: str, moment: Moment, then: Callable[[], None] = lambda: None) -> None:
        """Cut the next call of `endpoint`; further plans are for the calls after it.

        Args:
            then: called (in another thread) when the server has answered, before the client notices anything.
        """
        self._plans.setdefault(endpoint, []).append((moment, then))

    def cut_and_let_through(self, endpoint: str, moment: Moment) -> None:
        """Cut the next call of `endpoint`, but for one that is still planned, and let the one after it through."""
        if not self._plans.get(endpoint):
            self.cut(endpoint, moment)
            self._plans[endpoint].append((None, lambda: None))

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await asyncio.sleep(0)  # closed connections are closed in the next turn of the loop

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        task.add_done_callback(lambda _: writer.close())  # it may have been cancelled before it began

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: asyncio.StreamWriter | None = None
        try:
            while (head := await _head(reader)) is not None:
                endpoint = head.split(b" ", 2)[1].decode().partition("?")[0].rpartition("/")[2]
                request = head + await _body(reader, head)
                plans = self._plans.get(endpoint)
                moment, then = plans.pop(0) if plans else (None, lambda: None)
                if moment == "before":
                    await asyncio.to_thread(then)
                    self.cuts.append(endpoint)
                    return
                if upstream is None:
                    back, upstream = await asyncio.open_connection(*self._target)
                upstream.write(request)
                answer_head = await _head(back)
                if answer_head is None:
                    return
                answer = answer_head + await _body(back, answer_head)
                if moment is not None:
                    self._on_lost(json.loads(answer[len(answer_head) :]))
                    await asyncio.to_thread(then)
                    self.cuts.append(endpoint)
                    if moment == "half":
                        writer.write(answer[: len(answer) // 2])
                        await writer.drain()
                    return
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # one of the two went away: so does the other's connection
        finally:
            for end in (writer, upstream):
                if end is not None:
                    end.close()
                    with contextlib.suppress(ConnectionError):
                        await end.wait_closed()


async def _head(reader: asyncio.StreamReader) -> bytes | None:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return await reader.readexactly(int(value))
        if name.strip().lower() == b"transfer-encoding":
            raise AssertionError("this proxy reads no chunked bodies")
    return b""


class RetryingClient:
    """One process of an official client: GETs with a body, a kept connection, and the same bytes again until heard.

    Args:
        urls: where to call; further ones are servers to turn to when one is away.
        headers: sent with every call.
        max_tries: how often a call is sent.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        token: str,
        headers: dict[str, str] | None = None,
        *,
        max_tries: int = MAX_TRIES,
    ) -> None:
        split = [urllib.parse.urlsplit(url) for url in ([urls] if isinstance(urls, str) else urls)]
        self._addresses = [(parts.hostname or "", parts.port or 80) for parts in split]
        self._headers = {"Authorization": f"Bearer {token}", "X-ClearML-Worker": "tester", **(headers or {})}
        self._connection: http.client.HTTPConnection | None = None
        self._max_tries = max_tries
        self.tries = 0

    def call(self, endpoint: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, int, Any]:
        """Call until there is an answer; returns code, subcode and data."""
        is_raw = isinstance(body, bytes)
        raw = body if is_raw else json.dumps(body or {}).encode()
        kind = "application/json-lines" if is_raw else "application/json"
        sent = {**self._headers, "Content-Type": kind, **(headers or {})}
        limit = self._max_tries
        for self.tries in range(1, limit + 1):
            try:
                if self._connection is None:
                    self._connection = http.client.HTTPConnection(*self._addresses[0], timeout=LIMIT_S)
                self._connection.request("GET", f"/v2.23/{endpoint}", body=raw, headers=sent)
                with self._connection.getresponse() as response:
                    answer = json.loads(response.read())
                    is_busy = response.status == HTTPStatus.TOO_MANY_REQUESTS
            except (http.client.HTTPException, ConnectionError):
                self.close()
                self._addresses.append(self._addresses.pop(0))
                if self.tries > 1:
                    time.sleep(PAUSE_S)  # as official clients do: a server that is away takes its time
                continue
            if is_busy:
                time.sleep(PAUSE_S)
                continue
            meta = answer["meta"]
            return meta["result_code"], meta["result_subcode"], answer["data"]
        raise AssertionError(f"{endpoint} was never answered")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
