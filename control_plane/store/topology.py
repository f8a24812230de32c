"""Where the keys live: one Redis, the primary that Sentinels name, or the nodes of a Cluster.

    redis://[user:password@]host:port[/db][?options]          one Redis, or any node of a Cluster (it is asked)
    rediss://...   unix://[user:password@]/path               the same over TLS; over a socket, one Redis only
    redis+sentinel://[user:password@]host:port[,host:port]/service[/db][?options]
    redis+cluster://[user:password@]host:port[,host:port][?options]

`rediss+sentinel` and `rediss+cluster` use TLS everywhere. User, password and options are those of the Redis nodes;
Sentinels' own are `sentinel_username` and `sentinel_password` among the options.
"""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, unquote, urlencode

import redis.asyncio as aioredis
from redis import exceptions as redis_errors
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

ASK_TIMEOUT_S = 2.0
"""What a node gets to say where the keys are, before the next one is asked."""
SLOTS = 16_384


@dataclass(frozen=True, slots=True)
class Layout:
    """Which node holds which slots: (last slot, URL of its primary), ascending; URL "" where nobody does."""

    ranges: tuple[tuple[int, str], ...]

    def url(self, slot: int) -> str:
        """The node of a slot. Raises ClusterDownError when it has none."""
        url = self.ranges[bisect_left(self.ranges, (slot, ""))][1]
        if not url:
            raise redis_errors.ClusterDownError(f"no node serves slot {slot}")
        return url

    @property
    def urls(self) -> list[str]:
        """Every node that holds keys."""
        return list(dict.fromkeys(url for _, url in self.ranges if url))


class Topology(Protocol):
    """How one finds the nodes of a store."""

    @property
    def kind(self) -> str:
        """single, sentinel or cluster."""

    async def locate(self, known: Iterable[str]) -> Layout:
        """Ask where the keys are now; `known` are nodes that may be asked beside those of the URL."""


def topology(url: str) -> Topology:
    """The topology that a URL means. Raises ValueError for one that cannot be read."""
    scheme = url.partition("://")[0]
    if scheme in ("redis+sentinel", "rediss+sentinel"):
        return _Sentinel(_Parsed.of(url))
    if scheme in ("redis+cluster", "rediss+cluster"):
        return _Cluster(_Parsed.of(url))
    if scheme in ("redis", "rediss", "unix"):
        return _Single(url)
    raise ValueError(f"a store's URL begins with redis, rediss, unix, redis+sentinel or redis+cluster, not {scheme!r}")


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A URL with one or more hosts."""

    scheme: str
    userinfo: str
    hosts: tuple[str, ...]
    path: tuple[str, ...]
    options: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, url: str) -> _Parsed:
        scheme, _, rest = url.partition("://")
        rest, _, query = rest.partition("?")
        place, *path = rest.split("/")
        userinfo, _, hosts = place.rpartition("@")
        named = tuple(host for host in hosts.split(",") if host)
        if not named:
            raise ValueError("the store's URL names no host")
        options = tuple(parse_qsl(query, keep_blank_values=True))
        return cls(scheme.partition("+")[0], userinfo, named, tuple(unquote(part) for part in path if part), options)

    def node(self, host: str, db: str = "0") -> str:
        """The URL of one Redis node."""
        options = [pair for pair in self.options if not pair[0].startswith("sentinel_")]
        return _url(self.scheme, self.userinfo, host, db, options)

    def sentinel(self, host: str) -> str:
        """The URL of one Sentinel."""
        chosen = dict(self.options)
        user, password = (quote(chosen.get(f"sentinel_{name}", ""), safe="") for name in ("username", "password"))
        options = [pair for pair in self.options if pair[0].startswith("ssl_")]
        return _url(self.scheme, f"{user}:{password}" if user or password else "", host, "", options)


def _url(scheme: str, userinfo: str, host: str, db: str, options: Sequence[tuple[str, str]]) -> str:
    query = "?" + urlencode(options) if options else ""
    return f"{scheme}://{userinfo + '@' if userinfo else ''}{host}/{db}{query}"


class _Single:
    """One Redis; a Cluster where it turns out to be a node of one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._cluster: _Cluster | None = None
        self._asked = url.startswith("unix:")

    @property
    def kind(self) -> str:
        return "cluster" if self._cluster else "single"

    async def locate(self, known: Iterable[str]) -> Layout:
        if not self._asked:
            info = await _ask(self._url, "INFO", "cluster")
            self._asked = True
            if int(info.get("cluster_enabled", 0)):
                self._cluster = _Cluster(_Parsed.of(self._url))
        if self._cluster is not None:
            return await self._cluster.locate(known)
        return Layout(((SLOTS - 1, self._url),))


