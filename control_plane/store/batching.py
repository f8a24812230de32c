"""Many calls, one connection: what one turn of the loop asks of Redis leaves as one write; answers come in order.

With a connection a command, taking one out of the pool, a write, a wait and a read cost ten times what the command
itself does (figures in benchmarks/). Here a command is packed bytes at the end of a buffer and a future at the end of
a queue.

Each answer belongs to the one call that asked: an error goes to that call alone, and a call that is cancelled just no
longer wants its answer. When the connection is lost, every call without an answer gets a ConnectionError, whether or
not the server had done it: who may repeat it is for `Connection.run` and its callers to know, as ever.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import hiredis
import redis.asyncio as aioredis
from redis import exceptions as redis_errors

Command = tuple[str | bytes | int | float, ...]

pack: Callable[[Command], bytes] = hiredis.pack_command  # type: ignore[assignment]  # its stub knows one word only
_MULTI, _EXEC = pack(("MULTI",)), pack(("EXEC",))
_PLAIN = frozenset({bytes, int, list, type(None)})
"""Types of nearly all answers: no errors, and no announcements, which are a type of their own."""
_MORE = object()
"""What the reader says while an answer is incomplete."""
_ERRORS: dict[str, type[redis_errors.RedisError]] = {
    "ASK": redis_errors.AskError,
    "CLUSTERDOWN": redis_errors.ClusterDownError,
    "LOADING": redis_errors.BusyLoadingError,
    "MASTERDOWN": redis_errors.MasterDownError,
    "MOVED": redis_errors.MovedError,
    "NOSCRIPT": redis_errors.NoScriptError,
    "OOM": redis_errors.OutOfMemoryError,
    "READONLY": redis_errors.ReadOnlyError,
    "TRYAGAIN": redis_errors.TryAgainError,
}
_ENDS_CONNECTION = (redis_errors.ReadOnlyError, redis_errors.MasterDownError)
"""The server is a replica now: the next call has to find the primary."""


class _Asked:
    """One call's place in the line of answers."""

    __slots__ = ("future", "left", "replies")

    def __init__(self, future: asyncio.Future[Any], left: int, replies: list[Any] | None) -> None:
        self.future, self.left, self.replies = future, left, replies


