"""The cache of environments: taken when there, built when not, removed when nobody needs them.

Every step may be the last before the agent is killed: an entry gets its name when it is complete and on the disk, a
build under way has a name that nobody takes, and what is found half done is removed by whoever holds its key's lock.
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
from clearml_agent.environments.installer import Installer, Place
from clearml_agent.environments.interpreters import Interpreter
from clearml_agent.environments.layout import Entry, Record
from clearml_agent.environments.requirements import Plan, requirement_name
from clearml_agent.environments.settings import PackageSettings
from clearml_agent.environments.thin import without_shebang
from clearml_agent.errors import EnvironmentFailed
from clearml_agent.files import remove_tree
from clearml_agent.locks import LockTimeout, file_lock
from clearml_agent.packages import freeze
from clearml_agent.process import Log

DATA = ("share", "etc", "include")
ENVIRONMENT, SEEDS = "env", "seeds"
"""Kinds of keys: a task's packages; pip and its like, which every environment of an interpreter shares."""


class Want(msgspec.Struct, frozen=True):
    """A cached environment that somebody wants. Two wants with one key are satisfied by one entry."""

    kind: str
    interpreter: Interpreter
    plan: Plan
    settings: PackageSettings

    @property
    def key(self) -> str:
        """Interpreter, libc, requested text, indexes and installer, as a name."""
        indexes, plan = self.settings.indexes, self.plan
        facts = (
            layout.FORMAT,
            self.interpreter.identity,
            sorted(content_of(line) for line in plan.shared),
            plan.options,
            plan.arguments,
            sorted(plan.constraints),
            msgspec.structs.astuple(indexes),
            self.settings.flags,
            Installer.identity(),
        )
        digest = hashlib.sha256(msgspec.json.encode(facts)).hexdigest()[:24]
        return f"{self.kind}-{digest}"


