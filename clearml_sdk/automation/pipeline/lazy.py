"""What a component returns to the pipeline's function: stands for a value that is read when it is first needed."""

from __future__ import annotations

import operator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_UNREAD = object()


class LazyResult:
    """Behaves as the value that a step returns under a name; using it waits for the step.

    Given to another component it is not read: that step reads it where it runs.
    """

    _lazy_step: str
    _lazy_name: str

    def __init__(self, read: Callable[[], Any], step: str, name: str) -> None:
        object.__setattr__(self, "_lazy_read", read)
        object.__setattr__(self, "_lazy_value", _UNREAD)
        object.__setattr__(self, "_lazy_step", step)
        object.__setattr__(self, "_lazy_name", name)

    def _lazy_get(self) -> Any:
        """The value; the first call waits."""
        if object.__getattribute__(self, "_lazy_value") is _UNREAD:
            object.__setattr__(self, "_lazy_value", object.__getattribute__(self, "_lazy_read")())
        return object.__getattribute__(self, "_lazy_value")

    @property  # type: ignore[misc]  # a read-write property of object: isinstance() asks it
    def __class__(self) -> Any:
        return type(self._lazy_get())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lazy_get(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._lazy_get(), name, value)

    def __reduce__(self) -> Any:
        return (_same, (self._lazy_get(),))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__reduce__()

    def __hash__(self) -> int:
        return hash(self._lazy_get())


def is_lazy(value: object) -> bool:
    """Whether the value stands for another one; does not read it."""
    return type(value) is LazyResult


def settled(value: Any) -> Any:
    """The value with everything read that it stands for: itself, and items of lists, tuples, sets and dictionaries."""
    if is_lazy(value):
        return value._lazy_get()
    if type(value) is dict:
        return {settled(key): settled(item) for key, item in value.items()}
    if type(value) in (list, tuple, set):
        return type(value)(settled(item) for item in value)
    return value


def _same(value: Any) -> Any:
    return value


_UNARY = "abs index invert neg pos bool int float complex str repr bytes len iter next reversed round trunc floor ceil"
_BINARY = "add and floordiv lshift matmul mod mul or pow rshift sub truediv xor eq ne lt le gt ge"
_BUILTIN: dict[str, Callable[..., Any]] = {"str": str, "repr": repr, "bytes": bytes, "bool": bool, "float": float}
_BUILTIN.update({"int": int, "complex": complex, "len": len, "iter": iter, "next": next, "reversed": reversed})
_BUILTIN.update({"abs": abs, "round": round})


def _forward(name: str) -> None:
    """Have a special method act on the value."""

    def method(self: LazyResult, *arguments: Any) -> Any:
        value = self._lazy_get()
        plain = [settled(one) for one in arguments]
        function = _BUILTIN.get(name)
        if function is not None:
            return function(value, *plain)
        symbol = {"and": "and_", "or": "or_", "invert": "invert"}.get(name, name)
        found = getattr(operator, symbol, None)
        return found(value, *plain) if found is not None else getattr(value, f"__{name}__")(*plain)

    setattr(LazyResult, f"__{name}__", method)


def _forward_reflected(name: str) -> None:
    def method(self: LazyResult, other: Any) -> Any:
        symbol = {"and": "and_", "or": "or_"}.get(name, name)
        return getattr(operator, symbol)(other, self._lazy_get())

    setattr(LazyResult, f"__r{name}__", method)


def _forward_plainly(name: str) -> None:
    def method(self: LazyResult, *arguments: Any, **named: Any) -> Any:
        return getattr(self._lazy_get(), name)(*[settled(one) for one in arguments], **named)

    setattr(LazyResult, name, method)


for _name in (*_UNARY.split(), *_BINARY.split(), "divmod"):
    _forward(_name)
for _name in _BINARY.split()[:13]:
    _forward_reflected(_name)
for _name in ("__getitem__", "__setitem__", "__delitem__", "__contains__", "__call__", "__enter__", "__exit__"):
    _forward_plainly(_name)
for _name in ("__format__", "__dir__", "__length_hint__"):
    _forward_plainly(_name)
