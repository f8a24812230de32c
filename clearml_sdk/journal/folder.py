"""The folder of one journal: who wrote it, for which task and server, and the lock that says whether it is in use."""

from __future__ import annotations

import json
import os
import re
import time

from clearml_sdk.config import environment
from clearml_sdk.journal import locking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

FACTS, LOCK, FILES = "journal.json", "lock", "files"
_NAME = re.compile(r"[0-9a-f]{32}")
_SEGMENT = re.compile(r"([a-z]+)-([0-9]{8})\.seg")

_own: set[str] = set()
"""Folders this process has locked: their lock files must not be opened a second time (see `locking`)."""


class JournalFolder:
    """A locked folder. facts: version, task, api_server, worker, pid."""

    def __init__(self, path: str, lock: int, facts: dict[str, Any]) -> None:
        self.path, self._lock, self.facts = path, lock, facts
        self.id = os.path.basename(path)
        _own.add(path)

    @classmethod
    def create(cls, root: str, facts: dict[str, Any]) -> JournalFolder:
        """Make a new, locked folder. Raises OSError.

        It gets its name after its lock, so that nobody takes it for one whose process is gone.
        """
        os.makedirs(root, mode=0o700, exist_ok=True)
        name = os.urandom(16).hex()
        making = os.path.join(root, f".{name}")
        os.mkdir(making, 0o700)
        lock = locking.try_lock(os.path.join(making, LOCK))
        if lock is None:
            raise OSError(f"cannot lock {making}")
        with open(os.path.join(making, FACTS), "w", encoding="utf-8") as file:
            json.dump(facts, file)
        path = os.path.join(root, name)
        os.rename(making, path)
        return cls(path, lock, facts)

    @classmethod
    def adopt(cls, path: str) -> JournalFolder | None:
        """Lock the folder of a process that is gone; None when it is in use, or was removed meanwhile."""
        if path in _own:
            return None
        try:
            lock = locking.try_lock(os.path.join(path, LOCK))
        except OSError:
            return None  # removed, or another user's
        if lock is None:
            return None
        try:
            with open(os.path.join(path, FACTS), encoding="utf-8") as file:
                facts = json.load(file)
        except (OSError, ValueError):
            locking.unlock(lock)
            return None
        return cls(path, lock, facts)

    def segments(self) -> Iterator[tuple[str, int, str]]:
        """(lane, number, path) of each segment file, in order."""
        found = []
        for name in os.listdir(self.path):
            if match := _SEGMENT.fullmatch(name):
                found.append((match[1], int(match[2]), os.path.join(self.path, name)))
        yield from sorted(found)

    def files_folder(self) -> str:
        """Where files wait for their upload; made when missing."""
        os.makedirs(self.files_path, mode=0o700, exist_ok=True)
        return self.files_path

    @property
    def files_path(self) -> str:
        """`files_folder`, which may not be there."""
        return os.path.join(self.path, FILES)

    def release(self, *, remove: bool) -> None:
        """Unlock, and delete the folder with all that is in it if `remove`.

        Whoever dies meanwhile leaves a hidden folder, which a later start removes, and never half a journal.
        """
        if remove:
            root, name = os.path.split(self.path)
            hidden = os.path.join(root, f".{name}")
            try:
                os.rename(self.path, hidden)
            except FileNotFoundError:
                pass  # another process was faster: it is gone either way
            else:
                _remove_tree(hidden)
        self.forget()

    def forget(self) -> None:
        """Close this process's descriptor without a word to the folder; what a forked child does with its parent's."""
        locking.unlock(self._lock)
        _own.discard(self.path)


def default_root(create: bool = True) -> str:
    """The folder of this user's journals: `CLEARML_JOURNAL_DIR`, else `~/.clearml/journal`, else one in the temporary
    folder where the home cannot be written."""
    chosen = environment.read("JOURNAL_DIR")
    path = os.path.expanduser(chosen or os.path.join("~", ".clearml", "journal"))
    if not create:
        return path
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        if os.access(path, os.W_OK):
            return path
    except OSError:
        pass  # a home that does not exist or is read-only: a container's, for one
    import tempfile

    user = getattr(os, "getuid", lambda: 0)()
    path = os.path.join(tempfile.gettempdir(), f"clearml-journal-{user}")
    os.makedirs(path, mode=0o700, exist_ok=True)
    if os.stat(path).st_uid != user:
        raise PermissionError(f"{path} belongs to another user: set CLEARML_JOURNAL_DIR to a folder of your own")
    return path


def _remove_tree(path: str) -> None:
    import shutil

    shutil.rmtree(path, ignore_errors=True)  # what is left is found again, and removed, by the next start


def left_behind(root: str) -> list[str]:
    """Paths of the journals under `root`, oldest first; some may be in use. Half-made folders of a day ago go."""
    found = []
    try:
        for entry in os.scandir(root):
            changed_at = entry.stat(follow_symlinks=False).st_mtime
            if _NAME.fullmatch(entry.name):
                found.append((changed_at, entry.path))
            elif entry.name.startswith(".") and _NAME.fullmatch(entry.name[1:]) and changed_at < time.time() - 86_400:
                _remove_tree(entry.path)
    except OSError:
        pass  # no such folder yet, or one of the journals was removed just now: the next start looks again
    return [path for _, path in sorted(found)]
