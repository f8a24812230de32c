"""Receiving the body of a request: from the socket into memory of ours, worked on in a thread while more comes.

A large body does not go through aiohttp's parser and streams, which copy it several times: its connection is taken
from them once the head is read. Such a connection takes no further request.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from control_plane.http.protocol import Protocol

BLOCK_BYTES = 2 << 20
"""Two blocks are held of each body on its way."""
SILENCE_S = 300.0
"""A sender of whom nothing comes for so long is hung up on: its place is others'."""
LINGER_S = 10.0
"""How long the rest of a refused body is read, so that its sender gets to read the answer."""

Take = Callable[[bytes | bytearray, int], None]


async def receive(request: web.BaseRequest, take: Take, *, silence_s: float = SILENCE_S) -> None:
    """Hand the body to `take`, block after block, in a thread: (bytes, how many of them count).

    Raises what `take` raises, and ConnectionError when the sender hangs up or is silent for `silence_s`.
    """
    length = request.content_length
    if length is None:
        await _read(request, take, silence_s)
        return
    first = request.content.read_nowait()
    while more := request.content.read_nowait():
        first += more
    left = length - len(first)
    transport, protocol = request.transport, request.protocol
    if left < BLOCK_BYTES or transport is None or not isinstance(protocol, Protocol):
        await _read(request, take, silence_s, first)
        return
    intake = _Intake(protocol, transport, left, silence_s)
    try:
        await intake.run(take, first)
    finally:
        request.content.feed_eof()
        intake.give_back()


@asynccontextmanager
async def _heard_within(silence_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(silence_s):
            yield
    except TimeoutError:
        raise ConnectionAbortedError(f"the sender was silent for {silence_s:g} s") from None


async def _read(request: web.BaseRequest, take: Take, silence_s: float, first: bytes = b"") -> None:
    """The way through aiohttp: for what is small, and for what does not tell its length."""
    is_over = False
    while not is_over:
        block = bytearray(first)
        first = b""
        while len(block) < BLOCK_BYTES and not is_over:
            async with _heard_within(silence_s):
                chunk = await request.content.readany()
            block += chunk
            is_over = not chunk
        await asyncio.to_thread(take, block, len(block))


class _Intake(asyncio.BufferedProtocol):
    """Takes the next `left` bytes off a connection, which is `below`'s until then and afterwards."""

    def __init__(self, below: Protocol, transport: asyncio.Transport, left: int, silence_s: float) -> None:
        self._below, self._transport, self._left, self._silence_s = below, transport, left, silence_s
        self._spare = [bytearray(BLOCK_BYTES)]
        self._block: bytearray | None = bytearray(BLOCK_BYTES)
        self._filled = 0
        self._ready: deque[tuple[bytearray, int]] = deque()
        self._came = asyncio.Event()
        self._is_lost = self._is_refused = False

    async def run(self, take: Take, first: bytes) -> None:
        """Receive everything. `first`: what had come already."""
        self._below.is_spent = True
        self._transport.pause_reading()
        self._transport.set_protocol(self)
        self._transport.resume_reading()
        try:
            await self._hand_over(take, first)
        except ConnectionError:
            raise
        except Exception:
            await self._linger()
            raise

    def give_back(self) -> None:
        """Let `below` answer."""
        if not self._transport.is_closing():
            self._transport.pause_reading()
            self._transport.set_protocol(self._below)

    async def _hand_over(self, take: Take, first: bytes) -> None:
        loop = asyncio.get_running_loop()
        working = loop.run_in_executor(None, take, first, len(first))
        used: bytearray | None = None
        try:
            while self._left or self._ready:
                block, size = await self._next()
                await working
                if used is not None:
                    self._reuse(used)
                working, used = loop.run_in_executor(None, take, block, size), block
        finally:
            await working  # also when the body breaks off: nobody works on it afterwards

    async def _next(self) -> tuple[bytearray, int]:
        while not self._ready:
            if self._is_lost:
                raise ConnectionResetError("the sender hung up")
            self._came.clear()
            async with _heard_within(self._silence_s):
                await self._came.wait()
        return self._ready.popleft()

    async def _linger(self) -> None:
        """Receive the rest for nothing."""
        self._is_refused = True
        self._ready.clear()
        if self._block is None:
            self._reuse(bytearray(BLOCK_BYTES))
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while self._left and not self._is_lost:
                    self._came.clear()
                    await self._came.wait()

    def _reuse(self, block: bytearray) -> None:
        if self._block is not None:
            self._spare.append(block)
            return
        self._block = block
        if self._left and not self._transport.is_closing():
            self._transport.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        assert self._block is not None
        return memoryview(self._block)[self._filled : min(BLOCK_BYTES, self._filled + self._left)]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        self._left -= nbytes
        if self._left and self._filled < BLOCK_BYTES:
            return
        assert self._block is not None
        if not self._is_refused:
            self._ready.append((self._block, self._filled))
            self._block = self._spare.pop() if self._spare else None
        self._filled = 0
        if not self._left or self._block is None:
            self._transport.pause_reading()
        self._came.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        self._came.set()
        self._below.connection_lost(exc)

    def pause_writing(self) -> None:
        self._below.pause_writing()

    def resume_writing(self) -> None:
        self._below.resume_writing()
