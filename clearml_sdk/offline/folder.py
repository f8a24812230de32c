"""The folder of one offline session: the state of its task, its journals, its files.

<id>/state.json            the task and its models, replaced whole at each change
<id>/journal/              what was reported, as the processes of the session journal it
<id>/data/                 artifacts, weights and samples, as they will lie under a destination
<id>/task.json, metrics.jsonl, log.jsonl    the session as other SDKs read it, written when it is closed
"""

from __future__ import annotations

import contextlib
import json
import os

from clearml_sdk.fork_lock import ForkLock
from clearml_sdk.journal import locking
from clearml_sdk.offline.documents import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

STATE, LOCK, JOURNAL, DATA = "state.json", "lock", "journal", "data"

_in_process = ForkLock()


class SessionFolder:
    """One session by the path of its folder."""

    def __init__(self, path: str) -> None:
        self.path, self.id = path, os.path.basename(path)
        self.journal, self.data = os.path.join(path, JOURNAL), os.path.join(path, DATA)

    @classmethod
    def create(cls, path: str, state: State) -> SessionFolder:
        """Make the folder. Raises OSError."""
        folder = cls(path)
        for made in (path, folder.journal, folder.data):
            os.makedirs(made, mode=0o700)
        folder._write(state)
        return folder

    def file_of(self, recorded: str) -> str | None:
        """Path of a file of this session that was recorded when the folder may have been elsewhere; None for any other
        file: what is imported must not name files of the machine that imports it."""
        _, found, rest = recorded.replace("\\", "/").partition(f"/{self.id}/")
        path = os.path.realpath(os.path.join(self.path, rest))
        return path if found and path.startswith(os.path.realpath(self.path) + os.sep) else None

    @property
    def exists(self) -> bool:
        return os.path.isfile(os.path.join(self.path, STATE))

    def read(self) -> State:
        """The state as it is now. Raises OSError, ValueError."""
        with open(os.path.join(self.path, STATE), encoding="utf-8") as file:
            return State(json.load(file))

    @contextlib.contextmanager
    def changing(self) -> Iterator[State]:
        """The state, kept at the end of the `with`; one process and one thread at a time."""
        with _in_process, locking.waiting(os.path.join(self.path, LOCK)):
            state = self.read()
            yield state
            self._write(state)

    def _write(self, state: State) -> None:
        write_json(os.path.join(self.path, STATE), state.to_data())


def write_json(path: str, data: object) -> None:
    """Replace a file whole: who dies here leaves the old one."""
    partial = f"{path}.part"
    with open(partial, "w", encoding="utf-8", errors="replace") as file:
        json.dump(data, file, ensure_ascii=False, default=str, indent=1)
    os.replace(partial, path)
