"""The user's functions that a pipeline calls on its way."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Callbacks:
    """The user's functions for one step, or (`created`, `completed`) for all of them."""

    def __init__(self) -> None:
        self.before: dict[str, Callable[..., Any]] = {}
        self.after: dict[str, Callable[..., Any]] = {}
        self.on_status: dict[str, Callable[..., Any]] = {}
        self.retry: dict[str, int | Callable[..., Any]] = {}
        self.created: Callable[..., Any] | None = None
        self.completed: Callable[..., Any] | None = None
