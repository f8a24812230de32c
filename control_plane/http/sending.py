"""Sending a part of a stored file: from the disk's cache into the socket, within the kernel."""

import asyncio
import os
from typing import BinaryIO

from aiohttp import web

SILENCE_S = 300.0
"""A reader who takes nothing for so long is hung up on."""
CHUNK_BYTES = 8 << 20
"""So much is sent at a time before another caller gets the thread."""


async def send(
    request: web.BaseRequest,
    response: web.StreamResponse,
    file: BinaryIO,
    start: int,
    end: int,
    *,
    silence_s: float = SILENCE_S,
) -> None:
    """Answer with the head of `response` and the bytes from `start` up to `end`.

    A thread fills the socket as far as it goes, and reads from the disk where it must; for a slow reader nothing waits
    but a callback. Raises ConnectionError when the reader hangs up, or takes nothing for `silence_s`.
    """
    transport = request.transport
    sock = transport.get_extra_info("socket") if transport is not None else None
    if transport is None or sock is None:
        raise ConnectionResetError("the reader has hung up")
    transport.set_write_buffer_limits(high=0)  # `drain` then waits until all of the head has gone
    await response.prepare(request)
    await request.writer.drain()
    if not transport.is_closing():
        transport.set_write_buffer_limits()
    # Our own descriptor: the connection's may be closed, and its number be another's, while the thread is at it.
    handle = os.dup(sock.fileno())
    try:
        while start < end:
            if transport.is_closing():
                raise ConnectionResetError("the reader has hung up")
            sent = await asyncio.to_thread(_fill, handle, file.fileno(), start, min(end, start + CHUNK_BYTES))
            start += sent
            if not sent:
                await _writable(handle, silence_s)
    finally:
        os.close(handle)


def _fill(sock: int, file: int, start: int, end: int) -> int:
    """Send until the socket is full; how much of it."""
    at = start
    while at < end:
        try:
            sent = os.sendfile(sock, file, at, end - at)
        except BlockingIOError:
            break
        if not sent:
            raise ConnectionAbortedError("a stored file is shorter than it was")
        at += sent
    return at - start


async def _writable(sock: int, silence_s: float) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(sock, ready.set)
    try:
        async with asyncio.timeout(silence_s):
            await ready.wait()
    except TimeoutError:
        raise ConnectionAbortedError(f"the reader took nothing for {silence_s:g} s") from None
    finally:
        loop.remove_writer(sock)
