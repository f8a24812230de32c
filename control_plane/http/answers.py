"""From an envelope's bytes to an HTTP answer: the headers that every one carries, and gzip for the large ones."""

import asyncio
import re
import zlib
from collections.abc import Mapping

from aiohttp import web

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


async def answer(
    request: web.BaseRequest, body: bytes, request_id: str, *, status: int = 200, wait_s: int = 1
) -> web.Response:
    """The answer that carries `body`, packed where it is large and the caller reads gzip.

    Args:
        wait_s: with a 429, when to ask again, in s.
    """
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