class _Sentinel:
    """The primary that Sentinels name for a service."""

    kind = "sentinel"

    def __init__(self, parsed: _Parsed) -> None:
        if not parsed.path:
            raise ValueError("a Sentinel's URL names its service: redis+sentinel://host:26379,host:26379/mymaster")
        self._service = parsed.path[0]
        self._db = parsed.path[1] if len(parsed.path) > 1 else "0"
        self._parsed = parsed

    async def locate(self, known: Iterable[str]) -> Layout:
        del known  # only Sentinels know
        failure: Exception | None = None
        for host in random.sample(self._parsed.hosts, len(self._parsed.hosts)):
            try:
                found = await _ask(
                    self._parsed.sentinel(_with_port(host, 26379)), "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service
                )
                if found is None:
                    raise redis_errors.ConnectionError(f"the Sentinel {host} knows no service {self._service!r}")
                url = self._parsed.node(_host(found[0], found[1]), self._db)
                role = await _ask(url, "ROLE")
                if role[0] != b"master":
                    raise redis_errors.ConnectionError(f"the primary that {host} names is none (any more, or yet)")
            except (redis_errors.ConnectionError, redis_errors.TimeoutError, OSError, TimeoutError) as error:
                failure = error
            else:
                return Layout(((SLOTS - 1, url),))
        raise redis_errors.ConnectionError(f"no Sentinel names a primary: {failure}") from failure


class _Cluster:
    """The primaries of a Cluster."""

    kind = "cluster"

    def __init__(self, parsed: _Parsed) -> None:
        self._parsed = parsed

    async def locate(self, known: Iterable[str]) -> Layout:
        seeds = {self._parsed.node(_with_port(host, 6379)) for host in self._parsed.hosts}
        failure: Exception | None = None
        for url in (*random.sample(sorted(seeds), len(seeds)), *sorted(set(known) - seeds)):
            try:
                return self._layout(url, await _ask(url, "CLUSTER", "SLOTS"))
            except (redis_errors.ConnectionError, redis_errors.TimeoutError, OSError, TimeoutError) as error:
                failure = error
        raise redis_errors.ConnectionError(f"no node of the Cluster answers: {failure}") from failure

    def _layout(self, asked: str, slots: Sequence[Any]) -> Layout:
        ranges: list[tuple[int, str]] = []
        expected = 0
        for first, last, primary, *_ in sorted(slots, key=lambda entry: int(entry[0])):
            if first > expected:
                ranges.append((first - 1, ""))
            # A node that does not know its own name means the one by which it was asked.
            name = _text(primary[0]) or _Parsed.of(asked).hosts[0].rpartition(":")[0]
            ranges.append((last, self._parsed.node(_host(name, primary[1]))))
            expected = last + 1
        if expected < SLOTS:
            ranges.append((SLOTS - 1, ""))
        return Layout(tuple(ranges))


async def _ask(url: str, *command: str) -> Any:
    """One command over a connection of its own."""
    client: aioredis.Redis = aioredis.Redis.from_url(
        url, retry=Retry(NoBackoff(), 0), socket_timeout=None, socket_connect_timeout=ASK_TIMEOUT_S
    )
    try:
        async with asyncio.timeout(ASK_TIMEOUT_S):
            return await client.execute_command(*command)  # type: ignore[no-untyped-call]  # of redis-py's
    finally:
        await client.aclose()


def _with_port(host: str, port: int) -> str:
    has_port = ":" in host.rpartition("]")[2]
    return host if has_port else f"{host}:{port}"


def _host(name: bytes | str, port: bytes | int) -> str:
    name = _text(name).strip("[]")
    return f"{f'[{name}]' if ':' in name else name}:{int(port)}"


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
