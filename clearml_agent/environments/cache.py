"""The cache of environments: taken when there, built when not, removed when nobody needs them.

Every step may be the last before the agent is killed: an entry gets its record when it is complete and on the disk,
without a record nobody takes it, and what is found half done is removed by whoever holds its key's lock.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import csv
import hashlib
import os
import shutil
import time
import uuid
from pathlib import Path

import msgspec

from clearml_agent.environments import layout
from clearml_agent.environments.explain import NOT_REUSED, why_not_reused
from clearml_agent.environments.installer import Installer
from clearml_agent.environments.layout import Entry, Record
from clearml_agent.environments.recipes import ENVIRONMENT, SITE, Want
from clearml_agent.environments.requirements import requirement_name
from clearml_agent.environments.settings import PackageSettings
from clearml_agent.environments.thin import without_shebang
from clearml_agent.errors import EnvironmentFailed
from clearml_agent.files import remove_tree
from clearml_agent.locks import LockTimeout, file_lock
from clearml_agent.process import Log

DATA = ("share", "etc", "include")


class Cache:
    """The environments under one directory, shared by every agent of this user."""

    def __init__(self, directory: Path, installer: Installer, settings: PackageSettings, log: Log) -> None:
        self.directory, self.installer, self.settings, self.log = directory, installer, settings, log
        directory.mkdir(parents=True, exist_ok=True)

    async def obtain(self, want: Want, thin: Path) -> tuple[Entry, bool]:
        """An entry for `want`, noted as used by the environment at `thin`, and whether it was there before.

        Raises EnvironmentFailed when it cannot be built.
        """
        try:
            async with self._locked(want.key, shared=True):
                if entry := await self._find(want.key):
                    entry.take(thin)
                    return entry, True
            async with self._locked(want.key, shared=False):
                entry = await self._find(want.key)
                if entry is not None:  # another agent built it while this one waited
                    entry.take(thin)
                    return entry, True
                for reason in await self._reasons(want):
                    self.log(f"{NOT_REUSED}{reason}")
                entry = await self._renewed(want)
                entry.take(thin)
        except LockTimeout as error:
            raise EnvironmentFailed(f"cannot build the environment: {error}. Look for a hanging installation") from None
        await self.evict(keep=entry)
        return entry, False

    async def _reasons(self, want: Want) -> list[str]:
        """Why a task's packages have to be installed; of pip and of tools nobody wants to know."""
        if want.kind != ENVIRONMENT:
            return []
        return await asyncio.to_thread(why_not_reused, self.directory, want.facts)

    def _locked(self, key: str, *, shared: bool) -> contextlib.AbstractAsyncContextManager[None]:
        return file_lock(self._lock(key), timeout_s=self.settings.lock_s, shared=shared, log=self.log)

    def _lock(self, key: str) -> Path:
        return self.directory / f"{key}.lock"

    async def _find(self, key: str) -> Entry | None:
        """The newest entry that is neither changed nor expired (which does not count where no index is asked)."""
        for entry in layout.entries(self.directory, key):
            if (self.settings.is_offline or not entry.is_expired(time.time())) and await asyncio.to_thread(
                entry.is_unchanged
            ):
                return entry
        return None

    async def _renewed(self, want: Want) -> Entry:
        """A new entry; when it cannot be built, the expired one if there is one."""
        await self._clear(want.key)
        expired = next(iter(layout.entries(self.directory, want.key)), None)
        expires_at = None if want.is_pinned else time.time() + self.settings.unpinned_s
        if not await self._make_room():
            expires_at = time.time()  # for this task alone: nothing is added to the cache of a full disk
        try:
            return await self._build(want, expires_at)
        except EnvironmentFailed as error:
            if expired is None:
                raise
            self.log(f"WARNING: the packages could not be looked up again ({error.message}); those of before are used")
            return expired

    async def _build(self, want: Want, expires_at: float | None) -> Entry:
        """Fill a directory that nobody takes, and give it its record when everything is on the disk."""
        path = self.directory / f"{want.key}.{uuid.uuid4().hex[:8]}"
        path.mkdir()
        try:
            await want.recipe.fill(path)
            record = await asyncio.to_thread(describe, path, want, expires_at)
            layout.write_durably(path / "entry.json", msgspec.json.encode(record))
            layout.sync_directory(self.directory)
        except BaseException:
            await asyncio.to_thread(remove_tree, path)
            raise
        return Entry(path, record)

    async def _clear(self, key: str) -> None:
        """Quarantine the changed entries of `key` and remove what killed builds left; its lock is held alone."""
        for entry in layout.entries(self.directory, key):
            if not await asyncio.to_thread(entry.is_unchanged):
                await self._quarantine(entry)
        for left in layout.unfinished(self.directory, key):
            if not Entry(left, _NO_RECORD).is_used():
                await asyncio.to_thread(remove_tree, left)

    async def _quarantine(self, entry: Entry) -> None:
        """Give a changed entry to no task any more; those that use it keep it until they end.

        Its files may be links into the installer's cache: packages whose files differ from their own record are removed
        from there, or the next build would link the changed files again.
        """
        damaged = await asyncio.to_thread(damaged_packages, entry.site) if entry.site.is_dir() else []
        self.log(
            f"WARNING: the cached environment {entry.path.name} was changed after it was built"
            f"{' (' + ', '.join(damaged) + ')' if damaged else ''}: it is built anew"
        )
        if damaged:
            await self.installer.forget(damaged)
        os.rename(entry.path / "entry.json", entry.path / layout.QUARANTINED)
        if not entry.is_used():
            await self._remove(entry.path)

    async def evict(self, keep: Entry) -> None:
        """Remove the least recently used entries beyond `max_entries`, and expired or unfinished ones; none in use."""
        now = time.time()
        limits: dict[str, int] = {}
        for entry in sorted(layout.entries(self.directory), key=lambda entry: entry.used_at, reverse=True):
            kind = entry.record.key.partition("-")[0]
            limits[kind] = limits.get(kind, 0) + 1
            is_surplus = limits[kind] > max(self.settings.max_entries, 1)
            is_surplus |= entry.is_expired(now) and not self.settings.is_offline
            if is_surplus and entry.path != keep.path:
                await self.remove_unused(entry.path)
        await self.tidy()

    async def tidy(self) -> None:
        """Remove what killed builds and removals left, and entries that are given to nobody any more."""
        for path in layout.unfinished(self.directory):
            await self.remove_unused(path)
        for path in list(self.directory.iterdir()):
            if path.name.startswith(".removed-"):
                await asyncio.to_thread(remove_tree, path)
            elif (path / layout.QUARANTINED).exists():
                await self.remove_unused(path)

    async def _make_room(self) -> bool:
        """Keep some of the disk free, at the cost of the environments that were not used for longest."""
        while shutil.disk_usage(self.directory).free < self.settings.free_space_bytes:
            found = sorted(layout.entries(self.directory), key=lambda entry: entry.used_at)
            for entry in found:
                if await self.remove_unused(entry.path):
                    break
            else:
                self.log(
                    "WARNING: less than agent.venvs_cache.free_space_threshold_gb is left on the disk and no cached "
                    "environment can be removed: this task's is not kept"
                )
                return False
        return True

    async def remove_unused(self, path: Path) -> bool:
        """Remove an entry, or what is left of one, unless it is in use or being worked on; whether it is gone now."""
        key = path.name.partition(".")[0]
        try:
            async with file_lock(self._lock(key), timeout_s=0):
                if not path.is_dir() or Entry(path, _NO_RECORD).is_used():
                    return False
                await self._remove(path)
                return True
        except LockTimeout:
            return False

    async def _remove(self, path: Path) -> None:
        gone = self.directory / f".removed-{path.name}-{uuid.uuid4().hex[:8]}"
        os.rename(path, gone)
        await asyncio.to_thread(remove_tree, gone)


