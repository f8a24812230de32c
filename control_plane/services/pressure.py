"""Back-pressure: when reports are refused for a while, so that everything else goes on.

Reports are refused (429 with Retry-After, subcode 194) while the store's memory is beyond its limit, or while too many
batches are on their way. Clients keep what they could not send. No other call is ever refused here, and batches are
worked on a few at a time, so that other calls never stand behind many of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from pathlib import Path
from typing import TYPE_CHECKING, Any

from control_plane.services.errors import ApiError, Subcode
from control_plane.store.errors import StoreError

if TYPE_CHECKING:
    from control_plane.settings import Settings
    from control_plane.store import Store

log = logging.getLogger(__name__)

INGEST = frozenset({"events.add", "events.add_batch"})
_FREE = nullcontext()

LOOK_S = 1.0
"""How often the store is asked for its memory."""
SHARE_OF_MAXMEMORY = 0.9
"""The rest is for tasks, queues and workers, which are always taken."""
SHARE_OF_MACHINE = 0.6
AGAIN_AT = 0.97
"""Once refused, reports are taken again below this share of the limit."""
MEMORY_WAIT_S = 5
FLIGHT_WAIT_S = 1

MAX_IN_FLIGHT = 512
"""Batches that are being read, wait for their turn, or are being stored."""
FLIGHT_BODIES = 2
"""Their sizes together are at most this many of the largest body there may be."""
AT_ONCE = 4
"""So many are decoded and stored at a time; they mostly wait for the store's disk."""

_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


class Pressure:
    """What one process knows of the store's memory and of its own batches."""

    def __init__(self, store: Store, settings: Settings, gauges: dict[str, float], counters: Counter[str]) -> None:
        self._store, self._settings, self._gauges, self._counters = store, settings, gauges, counters
        self._max_bytes = FLIGHT_BODIES * settings.max_body_bytes
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._batches = self._bytes = 0
        self._used = self._limit = 0
        self._since_look = 0
        """Bytes of batches that came since the store was asked."""
        self._is_full = False
        self._show()

    async def run(self) -> None:
        """Look at the store's memory every second, until cancelled."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                # While it is away its calls say so themselves; what was known last goes on to count.
                log.debug("the store's memory is not known: %s", error)
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Ask every node of the store for its memory; the fullest one counts."""
        came = self._since_look
        found = [(int(info["used_memory"]), self._limit_of(info)) for info in await self._store.memory()]
        self._used, self._limit = max(found, key=lambda node: node[0] / node[1])
        self._since_look -= came
        self._judge()

    def admitted(self, endpoint: str, size: int) -> AbstractContextManager[None]:
        """Hold a place for a call of `endpoint` that announces `size` bytes; raise 429 when there is none.

        Calls that report nothing need no place.
        """
        return self._admitted(size) if endpoint in INGEST else _FREE

    @contextmanager
    def _admitted(self, size: int) -> Iterator[None]:
        self._judge()
        if self._is_full:
            raise self._refusal(
                f"the store uses {_mib(self._used + self._since_look)} of {_mib(self._limit)} for reports",
                MEMORY_WAIT_S,
            )
        size = min(size, self._settings.max_body_bytes)  # a larger one is refused unread
        # A single batch is always let in, however large.
        if self._batches >= MAX_IN_FLIGHT or (self._batches and self._bytes + size > self._max_bytes):
            raise self._refusal(
                f"{self._batches} batches with {_mib(self._bytes)} are on their way already", FLIGHT_WAIT_S
            )
        self._batches += 1
        self._bytes += size
        self._gauges["batches_in_flight"] = self._batches
        try:
            yield
        finally:
            self._batches -= 1
            self._bytes -= size
            self._gauges["batches_in_flight"] = self._batches

    def turn(self, endpoint: str, size: int) -> AbstractAsyncContextManager[None]:
        """Wait until a batch of `size` bytes may be worked on; other calls need not."""
        return self._turn(size) if endpoint in INGEST else _FREE

    @asynccontextmanager
    async def _turn(self, size: int) -> AsyncIterator[None]:
        async with self._turns:
            self._since_look += size
            yield

    def _limit_of(self, info: Mapping[str, Any]) -> int:
        """Bytes that one node may use before reports are refused."""
        if self._settings.store_memory_bytes:
            return self._settings.store_memory_bytes
        if int(info.get("maxmemory") or 0):
            return int(int(info["maxmemory"]) * SHARE_OF_MAXMEMORY)
        machine = int(info.get("total_system_memory") or 0)
        if not self._settings.redis_url:
            machine = min(filter(None, (machine, _container_limit())), default=0)
        return int(machine * SHARE_OF_MACHINE) or 2**63

    def _judge(self) -> None:
        """Refuse, or take again, and say so at the change."""
        if not self._limit:
            return  # nobody has looked yet
        used = self._used + self._since_look
        is_full = used > self._limit * (AGAIN_AT if self._is_full else 1.0)
        if is_full != self._is_full:
            self._is_full = is_full
            facts = {"used_bytes": used, "limit_bytes": self._limit}
            if is_full:
                log.warning("reports are refused: the store's memory is beyond its limit", extra=facts)
            else:
                log.warning("reports are taken again", extra=facts)
        self._show()

    def _show(self) -> None:
        self._gauges |= {
            "reports_refused": float(self._is_full),
            "store_used_bytes": float(self._used),
            "store_memory_limit_bytes": float(self._limit),
            "batches_in_flight": float(self._batches),
        }

    def _refusal(self, why: str, wait_s: int) -> ApiError:
        self._counters["refused_batches"] += 1
        return ApiError(429, Subcode.REPORTS_WAIT, "Reports are not taken now", why, retry_after_s=wait_s)


def _container_limit() -> int:
    """Bytes that this container may use; 0: any number."""
    for path in map(Path, _CGROUPS):
        try:
            text = path.read_text().strip()
        except OSError:
            continue  # another version of control groups, or none
        return int(text) if text.isdigit() else 0
    return 0


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
