"""The connection to Redis: retries while it is away, scripts registered once, its errors translated."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib import resources
from typing import Any, TypeVar

import redis.asyncio as aioredis
from redis import exceptions as redis_errors
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from control_plane.store.errors import StoreError, StoreUnavailable, UnsafeServer

T = TypeVar("T")

AWAY = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.ReadOnlyError,
    ConnectionError,
    TimeoutError,
)
"""The server is gone, still loading its file, or not the primary any more: waiting may help."""

MAX_CONNECTIONS = 128
ANSWER_TIMEOUT_S = 20.0
"""A server that takes longer for one operation is treated as gone."""
CONNECT_TIMEOUT_S = 5.0


class Connection:
    """A pool of connections to one Redis, and our Lua files by name.

    Args:
        retry_s: how long a request waits for a server that is away before it is StoreUnavailable.
    """

    def __init__(self, url: str, *, retry_s: float = 15.0) -> None:
        self.url = url
        self.retry_s = retry_s
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
        self.client: aioredis.Redis = aioredis.Redis(connection_pool=pool)
        self._scripts: dict[str, Any] = {}
        self.newest_change = 0
        """Number of the newest change that this process knows of; a lower bound of the newest there is."""

    async def run(self, operation: Callable[[aioredis.Redis], Awaitable[T]]) -> T:
        """Do something that may be repeated, again and again while the server is away.

        Raises StoreUnavailable after `retry_s` seconds of that, StoreError for anything else Redis refuses.
        """
        return await self.run_once_or_more(lambda client, _attempt: operation(client))

    async def run_once_or_more(self, operation: Callable[[aioredis.Redis, int], Awaitable[T]]) -> T:
        """As `run`, for operations that must know whether they may have happened already (attempt > 0)."""
        deadline = time.monotonic() + self.retry_s
        attempt = 0
        while True:
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    return await operation(self.client, attempt)
            except AWAY as error:
                pause_s = min(0.5, 0.02 * 2 ** min(attempt, 6)) * random.uniform(0.5, 1.0)
                if time.monotonic() + pause_s > deadline:
                    raise StoreUnavailable(f"Redis did not answer for {self.retry_s:g} s: {error}") from error
                await asyncio.sleep(pause_s)
                attempt += 1
            except redis_errors.RedisError as error:
                raise StoreError(f"Redis refused: {error}") from error

    async def script(self, name: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run lua/`name`.lua once; what it answers. Connection errors are raised as they are: see `run`."""
        script = self._scripts.get(name)
        if script is None:
            text = resources.files("control_plane.store").joinpath("lua", f"{name}.lua").read_text("utf-8")
            script = self._scripts[name] = self.client.register_script(text)
        return await script(keys=keys, args=args)

    def blocking_client(self) -> aioredis.Redis:
        """A client for one long blocking read, on its own connection, without read timeout. The caller closes it."""
        return aioredis.Redis.from_url(
            self.url,
            retry=Retry(NoBackoff(), 0),
            max_connections=1,
            socket_timeout=None,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
        )

    async def check_safe(self) -> dict[str, str]:
        """What the server's persistence can lose, from its own settings ({} where it does not tell).

        Raises UnsafeServer when it evicts keys: then it is a cache, and no acknowledged write is safe.
        """
        names = ("maxmemory", "maxmemory-policy", "appendonly", "appendfsync", "save")
        try:
            found: dict[str, str] = {}
            for name in names:
                found |= await self.run(lambda client, name=name: client.config_get(name))  # type: ignore[misc]
        except StoreError:
            return {}  # CONFIG is renamed or forbidden on many managed servers
        settings = {str(_text(key)): str(_text(value)) for key, value in found.items()}
        policy = settings.get("maxmemory-policy", "noeviction")
        if policy != "noeviction":
            raise UnsafeServer(
                f"this Redis has maxmemory-policy {policy}: it would drop experiments when memory runs out. "
                "Set `maxmemory-policy noeviction`, or give another Redis with --redis."
            )
        return settings

    async def close(self) -> None:
        await self.client.aclose()
        await self.client.connection_pool.disconnect()


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