class Wire(asyncio.Protocol):
    """One connection to Redis, after its handshake.

    Args:
        silence_s: an answer outstanding for so long means that the server is gone, in s.
    """

    def __init__(self, writer: asyncio.StreamWriter, silence_s: float) -> None:
        self._writer = writer  # kept: closing it is what ends the connection
        self._transport = writer.transport
        self._silence_s = silence_s
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(replyError=_error, notEnoughData=_MORE)
        self._asked: deque[_Asked] = deque()
        self._outgoing: list[bytes] = []
        self._heard_at = self._loop.time()
        self._watch = self._loop.call_later(silence_s / 4, self._check_silence)
        self._closed = asyncio.Event()
        self.is_lost = False
        self.round_trips = 0
        """Writes so far; each carries whatever was asked in one turn of the loop."""
        self.on_push: Callable[[Sequence[Any]], None] | None = None
        """Gets the server's own announcements, and an empty one when the connection is lost."""
        self._transport.set_protocol(self)

    def ask(self, packed: bytes, answers: int = 1, *, keep_all: bool = False) -> asyncio.Future[Any]:
        """Send packed commands together with whatever else is asked in this turn.

        Returns a future of the last answer, or of the list of all; an error among them is a value there, not raised.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.is_lost:
            future.set_exception(redis_errors.ConnectionError("the connection to Redis was lost"))
            return future
        if not self._asked:
            self._heard_at = self._loop.time()
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._asked.append(_Asked(future, answers, [] if keep_all else None))
        self._outgoing.append(packed)
        return future

    def _flush(self) -> None:
        if not self.is_lost:
            self.round_trips += 1
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        reader, asked = self._reader, self._asked
        next_reply = reader.gets
        try:
            reader.feed(data)
            while (reply := next_reply()) is not _MORE:
                is_plain = type(reply) in _PLAIN
                if not is_plain and isinstance(reply, hiredis.PushNotification):
                    if self.on_push is not None:
                        self.on_push(reply)
                    continue  # they answer nobody
                first = asked[0]
                if first.replies is not None:
                    first.replies.append(reply)
                first.left -= 1
                if first.left == 0:
                    asked.popleft()
                    if not first.future.done():
                        first.future.set_result(reply if first.replies is None else first.replies)
                if not is_plain and isinstance(reply, _ENDS_CONNECTION):
                    self.abort()
        except (hiredis.ProtocolError, IndexError):
            self.abort()  # what is answered can no longer be told apart: nothing more is read from it

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._watch.cancel()
        self._writer.close()
        self._outgoing.clear()
        asked, self._asked = self._asked, deque()
        for call in asked:
            if not call.future.done():
                call.future.set_exception(redis_errors.ConnectionError(f"the connection to Redis was lost: {exc}"))
        if self.on_push is not None:
            self.on_push(())
        self._closed.set()

    def abort(self) -> None:
        """End the connection now; calls without an answer fail."""
        self.is_lost = True
        self._transport.abort()

    async def close(self) -> None:
        """End the connection and wait until it has ended."""
        self.abort()
        await self._closed.wait()

    def _check_silence(self) -> None:
        if self._asked and self._loop.time() - self._heard_at > self._silence_s:
            self.abort()
        self._watch = self._loop.call_later(self._silence_s / 4, self._check_silence)


class BatchedRedis(aioredis.Redis):
    """redis-py's client, whose commands and scripts share one `Wire`, which ends when the server keeps silent.

    Pipelines would take a connection of their own that nobody watches: `many` is instead of them.
    """

    def __init__(self, *, silence_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._silence_s = silence_s
        self.on_push: Callable[[Sequence[Any]], None] | None = None
        self._wire: Wire | None = None
        self._connecting = asyncio.Lock()
        self.commands = 0
        """Commands asked so far, for `/metrics`."""
        self._round_trips_before = 0

    @property
    def round_trips(self) -> int:
        """Writes to Redis so far."""
        return self._round_trips_before + (self._wire.round_trips if self._wire else 0)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Ask for one command; its answer in the form that redis-py gives it."""
        name = args[0]
        words = args if " " not in name else (*name.split(), *args[1:])
        reply = await self.ask(words)
        if isinstance(reply, redis_errors.RedisError):
            raise reply
        callback = self.response_callbacks.get(name)
        if callback is None:
            return reply
        options.pop("keys", None)
        return callback(reply, **options)

    async def ask(self, command: Command) -> Any:
        """The bare answer of one command; an error is a value, not raised."""
        wire = self._wire
        if wire is None or wire.is_lost:
            wire = await self._connected()
        self.commands += 1
        return await wire.ask(pack(command))

    async def many(self, commands: Sequence[Command], *, atomic: bool = False) -> list[Any]:
        """The bare answers of several commands, sent together; raises the first error among them.

        Args:
            atomic: nothing of others comes in between (MULTI); without it other clients' commands may.
        """
        wire = self._wire
        if wire is None or wire.is_lost:
            wire = await self._connected()
        self.commands += len(commands)
        packed = b"".join([pack(command) for command in commands])
        if atomic and len(commands) > 1:
            # The answer to EXEC holds the others, unless one was refused on the way: then that one says why.
            replies: list[Any] = await wire.ask(b"".join((_MULTI, packed, _EXEC)), len(commands) + 2, keep_all=True)
            _raise_first(replies)
            replies = replies[-1]
        else:
            replies = await wire.ask(packed, len(commands), keep_all=True)
        _raise_first(replies)
        return replies

    async def field_of_each(self, key: str, ids: Sequence[str], field: str) -> list[bytes | None]:
        """One field of many hashes; raises the first error among the answers.

        As `many` with HGET, but what is the same in all commands is packed once: packing is most of the work.

        Args:
            key: of each hash, with `%s` in the place of its id.
        """
        size = len(ids[0])
        if not all(id.isascii() and len(id) == size for id in ids):
            return await self.many([("HGET", key.replace("%s", id, 1), field) for id in ids])
        wire = self._wire
        if wire is None or wire.is_lost:
            wire = await self._connected()
        self.commands += len(ids)
        first, _, last = map(str.encode, key.partition("%s"))
        before = b"*3\r\n$4\r\nHGET\r\n$%d\r\n%b" % (len(first) + size + len(last), first)
        after = b"%b\r\n$%d\r\n%b\r\n" % (last, len(field.encode()), field.encode())
        packed = before + (after + before).join(map(str.encode, ids)) + after
        replies: list[Any] = await wire.ask(packed, len(ids), keep_all=True)
        _raise_first(replies)
        return replies

    async def _connected(self) -> Wire:
        async with self._connecting:
            if self._wire is None or self._wire.is_lost:
                if self._wire is not None:
                    self._round_trips_before += self._wire.round_trips
                # The pool knows how to find and greet the server (TLS, Sentinel, password); then it is ours. What
                # became of it until then it heard itself: a wire is not told again.
                pool: Any = self.connection_pool
                connection = pool.make_connection()
                try:
                    async with asyncio.timeout(self._silence_s):
                        await connection.connect()
                    if connection._reader.at_eof() or connection._writer.transport.is_closing():
                        raise redis_errors.ConnectionError("the connection to Redis was lost as it was made")
                    writer, connection._reader, connection._writer = connection._writer, None, None
                except BaseException:
                    await connection.disconnect(nowait=True)
                    raise
                self._wire = Wire(writer, self._silence_s)
                self._wire.on_push = self.on_push
            return self._wire

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close the shared connection and the pool's."""
        if self._wire is not None:
            await self._wire.close()
        await super().aclose(close_connection_pool)


def words(pairs: Mapping[str, str | bytes]) -> Iterator[str | bytes]:
    """Field, value, field, value, ...: how HSET takes them."""
    for field, value in pairs.items():
        yield field
        yield value


def _raise_first(replies: Collection[Any]) -> None:
    if _PLAIN.issuperset(map(type, replies)):
        return
    for reply in replies:
        if isinstance(reply, redis_errors.RedisError):
            raise reply


def _error(text: str) -> redis_errors.RedisError:
    code, _, rest = text.partition(" ")
    kind = _ERRORS.get(code)
    return kind(rest) if kind is not None else redis_errors.ResponseError(text)