def content_of(line: str) -> str:
    """A requirement as what it installs: of an address with a hash the hash counts, not the server's port of today."""
    name, at, url = line.partition(" @ ")
    _, _, digest = url.partition("#sha256=")
    return f"{name} @ sha256={digest}" if at and digest else line


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
                entry = await self._renewed(want)
                entry.take(thin)
        except LockTimeout as error:
            raise EnvironmentFailed(f"cannot build the environment: {error}. Look for a hanging installation") from None
        await self.evict(keep=entry)
        return entry, False

    def _locked(self, key: str, *, shared: bool) -> contextlib.AbstractAsyncContextManager[None]:
        return file_lock(self._lock(key), timeout_s=self.settings.lock_s, shared=shared, log=self.log)

    def _lock(self, key: str) -> Path:
        return self.directory / f"{key}.lock"

    async def _find(self, key: str) -> Entry | None:
        """The newest entry that is neither expired nor changed."""
        for entry in layout.entries(self.directory, key):
            if not entry.is_expired(time.time()) and await asyncio.to_thread(entry.is_unchanged):
                return entry
        return None

    async def _renewed(self, want: Want) -> Entry:
        """A new entry; when it cannot be built, the expired one if there is one."""
        await self._clear(want.key)
        expired = next(iter(layout.entries(self.directory, want.key)), None)
        await self._make_room()
        try:
            return await self._build(want)
        except EnvironmentFailed as error:
            if expired is None:
                raise
            self.log(f"WARNING: the packages could not be looked up again ({error.message}); those of before are used")
            return expired

    async def _build(self, want: Want) -> Entry:
        """Install into a directory that nobody takes, and give it its name when everything is on the disk."""
        name = f"{want.key}.{uuid.uuid4().hex[:8]}"
        building = self.directory / f".building-{name}"
        site = building / "site"
        building.mkdir()
        try:
            if want.plan.shared:
                await self.installer.install(
                    want.plan.shared,
                    Place(Path(want.interpreter.executable), site),
                    plan=want.plan,
                    folder=building,
                    scratch=building,
                    # Any pip will do; of other unpinned requests uv's cache may hold old answers.
                    offline_first=want.kind == SEEDS or (want.plan.is_pinned and not self.settings.force_upgrade),
                )
            site.mkdir(exist_ok=True)
            record = await asyncio.to_thread(describe_site, site, want, self._expiry(want))
            layout.write_durably(building / "entry.json", msgspec.json.encode(record))
            os.rename(building, self.directory / name)
            layout.sync_directory(self.directory)
        except BaseException:
            await asyncio.to_thread(remove_tree, building)
            raise
        return Entry(self.directory / name, record)

    def _expiry(self, want: Want) -> float | None:
        if want.kind == SEEDS or want.plan.is_pinned:
            return None
        return time.time() + self.settings.unpinned_s

    async def _clear(self, key: str) -> None:
        """Quarantine the changed entries of `key` and remove what killed builds left; its lock is held alone."""
        for entry in layout.entries(self.directory, key):
            if not await asyncio.to_thread(entry.is_unchanged):
                await self._quarantine(entry)
        for left in self.directory.glob(f".building-{key}.*"):
            await asyncio.to_thread(remove_tree, left)

    async def _quarantine(self, entry: Entry) -> None:
        """Give a changed entry to no task any more; those that use it keep it until they end.

        Its files may be links into the installer's cache: packages whose files differ from their own record are removed
        from there, or the next build would link the changed files again.
        """
        damaged = await asyncio.to_thread(damaged_packages, entry.site)
        self.log(
            f"WARNING: the cached environment {entry.path.name} was changed after it was built"
            f"{' (' + ', '.join(damaged) + ')' if damaged else ''}: it is built anew"
        )
        if damaged:
            await self.installer.forget(damaged)
        os.rename(entry.path / "entry.json", entry.path / "quarantined.json")
        if not entry.is_used():
            await self._remove(entry.path)

    async def evict(self, keep: Entry) -> None:
        """Remove the least recently used entries beyond `max_entries`, and expired or unfinished ones; none in use."""
        now = time.time()
        limits: dict[str, int] = {}
        for entry in sorted(layout.entries(self.directory), key=lambda entry: entry.used_at, reverse=True):
            kind = entry.record.key.partition("-")[0]
            limits[kind] = limits.get(kind, 0) + 1
            is_surplus = limits[kind] > max(self.settings.max_entries, 1) or entry.is_expired(now)
            if is_surplus and entry.path != keep.path:
                await self._remove_unused(entry.path)
        for path in list(self.directory.iterdir()):
            name = path.name
            if name.startswith(".removed-"):
                await asyncio.to_thread(remove_tree, path)
            elif name.startswith(".building-") or (path / "quarantined.json").exists():
                await self._remove_unused(path)

    async def _make_room(self) -> None:
        """Keep some of the disk free, at the cost of the environments that were not used for longest."""
        while shutil.disk_usage(self.directory).free < self.settings.free_space_bytes:
            found = sorted(layout.entries(self.directory), key=lambda entry: entry.used_at)
            for entry in found:
                if await self._remove_unused(entry.path):
                    break
            else:
                self.log("WARNING: little space is left on the disk, and no cached environment can be removed")
                return

    async def _remove_unused(self, path: Path) -> bool:
        """Remove an entry, or what is left of one, unless it is in use or its key is being worked on."""
        key = path.name.removeprefix(".building-").partition(".")[0]
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


def describe_site(site: Path, want: Want, expires_at: float | None) -> Record:
    """The record of what an installer left in `site`."""
    scripts: dict[str, str] = {}
    programs: list[str] = []
    for file in sorted((site / "bin").glob("*")):
        text = _script(file)
        if text is None:
            programs.append(file.name)
        else:
            scripts[file.name] = text
    return Record(
        key=want.key,
        built_at=time.time(),
        expires_at=expires_at,
        requirements=[line for line in want.plan.shared if "@" not in line],
        frozen=freeze([site]),
        fingerprint=layout.fingerprint(site),
        scripts=scripts,
        programs=programs,
        data=[name for name in DATA if (site / name).is_dir() and not (site / name / "__init__.py").exists()],
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