_NO_RECORD = Record(
    key="", built_at=0, expires_at=0, requirements=[], frozen=[], fingerprint="", scripts={}, programs=[], data=[]
)


def describe(path: Path, want: Want, expires_at: float | None) -> Record:
    """The record of what was filled in at `path`. Blocking."""
    recipe = want.recipe
    site = path / recipe.tree if recipe.tree == SITE else None
    scripts: dict[str, str] = {}
    programs: list[str] = []
    for file in sorted((site / "bin").glob("*")) if site else ():
        text = _script(file)
        if text is None:
            programs.append(file.name)
        else:
            scripts[file.name] = text
    found = layout.scan(path / recipe.tree)
    return Record(
        key=want.key,
        built_at=time.time(),
        expires_at=expires_at,
        requirements=recipe.requirements,
        frozen=recipe.frozen(path),
        fingerprint=found.fingerprint,
        scripts=scripts,
        programs=programs,
        data=[name for name in DATA if site and (site / name).is_dir() and not (site / name / "__init__.py").exists()],
        facts=want.facts,
        tree=recipe.tree,
        files=found.files,
        bytes=found.bytes,
    )


def damaged_packages(site: Path) -> list[str]:
    """Packages of which a file differs from the hash in their own record, or is gone."""
    found: list[str] = []
    for record in site.glob("*.dist-info/RECORD"):
        with record.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if len(row) == 3 and row[1].startswith("sha256=")]
        if any(not _matches(site / name, digest) for name, digest, _ in rows):
            found.append(requirement_name(record.parent.name.partition("-")[0]))
    return sorted(found)


def _matches(path: Path, expected: str) -> bool:
    try:
        digest = hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return False
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == expected.removeprefix("sha256=")


def _script(path: Path) -> str | None:
    """The text of a Python command after its first line; None for anything else."""
    try:
        with path.open("rb") as file:
            if file.read(2) != b"#!":
                return None
        return without_shebang(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
