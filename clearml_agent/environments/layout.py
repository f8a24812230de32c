"""What lies in the cache of environments, and what makes an entry complete. Reads and writes single entries only.

<cache>/<key>.lock             alone while one is built or removed, shared while one is taken
<cache>/<key>.<generation>/    an entry: complete since it has this name
    entry.json                 what it is (Record), written and synced last
    site/                      the packages, as `--target` of the installer leaves them
    users/<hash>               the path of a thin environment on top of it, in use as long as that path exists
    compiled                   the modules are byte-compiled
<cache>/.building-<key>.<generation>/, .removed-...   unfinished; whoever finds them removes them
<cache>/interpreters/          facts about interpreters
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

FORMAT = 1
_NAME = re.compile(r"^(?P<key>[a-z]+-[0-9a-f]{24})\.(?P<generation>[0-9a-f]{8})$")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The content of entry.json.

    built_at, expires_at: s since epoch; expires_at None for ever.
    frozen: `name==version` lines. fingerprint: of the tree, see `fingerprint`.
    scripts: Python commands, name -> text after the shebang; programs: other files in `bin`; data: `share`, ...
    """

    key: str
    built_at: float
    expires_at: float | None
    requirements: list[str]
    frozen: list[str]
    fingerprint: str
    scripts: dict[str, str]
    programs: list[str]
    data: list[str]
    format: int = FORMAT


class Entry(msgspec.Struct, frozen=True):
    """A complete cached environment."""

    path: Path
    record: Record

    @property
    def site(self) -> Path:
        return self.path / "site"

    @property
    def users(self) -> Path:
        return self.path / "users"

    @property
    def used_at(self) -> float:
        """When it was last given to a task, s since epoch."""
        return (self.path / "entry.json").stat().st_mtime

    def is_expired(self, now: float) -> bool:
        return self.record.expires_at is not None and self.record.expires_at <= now

    def is_unchanged(self) -> bool:
        """Whether the tree is as it was built: every name, size and time (a few microseconds a file)."""
        return fingerprint(self.site) == self.record.fingerprint

    def take(self, thin: Path) -> None:
        """Note that the environment at `thin` is made on top; the key's lock is held."""
        self.users.mkdir(exist_ok=True)
        self._forget_gone_users()
        (self.users / hashlib.sha256(os.fsencode(thin)).hexdigest()[:32]).write_bytes(os.fsencode(thin))
        os.utime(self.path / "entry.json")

    def is_used(self) -> bool:
        """Whether a thin environment on top of it still exists."""
        return any(os.path.lexists(thin) for _, thin in self._notes())

    def _forget_gone_users(self) -> None:
        for note, thin in self._notes():
            if not os.path.lexists(thin):
                note.unlink(missing_ok=True)

    def _notes(self) -> Iterator[tuple[Path, str]]:
        """Each note with the path in it; one that another agent removes or writes just now is passed over."""
        for note in self.users.glob("*"):
            with contextlib.suppress(FileNotFoundError):
                if thin := os.fsdecode(note.read_bytes()):
                    yield note, thin


def entries(cache: Path, key: str | None = None) -> list[Entry]:
    """The complete entries, of one key or all, newest first."""
    found: list[Entry] = []
    try:
        names = [path.name for path in cache.iterdir()]
    except FileNotFoundError:
        return []
    for name in names:
        match = _NAME.match(name)
        if match and (key is None or match["key"] == key) and (entry := read_entry(cache / name)):
            found.append(entry)
    return sorted(found, key=lambda entry: entry.record.built_at, reverse=True)


def read_entry(path: Path) -> Entry | None:
    """The entry at `path`; None when its record is missing, damaged or of another format."""
    try:
        record = msgspec.json.decode((path / "entry.json").read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None
    return Entry(path, record) if record.format == FORMAT else None


def write_durably(path: Path, data: bytes) -> None:
    """Write a file so that it is there, whole, or not at all, also after a power cut."""
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(new, path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def fingerprint(tree: Path) -> str:
    """A digest of every name, size and modification time under `tree`, but for what Python itself writes there."""
    digest = hashlib.blake2b(digest_size=16)
    for line in _facts(str(tree), ""):
        digest.update(line)
    return digest.hexdigest()


def _facts(folder: str, relative: str) -> Iterator[bytes]:
    with os.scandir(folder) as listing:
        found = sorted(listing, key=lambda item: item.name)
    for item in found:
        name = f"{relative}/{item.name}"
        if item.is_dir(follow_symlinks=False):
            if item.name != "__pycache__":
                yield from _facts(item.path, name)
        elif not item.name.endswith(".pyc"):
            facts = item.stat(follow_symlinks=False)
            yield b"%s\0%d\0%d\n" % (os.fsencode(name), facts.st_size, facts.st_mtime_ns)
