"""What lies in the cache of environments, and what makes an entry complete. Reads and writes single entries only.

<cache>/<key>.lock             alone while one is built or removed, shared while one is taken
<cache>/<key>.<generation>/    an entry, built in place (a conda environment cannot be moved)
    entry.json                 what it is (Record), written and synced last: without it, the entry is not complete
    site/ or prefix/           the packages, as `--target` of the installer leaves them; a conda environment
    users/<hash>               the path of a thin environment on top of it, in use as long as that path exists
    compiled                   the modules are byte-compiled; the tree's folders as they are since then
    changed                    a look at every file found it changed: it is given to nobody any more
    quarantined.json           the record of an entry that is given to nobody any more, but may be in use
<cache>/.removed-...           unfinished removals; whoever finds them goes on
<cache>/interpreters/          facts about interpreters
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

FORMAT = 2
SMALL = 3000
"""Files that are looked at each time an entry is taken (about 20 ms); of more, the folders, and the rest later."""
COMPILED, CHANGED, QUARANTINED = "compiled", "changed", "quarantined.json"
_NAME = re.compile(r"^(?P<key>[a-z]+-[0-9a-f]{24})\.(?P<generation>[0-9a-f]{8})$")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The content of entry.json.

    built_at, expires_at: s since epoch; expires_at None for ever.
    frozen: `name==version` lines. fingerprint: of the tree, see `fingerprint`.
    scripts: Python commands, name -> text after the shebang; programs: other files in `bin`; data: `share`, ...
    facts: what the key is made of. tree: `site` or `prefix`. files, bytes: how many there are, and their size.
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
    facts: dict[str, Any] = {}
    tree: str = "site"
    files: int = 0
    bytes: int = 0
    format: int = FORMAT


class Entry(msgspec.Struct, frozen=True):
    """A complete cached environment."""

    path: Path
    record: Record

    @property
    def site(self) -> Path:
        return self.path / "site"

    @property
    def tree(self) -> Path:
        return self.path / self.record.tree

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
        """Whether the tree is as it was built: every name, size and time; of large ones the folders alone."""
        if (self.path / CHANGED).exists():
            return False
        if self.is_large and (known := _read(self.path / COMPILED)):
            return folders(self.tree) == known
        return scan(self.tree).fingerprint == self.record.fingerprint

    @property
    def is_large(self) -> bool:
        return self.record.files > SMALL

    @property
    def is_compiled(self) -> bool:
        return (self.path / COMPILED).exists()

    def mark_compiled(self) -> None:
        """Note that the modules are compiled, and the folders as they are now. Blocking."""
        write_durably(self.path / COMPILED, folders(self.tree))

    def look_over(self) -> bool:
        """Look at every file, whatever it takes; what is found changed is given to nobody any more."""
        is_unchanged = scan(self.tree).fingerprint == self.record.fingerprint
        if not is_unchanged:
            (self.path / CHANGED).touch()
        return is_unchanged

    def take(self, thin: Path) -> None:
        """Note that the environment at `thin` is made on top; the key's lock is held."""
        self.users.mkdir(exist_ok=True)
        self._forget_gone_users()
        self._note(thin).write_bytes(os.fsencode(thin))
        os.utime(self.path / "entry.json")

    def release(self, thin: Path) -> None:
        """Note that the environment at `thin` needs it no more, although it is still there."""
        self._note(thin).unlink(missing_ok=True)

    def _note(self, thin: Path) -> Path:
        return self.users / hashlib.sha256(os.fsencode(thin)).hexdigest()[:32]

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


class Scan(NamedTuple):
    """A tree: a digest of every name, size and modification time, but for what Python itself writes there."""

    fingerprint: str
    files: int
    bytes: int


def scan(tree: Path) -> Scan:
    """Look at every file under `tree`, about 8 us each."""
    digest = hashlib.blake2b(digest_size=16)
    files = size = 0
    for line, length in _facts(str(tree), ""):
        digest.update(line)
        files += 1
        size += length
    return Scan(digest.hexdigest(), files, size)


def _facts(folder: str, relative: str) -> Iterator[tuple[bytes, int]]:
    with os.scandir(folder) as listing:
        found = sorted(listing, key=lambda item: item.name)
    for item in found:
        name = f"{relative}/{item.name}"
        if item.is_dir(follow_symlinks=False):
            if item.name != "__pycache__":
                yield from _facts(item.path, name)
        elif not item.name.endswith(".pyc"):
            facts = item.stat(follow_symlinks=False)
            yield b"%s\0%d\0%d\n" % (os.fsencode(name), facts.st_size, facts.st_mtime_ns), facts.st_size


def folders(tree: Path) -> bytes:
    """Every folder with its modification time, which tells of files added, removed or replaced. Raises OSError."""
    known = _read(tree.parent / COMPILED)
    names = [line.partition(b"\0")[0] for line in known.splitlines()] if known else _folder_names(tree)
    try:
        return b"".join(b"%s\0%d\n" % (name, os.stat(os.fsencode(tree) + name).st_mtime_ns) for name in names)
    except FileNotFoundError:
        return b""


def _folder_names(tree: Path) -> list[bytes]:
    found = []
    for folder, inner, _ in os.walk(os.fsencode(tree)):
        found.append(folder.removeprefix(os.fsencode(tree)))
        inner[:] = sorted(name for name in inner if name != b"__pycache__")
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def unfinished(cache: Path, key: str | None = None) -> list[Path]:
    """Entries without a record: being built, or left by a build that was killed."""
    found = []
    for path in cache.iterdir() if cache.is_dir() else ():
        match = _NAME.match(path.name)
        is_complete = (path / "entry.json").exists() or (path / QUARANTINED).exists()
        if match and (key is None or match["key"] == key) and not is_complete:
            found.append(path)
    return found
