"""Which task ran last under a project and a name on this machine, and whether it may be used again.

A file of the user's cache, replaced whole; two programs that end at the same moment may lose one entry, which costs no
more than a new task where an old one would have done.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time

from clearml_sdk.config.local_server import is_alive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

MAX_ENTRIES = 500


class LastRuns:
    """The file `path`: `{key: {"id", "at" (s since epoch), "pid", "host"}}`."""

    def __init__(self, path: str) -> None:
        self.path = path

    def get(self, key: str) -> dict[str, Any] | None:
        """The last run under `key`, or None."""
        found = self._read().get(key)
        return found if isinstance(found, dict) and isinstance(found.get("id"), str) else None

    def put(self, key: str, task_id: str) -> None:
        """Remember a run of this process. A file that cannot be written is no error: nothing is reused then."""
        entries = self._read()
        entries.pop(key, None)
        entries[key] = {"id": task_id, "at": time.time(), "pid": os.getpid(), "host": socket.gethostname()}
        kept = dict(sorted(entries.items(), key=lambda entry: entry[1].get("at", 0))[-MAX_ENTRIES:])
        folder = os.path.dirname(self.path)
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=folder)
            with open(handle, "w", encoding="utf-8") as file:
                json.dump(kept, file)
            os.replace(temporary, self.path)
        except OSError:
            return

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            with open(self.path, encoding="utf-8") as file:
                found = json.load(file)
        except (OSError, ValueError):
            return {}  # never written, or damaged: as if nothing had run
        return (
            {key: entry for key, entry in found.items() if isinstance(entry, dict)} if isinstance(found, dict) else {}
        )


def run_key(api_server: str, project: str, name: str) -> str:
    """The key of a run: the same names on another server are another task."""
    return "\0".join((api_server, project, name))


def may_reuse(task: Mapping[str, Any], entry: Mapping[str, Any], *, window_s: float, now: float) -> bool:
    """Whether the last run may be overwritten by a new one.

    Not when it is older than the window, has outputs that somebody may want (artifacts, models), was published or
    archived, waits in a queue, or still runs.
    """
    if now - float(entry.get("at", 0)) > window_s:
        return False
    if task.get("status") in ("published", "publishing", "queued") or "archived" in (task.get("system_tags") or []):
        return False
    # Of another machine that shares this home folder, nobody here knows whether the process lives.
    is_ours = entry.get("host", socket.gethostname()) == socket.gethostname()
    if task.get("status") == "in_progress" and (not is_ours or is_alive(entry.get("pid"))):
        return False
    artifacts = (task.get("execution") or {}).get("artifacts") or []
    if any(artifact.get("mode", "output") == "output" for artifact in artifacts):
        return False
    return not (task.get("models") or {}).get("output")
