"""The connection to Redis: retries while it is away, scripts registered once, its errors translated."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib import resources
from typing import Any, Final, TypeVar

import redis.asyncio as aioredis
from redis import exceptions as redis_errors
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot

from control_plane.store import keys as key_names
from control_plane.store.batching import BatchedRedis
from control_plane.store.errors import StoreError, StoreUnavailable, UnsafeServer
from control_plane.store.topology import Layout, topology

T = TypeVar("T")

log = logging.getLogger(__name__)

AWAY = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.ReadOnlyError,
    redis_errors.AskError,  # and its child MovedError: the slot lives elsewhere, or is on its way
    redis_errors.TryAgainError,
    redis_errors.ClusterDownError,
    ConnectionError,
    TimeoutError,
)
"""The server is gone, still loading its file, or not the one that holds the key any more: waiting, or asking where it
is, may help."""

MAX_CONNECTIONS = 128
"""To each node."""
ANSWER_TIMEOUT_S = 20.0
"""A server that takes longer for one operation is treated as gone."""
CONNECT_TIMEOUT_S = 5.0
_METADATA: Final = key_names.schema_version().partition("}")[0] + "}"
METADATA_SLOT: Final = key_slot(key_names.schema_version().encode())
"""Where a Cluster keeps everything but events."""


class Connection:
    """A pool of connections to each node of one store, and our Lua files by name.

    Args:
        url: see `topology`.
        retry_s: how long a request waits for a server that is away before it is StoreUnavailable.
    """

    def __init__(self, url: str, *, retry_s: float = 15.0) -> None:
        self.url = url
        self.retry_s = retry_s
        self.topology = topology(url)
        self.newest_change = 0
        """Number of the newest change that this process knows of; a lower bound of the newest there is."""
        self._layout: Layout | None = None
        self._is_stale = False
        self._locating = asyncio.Lock()
        self._clients: dict[str, BatchedRedis] = {}
        self._blocking: BatchedRedis | None = None
        self._scripts: dict[str, _Script] = {}
        self._on_moved: list[Callable[[], None]] = []

    @property
    def client(self) -> BatchedRedis:
        """The client of the node that holds the metadata; only after the first `run`."""
        assert self._layout is not None
        return self._clients[self._layout.url(METADATA_SLOT)]

    @property
    def clients(self) -> list[BatchedRedis]:
        """A client of every node; only after the first `run`."""
        return list(self._clients.values())

    def on_moved(self, tell: Callable[[], None]) -> None:
        """Call `tell()` whenever another node has taken keys over: it may lack the last of what was acknowledged."""
        self._on_moved.append(tell)

    async def run(self, operation: Callable[[BatchedRedis], Awaitable[T]], *, owner: str | None = None) -> T:
        """Do something that may be repeated, again and again while the server is away.

        Args:
            owner: the task or model whose events the operation reads or writes; None: it is about metadata. One
                operation touches only one of these, for they may live on different nodes.

        Raises StoreUnavailable after `retry_s` seconds of that, StoreError for anything else Redis refuses.
        """
        return await self.run_once_or_more(lambda client, _attempt: operation(client), owner=owner)

    async def run_once_or_more(
        self, operation: Callable[[BatchedRedis, int], Awaitable[T]], *, owner: str | None = None
    ) -> T:
        """As `run`, for operations that must know whether they may have happened already (attempt > 0)."""
        slot = METADATA_SLOT if owner is None else key_slot(key_names.event_meta(owner).encode())
        began = time.monotonic()
        attempt = 0
        while True:
            try:
                # A server that keeps silent for ANSWER_TIMEOUT_S ends what waits for it: see `Wire`, `_located`.
                return await operation(await self._client(slot), attempt)
            except AWAY as error:
                self._is_stale = True
                deadline = began + self.retry_s
                pause_s = min(0.5, 0.02 * 2 ** min(attempt, 6)) * random.uniform(0.5, 1.0)
                if time.monotonic() + pause_s > deadline:
                    raise StoreUnavailable(f"Redis did not answer for {self.retry_s:g} s: {error}") from error
                await asyncio.sleep(pause_s)
                attempt += 1
            except redis_errors.RedisError as error:
                if _takes_no_writes(error):
                    raise StoreUnavailable(f"Redis takes no writes at the moment: {error}") from error
                raise StoreError(f"Redis refused: {error}") from error

    async def script(self, name: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run lua/`name`.lua once, where its keys live; what it answers.

        Part of an operation given to `run`: connection errors are raised as they are.
        """
        script = self._scripts.get(name)
        if script is None:
            script = self._scripts[name] = _Script(name)
        client = await self._client(_slot(keys[0]))
        command = ("EVALSHA", script.sha, len(keys), *keys, *args)
        answer = await client.ask(command)
        if isinstance(answer, redis_errors.NoScriptError):
            # Another server than before, or one that was restarted.
            await client.script_load(script.text)
            answer = await client.ask(command)
        if isinstance(answer, redis_errors.RedisError):
            raise answer
        return answer

    async def blocking_client(self) -> aioredis.Redis:
        """A client for one long blocking read of metadata, on its own connection, without read timeout.

        The caller closes it, and calls `lost` when it fails. Raises what `AWAY` names when no node can be found.
        """
        # The caller bounds its reads; the connection itself may be silent for longer than those of short commands.
        return await self._single(10 * ANSWER_TIMEOUT_S)

    async def _single(self, silence_s: float, **options: Any) -> BatchedRedis:
        layout = await self._located()
        pool = aioredis.ConnectionPool.from_url(
            layout.url(METADATA_SLOT),
            retry=Retry(NoBackoff(), 0),
            max_connections=1,
            socket_timeout=None,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            **options,
        )
        self._blocking = BatchedRedis(connection_pool=pool, silence_s=silence_s)
        return self._blocking

    async def tracking_client(self, on_push: Callable[[Sequence[Any]], None]) -> BatchedRedis:
        """A client of the node with the metadata on a connection of its own, whose announcements `on_push` gets.

        The caller closes it, and calls `lost` when it fails.
        """
        client = await self._single(ANSWER_TIMEOUT_S, protocol=3)
        client.on_push = on_push
        return client

    def lost(self) -> None:
        """Ask again where the keys are before the next operation."""
        self._is_stale = True

    async def check_safe(self) -> dict[str, str]:
        """What the server's persistence can lose, from its own settings ({} where it does not tell).

        Of a Cluster, the settings of the node with the metadata. Raises UnsafeServer when any node evicts keys: then
        it is a cache, and no acknowledged write is safe.
        """
        await self.run(lambda client: client.ping())
        found: dict[str, str] = {}
        metadata = self.client
        for client in self.clients:
            settings = await self.settings(client)
            policy = settings.get("maxmemory-policy", "noeviction")
            if policy != "noeviction":
                raise UnsafeServer(
                    f"this Redis has maxmemory-policy {policy}: it would drop experiments when memory runs out. "
                    "Set `maxmemory-policy noeviction`, or give another Redis with --redis."
                )
            if client is metadata:
                found = settings
        return found

    async def settings(self, client: aioredis.Redis) -> dict[str, str]:
        """A node's settings of persistence and eviction; {} where it does not tell."""
        names = ("maxmemory", "maxmemory-policy", "appendonly", "appendfsync", "save")
        found: dict[Any, Any] = {}
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                for name in names:
                    found |= await client.config_get(name)
        except (redis_errors.RedisError, TimeoutError):
            return {}  # CONFIG is renamed or forbidden on many managed servers
        return {_text(key): _text(value) for key, value in found.items()}

    async def close(self) -> None:
        """Close every connection."""
        await self._drop(list(self._clients))

    # ---- nodes

    async def _client(self, slot: int) -> BatchedRedis:
        layout = self._layout
        if layout is None or self._is_stale:
            layout = await self._located()
        return self._clients[layout.url(slot)]

    async def _located(self) -> Layout:
        """Where the keys are now; asked again only when something was lost since it was asked last."""
        async with self._locating:
            if self._layout is not None and not self._is_stale:
                return self._layout
            # Before asking: what is lost meanwhile makes the answer stale.
            self._is_stale = False
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    found = await self.topology.locate(list(self._clients))
            except BaseException:
                self._is_stale = True
                raise
            before, self._layout = self._layout, found
            for url in found.urls:
                if url not in self._clients:
                    self._clients[url] = self._connect(url)
            if before is not None and before != found:
                log.warning("the store's keys have moved; nodes now: %s", len(found.urls))
                self.newest_change = 0
                for tell in self._on_moved:
                    tell()
                # An answer that still comes from a node that was replaced counts for nothing.
                await self._drop([url for url in self._clients if url not in found.urls])
                if self._blocking is not None:
                    await self._blocking.aclose()
            return found

    def _connect(self, url: str) -> BatchedRedis:
        pool = aioredis.BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=ANSWER_TIMEOUT_S,
            # Not redis-py's own timeout: it is an `asyncio.wait_for`, which before Python 3.12 may swallow a
            # cancellation (seen here: `Store.close` waited for ever). `run` has one that does not.
            socket_timeout=None,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            # Retrying is ours: only `run` knows which commands may be repeated.
            retry=Retry(NoBackoff(), 0),
        )
        return BatchedRedis(silence_s=ANSWER_TIMEOUT_S, connection_pool=pool)

    async def _drop(self, urls: Sequence[str]) -> None:
        for url in urls:
            client = self._clients.pop(url)
            await client.aclose()
            await client.connection_pool.disconnect()


def _slot(key: str) -> int:
    return METADATA_SLOT if key.startswith(_METADATA) else key_slot(key.encode())


def _takes_no_writes(error: redis_errors.RedisError) -> bool:
    """Its memory or its disk is full, or it has too few replicas: somebody has to see to it, then it goes on."""
    return isinstance(error, redis_errors.OutOfMemoryError) or str(error).startswith(("MISCONF", "NOREPLICAS", "OOM"))


class _Script:
    """A Lua file and the name by which Redis knows it."""

    def __init__(self, name: str) -> None:
        files = resources.files("control_plane.store").joinpath("lua")
        self.text = files.joinpath(f"{name}.lua").read_text("utf-8")
        first, _, _ = self.text.partition("\n")
        if first.startswith("-- with "):  # what scripts share, Redis having no include
            self.text = files.joinpath(f"{first.removeprefix('-- with ')}.lua").read_text("utf-8") + self.text
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
