"""The object that `Task.init(deferred_init=True)` returns: the task, once it is there."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class DeferredTask:
    """Stands for a task that is being initialised in a thread; whatever is asked of it waits for that."""

    def __init__(self, begin: Callable[[], Any]) -> None:
        state: dict[str, Any] = {}

        def work() -> None:
            try:
                state["task"] = begin()
            except Exception as error:  # noqa: BLE001  # raised again at the first use, in the thread that asks
                state["error"] = error

        thread = threading.Thread(target=work, name="clearml-init", daemon=True)
        object.__setattr__(self, "_state", state)
        object.__setattr__(self, "_thread", thread)
        thread.start()

    def _wait(self) -> Any:
        object.__getattribute__(self, "_thread").join()
        state = object.__getattribute__(self, "_state")
        if "error" in state:
            raise state["error"]
        return state["task"]

    @property
    def __class__(self) -> Any:
        from clearml_sdk.task import Task

        return Task

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise TypeError("a task's class cannot be changed")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wait(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._wait(), name, value)

    def __repr__(self) -> str:
        return repr(self._wait())

    def __eq__(self, other: object) -> bool:
        return bool(self._wait() == other)

    def __hash__(self) -> int:
        return hash(self._wait())
