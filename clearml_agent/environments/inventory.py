"""What the cache of environments holds, how much of the disk it takes, and removing what nobody needs."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from clearml_agent.environments import layout
from clearml_agent.environments.cache import Cache
from clearml_agent.environments.installer import Installer
from clearml_agent.environments.layout import Entry
from clearml_agent.environments.settings import PackageSettings
from clearml_agent.process import Log


class Item(msgspec.Struct, frozen=True):
    """One cached environment. state: ready, in use, expired or changed; times in s since epoch, size in bytes."""

    name: str
    kind: str
    python: str
    packages: int
    requirements: list[str]
    size: int
    built_at: float
    used_at: float
    state: str


class Size(msgspec.Struct, frozen=True):
    """Bytes of the disk that the cache takes, with what it keeps beside the environments."""

    path: str
    environments: int
    size: int
    free: int


def items(cache: Path) -> list[Item]:
    """The complete environments, the most recently used first."""
    found = [_item(entry) for entry in layout.entries(cache)]
    return sorted(found, key=lambda item: item.used_at, reverse=True)


def size(cache: Path) -> Size:
    """How much of the disk the cache takes."""
    total = sum(_bytes(path) for path in _folders(cache))
    disk = os.statvfs(cache if cache.is_dir() else Path("/"))
    return Size(str(cache), len(layout.entries(cache)), total, disk.f_bavail * disk.f_frsize)


async def prune(
    cache: Path, settings: PackageSettings, log: Log, *, unused_s: float = 0.0, names: Iterable[str] = ()
) -> list[Item]:
    """Remove environments that no task uses and that nobody used for `unused_s`, or those named; answers them."""
    store = Cache(cache, Installer(settings, os.environ, log), settings, log)
    wanted = set(names)
    removed: list[Item] = []
    for entry in layout.entries(cache):
        is_named = entry.path.name in wanted or entry.record.key in wanted
        if is_named if wanted else time.time() - entry.used_at >= unused_s:
            item = await asyncio.to_thread(_item, entry)
            if await store.remove_unused(entry.path):
                removed.append(item)
    await store.tidy()
    return removed


def _item(entry: Entry) -> Item:
    record = entry.record
    if entry.is_used():
        state = "in use"
    elif entry.is_expired(time.time()):
        state = "expired"
    else:
        state = "ready" if entry.is_unchanged() else "changed"
    interpreter = record.facts.get("interpreter") or {}
    return Item(
        name=entry.path.name,
        kind=record.key.partition("-")[0],
        python=str(interpreter.get("version") or record.facts.get("python") or ""),
        packages=len(record.frozen),
        requirements=record.requirements,
        size=record.bytes,
        built_at=record.built_at,
        used_at=entry.used_at,
        state=state,
    )


def _folders(cache: Path) -> list[Path]:
    return [path for path in cache.iterdir() if path.is_dir()] if cache.is_dir() else []


def _bytes(folder: Path) -> int:
    total = 0
    for inner, _, files in os.walk(folder):
        for file in files:
            try:
                total += os.lstat(os.path.join(inner, file)).st_blocks * 512
            except FileNotFoundError:
                continue  # another agent removes it just now
    return total
