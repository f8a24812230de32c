"""A run whose server is away from the start: recorded as an offline session, imported once the server is there.

The next start of the SDK does that, or `clearml sync`. A file in the folder says which server it is meant for.
"""

from __future__ import annotations

import json
import os
import shutil
import time

from clearml_sdk.errors import ApiError, BadAnswer, ServerUnreachable, UsageError
from clearml_sdk.journal import locking
from clearml_sdk.notices import say, warn_once
from clearml_sdk.offline import mode
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from clearml_sdk.config import Config
    from clearml_sdk.task import Task

MEANT, LOCK = "meant_for.json", "import.lock"
PATIENCE_S = 10.0
"""How long a start waits for its server: longer than a restart takes."""

_api_server: str | None = None
"""The server that this process's session is meant for; None where it records offline because it was told to, or not."""


def find_server(session: Session) -> None:
    """Log in, if that is still to be done. Raises ServerUnreachable when nobody answers for a while."""
    if session.core.must_log_in and not session.is_offline:
        session.log_in(deadline=time.monotonic() + PATIENCE_S)


def begin(session: Session, error: ServerUnreachable) -> Session:
    """Record offline from here on, in place of `session`, and return the session that does."""
    global _api_server
    _api_server = session.settings.api_server
    say(f"Task: {error}. This run is recorded here; the next start delivers it, or `clearml sync`")
    mode.switch(True)
    return Session.default()


def mark(task: Task) -> None:
    """Have the run that has just begun imported later."""
    folder = task.get_offline_mode_folder()
    if _api_server is not None and folder is not None:
        with open(os.path.join(folder, MEANT), "w", encoding="utf-8") as file:
            json.dump({"api_server": _api_server}, file)


def end() -> None:
    """At the end of the run: the next `Task.init` of this process looks for the server again."""
    global _api_server
    if _api_server is not None:
        _api_server = None
        mode.switch(False)


def waiting(config: Config, api_server: str) -> list[str]:
    """The folders of sessions that wait for this server."""
    root = mode.root(config)
    found = []
    try:
        names = sorted(os.listdir(root))
    except OSError:
        return []  # nobody has ever recorded offline
    for name in names:
        try:
            with open(os.path.join(root, name, MEANT), encoding="utf-8") as file:
                if json.load(file).get("api_server") == api_server:
                    found.append(os.path.join(root, name))
        except (OSError, ValueError):
            continue  # not of those, or imported just now
    return found


def deliver(session: Session, config: Config) -> int:
    """Import what waits for the session's server, and remove it; how many. Raises ServerUnreachable.

    Sessions that still run are left alone. May be repeated after a death: an import goes on where it was.
    """
    from clearml_sdk.offline.importing import import_folder

    done = 0
    for path in waiting(config, session.settings.api_server):
        try:
            lock = locking.try_lock(os.path.join(path, LOCK))
        except OSError:
            continue  # another process has imported it
        if lock is None:
            continue
        try:
            task_id = import_folder(session, path)
        except UsageError:
            continue  # it still runs
        except (ApiError, BadAnswer, OSError, ValueError, KeyError) as error:
            warn_once(f"fallback {path}", f"the offline session {path} is not imported: {error}")
            continue
        finally:
            locking.unlock(lock)
        shutil.rmtree(path, ignore_errors=True)
        archive = f"{path}.zip"
        if os.path.exists(archive):
            os.unlink(archive)
        say(f"Task: a run that was recorded while the server was away is task {task_id}")
        done += 1
    return done
