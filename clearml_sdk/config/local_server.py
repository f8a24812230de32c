"""The file by which a server tells clients of the same user on the same machine where it is.

It holds an administrator's credentials, so it is trusted only when nobody but this user can have written it, and only
while the process that wrote it lives. No port is ever probed.
"""

from __future__ import annotations

import json
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

NAME = "server.json"
KEYS = ("api_server", "web_server", "files_server", "access_key", "secret_key")


def runtime_dir(environ: Mapping[str, str] | None = None) -> str:
    """The user's own directory for files that live as long as a process does."""
    environ = os.environ if environ is None else environ
    if chosen := environ.get("CLEARML_RUNTIME_DIR"):
        return chosen
    if session := environ.get("XDG_RUNTIME_DIR"):
        return os.path.join(session, "clearml")
    folder = environ.get("TMPDIR") or ("/tmp" if os.name == "posix" else environ.get("TEMP", "."))
    return os.path.join(folder, f"clearml-{_uid()}")


def read_local_server(environ: Mapping[str, str] | None = None) -> dict[str, Any] | None:
    """Facts about this user's running server: `KEYS` and `pid`; None when there is no such server.

    Refused (None): a link, a file or directory of another user, one that others may read or write, a dead writer.
    """
    directory = runtime_dir(environ)
    try:
        folder = os.lstat(directory)
        if not stat.S_ISDIR(folder.st_mode) or not _is_private(folder):
            return None
        handle = os.open(os.path.join(directory, NAME), os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return None
    with open(handle, "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode) or not _is_private(facts):
            return None
        try:
            found = json.load(file)
        except ValueError:
            return None  # being written by something that does not rename: as good as not there
    if not isinstance(found, dict) or not all(isinstance(found.get(key), str) for key in KEYS):
        return None
    return found if is_alive(found.get("pid")) else None


def is_alive(pid: object) -> bool:
    """Whether a process with this id exists."""
    if not isinstance(pid, int) or pid <= 0:
        return False
    if sys.platform == "win32":  # os.kill(pid, 0) would end the process there
        import psutil

        return bool(psutil.pid_exists(pid))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_private(facts: os.stat_result) -> bool:
    if sys.platform == "win32":
        return True  # the profile's own access list guards it
    return facts.st_uid == _uid() and not facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def _uid() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0
