"""Whether this process records offline, and where the sessions are kept."""

from __future__ import annotations

import os

from clearml_sdk import session as sessions
from clearml_sdk.config import cache_base, environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from clearml_sdk.config import Config
    from clearml_sdk.session import Session

VARIABLE = "CLEARML_OFFLINE_MODE"

_online: Session | None = None


def is_on() -> bool:
    """Whether recording goes to a folder; the processes that this one starts inherit it."""
    return environment.read_flag("OFFLINE_MODE", False)


def switch(on: bool) -> None:
    """Record offline, or to the server, from the next `Task.init` on."""
    global _online
    if on == is_on():
        return
    if on:
        os.environ[VARIABLE] = "1"
        _online = sessions.current_default()
        sessions.set_default(None)
    else:
        os.environ.pop(VARIABLE, None)
        os.environ.pop("TRAINS_OFFLINE_MODE", None)
        sessions.set_default(_online)
        _online = None


def root(config: Config) -> str:
    """The folder of this user's sessions."""
    return os.path.join(cache_base(config), "offline")
