"""Errors of sessions, as scripts know them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class SessionError(Exception):
    """A call could not be made."""


class AsyncError(SessionError):
    """An answer that was to come later did not; keywords become attributes."""

    def __init__(self, msg: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(msg, *args)
        self.__dict__.update(kwargs)


class TimeoutExpiredError(SessionError):
    """An answer did not come in the time allowed."""


class ResultNotReadyError(SessionError):
    """An answer was asked for before it came."""
