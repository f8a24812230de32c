"""How a run ends: what the process's end says about the task, and the hooks by which the SDK learns of it."""

from __future__ import annotations

import atexit
import builtins
import os
import signal
import sys
import threading
import traceback
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Any

SIGNAL_LIMIT_S = 8.0
"""What SIGTERM leaves for the last reports; schedulers and containers kill after ten seconds or more."""


class Ending:
    """A final status: `status` is "completed", "failed" or "stopped"; `reason` is one line for the task."""

    def __init__(self, status: str, reason: str) -> None:
        self.status, self.reason = status, reason

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ending) and (self.status, self.reason) == (other.status, other.reason)

    def __repr__(self) -> str:
        return f"Ending({self.status!r}, {self.reason!r})"


def decide_ending(exception: BaseException | None, signum: int | None, exit_code: object) -> Ending:
    """The final status of a process that ended so.

    Args:
        exception: what was not caught, if anything.
        signum: the signal that ended it, if one did.
        exit_code: what was given to `sys.exit`: None, a number, or a text (which Python prints, and exits 1).
    """
    if isinstance(exception, KeyboardInterrupt) or signum == signal.SIGINT:
        return Ending("stopped", "interrupted by the user")
    if exception is not None:
        last = traceback.format_exception_only(type(exception), exception)[-1].strip()
        return Ending("failed", last[:1000])
    if signum is not None:
        return Ending("stopped", f"terminated by {signal.Signals(signum).name}")
    if exit_code in (None, 0, False):
        return Ending("completed", "completed")
    return Ending("failed", f"exit code {exit_code}" if isinstance(exit_code, int) else str(exit_code)[:1000])


class WatchedExit(SystemExit):
    """What `sys.exit` raises while a run is open: it tells `caught()` when the script caught it and went on.

    The exception dies when it was handled. A script's `except` clause is a frame that is still there at that moment;
    when nobody caught it, the interpreter handles it below the last frame, and only then calls what atexit knows.
    """

    def __init__(self, status: object, caught: Callable[[], None]) -> None:
        super().__init__(status)

        def died(_: object) -> None:
            if sys._getframe().f_back is not None:
                caught()

        self._death = weakref.ref(self, died)
        _deaths.add(self._death)  # a weak reference that dies first does not call

    def __reduce__(self) -> tuple[Any, ...]:
        return (SystemExit, self.args)


_deaths: set[object] = set()


_noted_exit_code: object = None


def note_exit_code(code: object) -> None:
    """Who runs the script (and is no interpreter) says with which code it ends: `raise SystemExit(1)` tells nobody."""
    global _noted_exit_code
    _noted_exit_code = code


class ExitHooks:
    """Watches how this process ends, and calls `finish(ending, limit_s)` once when it does.

    The script's own hooks run as they would have: ours call the ones they found.

    Args:
        signals: finish on SIGTERM too; otherwise it ends the process at once (see `leave_signal`).
    """

    def __init__(self, finish: Callable[[Ending, float | None], None], *, signals: bool = True) -> None:
        self._finish, self._signals = finish, signals
        self._pid = os.getpid()
        self._exception: BaseException | None = None
        self._exit_code: object = None
        self._is_installed = False
        self._former_hook: Any = None
        self._former_exit: Any = None
        self._former_term: Any = None
        self._former_builtins: dict[str, Any] = {}

    def install(self) -> None:
        """Begin to watch."""
        self._is_installed = True
        self._former_hook, sys.excepthook = sys.excepthook, self._on_exception
        self._former_exit = sys.exit
        sys.exit = self._on_exit_call
        # `exit` and `quit` raise SystemExit by themselves; `raise SystemExit(1)` cannot be seen by anybody.
        for name in ("exit", "quit"):
            former = getattr(builtins, name, None)
            if former is not None:
                self._former_builtins[name] = former
                setattr(builtins, name, sys.exit)
        atexit.register(self._at_exit)
        if self._signals and threading.current_thread() is threading.main_thread():
            former = signal.getsignal(signal.SIGTERM)
            if former is signal.SIG_DFL:  # a handler of the script's own decides for itself, and ends by sys.exit
                self._former_term = former
                signal.signal(signal.SIGTERM, self._on_signal)
                _watched.add(self)

    def remove(self) -> None:
        """Stop watching; hooks that were put over ours meanwhile stay."""
        if not self._is_installed:
            return
        self._is_installed = False
        atexit.unregister(self._at_exit)
        if sys.excepthook == self._on_exception:
            sys.excepthook = self._former_hook
        if sys.exit == self._on_exit_call:
            sys.exit = self._former_exit
        for name, former in self._former_builtins.items():
            if getattr(builtins, name, None) == self._on_exit_call:
                setattr(builtins, name, former)
        if self._former_term is not None and threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGTERM) == self._on_signal:
                signal.signal(signal.SIGTERM, self._former_term)
            self._former_term = None

    def leave_signal(self) -> None:
        """In a forked child: let SIGTERM end it as it would have without us.

        A handler in Python runs when the main thread comes to it. One that had just gone to wait for a lock does not:
        a worker of a pool, which waits for nothing else, then outlived its parent for ever.
        """
        if signal.getsignal(signal.SIGTERM) == self._on_signal:
            signal.signal(signal.SIGTERM, self._former_term)

    def _on_exception(self, kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
        if os.getpid() == self._pid:
            self._exception = value
        self._former_hook(kind, value, trace)

    def _on_exit_call(self, status: Any = None, /) -> Any:
        if os.getpid() != self._pid or threading.current_thread() is not threading.main_thread():
            self._former_exit(status)
        self._exit_code = status
        raise WatchedExit(status, self._on_exit_caught)

    def _on_exit_caught(self) -> None:
        self._exit_code = None

    def _at_exit(self) -> None:
        if self._is_installed and os.getpid() == self._pid:
            code = self._exit_code if _noted_exit_code is None else _noted_exit_code
            self._finish(decide_ending(self._exception, None, code), None)
            if isinstance(self._exception, KeyboardInterrupt):
                _mark_interrupted()

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        """Finish within a limit, then die of the signal as the sender expects."""
        if os.getpid() == self._pid and self._is_installed:
            # In a thread: the handler may have interrupted the main thread while it held a lock that finishing needs.
            ending = decide_ending(None, signum, None)
            thread = threading.Thread(
                target=self._finish, args=(ending, SIGNAL_LIMIT_S), name="clearml-end", daemon=True
            )
            thread.start()
            thread.join(SIGNAL_LIMIT_S)
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)


_watched: weakref.WeakSet[ExitHooks] = weakref.WeakSet()


def _leave_signals() -> None:
    for hooks in list(_watched):
        hooks.leave_signal()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_signals)


def _mark_interrupted() -> None:
    """Have the interpreter die of SIGINT, as it would have without us (a shell stops its loop by that).

    It has a mark for that, which any evaluation of a text (the import of a module with a named tuple) takes away.
    Evaluating a text that is interrupted sets it again.
    """
    try:
        exec("raise KeyboardInterrupt")
    except KeyboardInterrupt:
        return
