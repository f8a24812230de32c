"""From an envelope's bytes to an HTTP answer: the headers that every one carries, and gzip for the large ones."""

import asyncio
import re
import time
import zlib
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache

from aiohttp import web
from aiohttp.http import HttpVersion11

HEADERS: Mapping[str, str] = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
MIN_BYTES = 16 * 1024
"""Below it packing costs more than sending."""
THREAD_BYTES = 128 * 1024
"""From here on it is done beside the loop: this much takes about a millisecond."""
_LEVEL = 1
"""Fastest; a higher level saves a few per cent of JSON and takes several times as long."""
_NEVER = re.compile(r"q=0(\.0*)?")


_HEAD = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items()).encode()


class Success(web.StreamResponse):
    """A small answer of status 200, as nearly all are: its head differs from others in four places, and is written at
    once with the body. aiohttp's own makes, completes and writes out a dictionary of headers for each."""

    def __init__(self, body: bytes, request_id: str) -> None:
        super().__init__()
        self._content, self._request_id = body, request_id
        self._keeps: bool | None = None
        self._is_written = False

    @property
    def keep_alive(self) -> bool | None:
        return self._keeps

    def force_close(self) -> None:
        self._keeps = False

    @property
    def prepared(self) -> bool:
        return self._is_written

    async def prepare(self, request: web.BaseRequest) -> None:
        if self._is_written:
            return
        self._is_written = True
        if self._keeps is None:
            self._keeps = request.keep_alive
        if not self._keeps:
            connection = b"Connection: close\r\n"
        else:
            connection = b"" if request.version >= HttpVersion11 else b"Connection: keep-alive\r\n"
        body = self._content
        facts = (_HEAD, _date(int(time.time())), self._request_id.encode(), len(body), connection)
        head = b"HTTP/1.1 200 OK\r\n%bDate: %b\r\nX-Request-Id: %b\r\nContent-Length: %d\r\n%b\r\n" % facts
        await request.writer.write(head if request.method == "HEAD" else head + body)
        await request.writer.drain()

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""


@lru_cache(1)
def _date(at: int) -> bytes:
    return formatdate(at, usegmt=True).encode()


async def answer(
    request: web.BaseRequest, body: bytes, request_id: str, *, status: int = 200, wait_s: int = 1
) -> web.StreamResponse:
    """The answer that carries `body`, packed where it is large and the caller reads gzip.

    Args:
        wait_s: with a 429, when to ask again, in s.
    """
    if status == 200 and len(body) < MIN_BYTES:
        return Success(body, request_id)
    headers = {**HEADERS, "X-Request-Id": request_id}
    if status == 429:
        headers["Retry-After"] = str(wait_s)
    if len(body) >= MIN_BYTES:
        headers["Vary"] = "Accept-Encoding"
        if accepts_gzip(request.headers.get("Accept-Encoding", "")):
            headers["Content-Encoding"] = "gzip"
            body = await asyncio.to_thread(packed, body) if len(body) >= THREAD_BYTES else packed(body)
    return web.Response(body=body, status=status, headers=headers)


def packed(body: bytes) -> bytes:
    """`body` in gzip's format."""
    return zlib.compress(body, _LEVEL, wbits=31)


def accepts_gzip(header: str) -> bool:
    """True when an Accept-Encoding header allows gzip: by name or by `*`, and not with q=0."""
    allowed: dict[str, bool] = {}
    for part in header.lower().split(","):
        name, _, parameter = part.partition(";")
        allowed[name.strip()] = not _NEVER.fullmatch(parameter.replace(" ", ""))
    return allowed.get("gzip", allowed.get("*", False))
