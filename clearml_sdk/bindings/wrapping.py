"""Functions of other libraries wrapped for the time of a run, and put back at its end.

The wrapped function is called with what the script gave and answers what it answered; what is ours runs around it and
can fail without anybody noticing but for one warning, which names the binding.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
from types import ModuleType

from clearml_sdk.notices import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MISSING = object()


class Call:
    """A call of a wrapped function: its arguments, and what it returned (None before it was called)."""

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], caller: str = ""
    ) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.caller = caller
        """Name of the module that called it."""
        self.result: Any = None

    def get(self, name: str, default: Any = None) -> Any:
        """The argument called `name`, however it was given; the function's own default, else `default`, if not."""
        bound = inspect.signature(self.function).bind(*self.args, **self.kwargs)
        bound.apply_defaults()
        value = bound.arguments.get(name, _MISSING)
        if value is _MISSING:
            for parameter in bound.signature.parameters.values():
                if parameter.kind is parameter.VAR_KEYWORD:
                    value = bound.arguments[parameter.name].get(name, _MISSING)
        return default if value is _MISSING else value

    def set(self, name: str, value: Any) -> None:
        """Have the function called with `value` as its argument `name`."""
        parameters = list(inspect.signature(self.function).parameters)
        place = parameters.index(name) if name in parameters else len(self.args)
        if place < len(self.args):
            self.args = (*self.args[:place], value, *self.args[place + 1 :])
        else:
            self.kwargs = {**self.kwargs, name: value}


class Wraps:
    """Wrapped functions; `undo` puts all of them back."""

    def __init__(self) -> None:
        self.is_active = True
        self._own_modules: list[ModuleType] | None = None
        self._undo: list[Callable[[], None]] = []

    def after(self, owner: Any, name: str, note: Callable[[Call], None], *, doing: str) -> None:
        """Call `note` after each call of `owner.name` that did not raise; `doing` is for its warning."""
        self._wrap(owner, name, None, note, doing)

    def before(self, owner: Any, name: str, change: Callable[[Call], None], *, doing: str) -> None:
        """Call `change` before each call of `owner.name`: it may look at the arguments, or set other ones."""
        self._wrap(owner, name, change, None, doing)

    def undo(self) -> None:
        """Put the functions back. One that somebody else has wrapped since stays, and only passes calls on."""
        self.is_active = False
        while self._undo:
            self._undo.pop()()

    def _follow(self, original: object, wrapper: object) -> None:
        """Also in the script's modules that have imported the function by its name: `from torch import save`."""
        if self._own_modules is None:
            self._own_modules = script_modules()
        for module in self._own_modules:
            for name, value in list(vars(module).items()):
                if value is original:
                    setattr(module, name, wrapper)
                    self._undo.append(functools.partial(_put_back, module, name, wrapper, original))

    def _wrap(
        self,
        owner: Any,
        name: str,
        change: Callable[[Call], None] | None,
        note: Callable[[Call], None] | None,
        doing: str,
    ) -> None:
        original = getattr(owner, name)
        own = vars(owner).get(name, _MISSING)

        @functools.wraps(original)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if not self.is_active:
                return original(*args, **kwargs)
            call = Call(original, args, kwargs, str(sys._getframe(1).f_globals.get("__name__")))
            if change is not None:
                with harmless(doing):
                    change(call)
                return original(*call.args, **call.kwargs)
            call.result = original(*args, **kwargs)
            if note is not None:
                with harmless(doing):
                    note(call)
            return call.result

        setattr(owner, name, staticmethod(wrapper) if isinstance(own, staticmethod) else wrapper)
        placed = vars(owner)[name]
        if isinstance(owner, ModuleType):
            self._follow(original, wrapper)

        def put_back() -> None:
            if vars(owner).get(name) is placed:
                if own is _MISSING:
                    delattr(owner, name)
                else:
                    setattr(owner, name, own)

        self._undo.append(put_back)


def _put_back(module: ModuleType, name: str, placed: object, original: object) -> None:
    if vars(module).get(name) is placed:
        setattr(module, name, original)


def script_modules() -> list[ModuleType]:
    """The modules of the script itself that are loaded: neither Python's nor installed ones, nor ours."""
    python = os.path.dirname(os.__file__) + os.sep  # installed packages are below it, on Debian elsewhere
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
    found = []
    loaded: list[tuple[str, Any]] = list(sys.modules.items())
    for name, module in loaded:
        if not isinstance(module, ModuleType):
            continue
        file = vars(module).get("__file__")
        if name == "__main__" or (
            isinstance(file, str)
            and not file.startswith((python, ours))
            and f"{os.sep}site-packages{os.sep}" not in file
            and f"{os.sep}dist-packages{os.sep}" not in file
        ):
            found.append(module)
    return found
