"""What a forked child must be able to take, whatever thread of its parent held it when the fork happened."""

from __future__ import annotations

import importlib
import os
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

OURS = "clearml-"
"""What the names of our threads begin with."""


class ForkLock:
    """A re-entrant lock for `with`, new in each process: the threads of a parent do not exist in its child."""

    def __init__(self) -> None:
        self._pid, self._lock = os.getpid(), threading.RLock()

    def __enter__(self) -> None:
        if self._pid != os.getpid():
            self._pid, self._lock = os.getpid(), threading.RLock()
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()


_our_threads: set[int | None] = set()


def _note_our_threads() -> None:
    _our_threads.clear()
    _our_threads.update(thread.ident for thread in threading.enumerate() if thread.name.startswith(OURS))


def _forget_half_made_imports() -> None:
    """In a child: what was being imported for us when the fork came is imported anew by whoever needs it.

    The interpreter leaves such a module locked for ever. For us: by a thread of ours, or as part of a module of ours.
    What else the script's own threads import is the script's affair.
    """
    locks: dict[str, Any] = getattr(getattr(importlib, "_bootstrap", None), "_module_locks", {})
    owners = {name: getattr(reference(), "owner", None) for name, reference in list(locks.items())}
    ours = _our_threads | {owner for name, owner in owners.items() if name.startswith("clearml")}
    for name, owner in owners.items():
        if owner is None or owner == threading.get_ident() or owner not in ours:
            continue
        locks.pop(name, None)
        if getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False):
            del sys.modules[name]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_note_our_threads, after_in_child=_forget_half_made_imports)
