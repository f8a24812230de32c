"""`Task.connect`: dictionaries and objects become parameters, and in a remote run parameters become their values.

Pure: what to record and what to override is computed here from values; the task sends it.
"""

from __future__ import annotations

from clearml_sdk.parameters import flatten
from clearml_sdk.values import from_text, like

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


class ConnectedDict(dict):  # type: ignore[type-arg]  # keys and values are the user's
    """A dictionary that tells `changed` after each change, also of the dictionaries inside it."""

    def __init__(self, values: Mapping[Any, Any], changed: Callable[[], None]) -> None:
        super().__init__()
        self.__dict__["_changed"] = lambda: None  # filling is not a change
        for key, value in values.items():
            super().__setitem__(key, connected(value, self._tell))
        self.__dict__["_changed"] = changed

    def _tell(self) -> None:
        self.__dict__["_changed"]()

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, connected(value, self._tell))
        self._tell()

    def __delitem__(self, key: Any) -> None:
        super().__delitem__(key)
        self._tell()

    def update(self, *arguments: Any, **named: Any) -> None:
        for key, value in dict(*arguments, **named).items():
            super().__setitem__(key, connected(value, self._tell))
        self._tell()

    def __ior__(self, other: Any) -> ConnectedDict:  # type: ignore[misc]  # dict's own is overloaded
        self.update(other)
        return self

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, *arguments: Any) -> Any:
        value = super().pop(*arguments)
        self._tell()
        return value

    def popitem(self) -> tuple[Any, Any]:
        found = super().popitem()
        self._tell()
        return found

    def clear(self) -> None:
        super().clear()
        self._tell()

    def copy(self) -> dict[Any, Any]:
        return plain(self)  # type: ignore[no-any-return]

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are plain dictionaries: only this one is connected."""
        return (dict, (plain(self),))


def connected(value: Any, changed: Callable[[], None]) -> Any:
    """`value` with its dictionaries connected; other containers as they are."""
    return ConnectedDict(value, changed) if isinstance(value, dict) else value


def plain(value: Any) -> Any:
    """A copy in which connected dictionaries are ordinary ones."""
    return {key: plain(item) for key, item in value.items()} if isinstance(value, dict) else value


def override_dict(values: Mapping[Any, Any], section: Mapping[str, Mapping[str, Any]]) -> dict[Any, Any]:
    """A copy of `values` with the recorded values of `section` in it, each in the type of the one that it replaces.

    Recorded names that `values` does not have are added, in their recorded types.
    """
    result = _copy(values)
    taken = set(flatten(values))
    for name, entry in section.items():
        text, kind = entry.get("value"), entry.get("type")
        node, key = _place(result, name)
        sample = node.get(key)
        if isinstance(sample, dict) and sample:
            continue  # the code has a group where the server has a value: the code is newer
        node[key] = like(text, sample, kind) if name in taken else from_text(text, kind)
    return result


def _copy(values: Mapping[Any, Any]) -> dict[Any, Any]:
    return {key: _copy(item) if isinstance(item, dict) else item for key, item in values.items()}


def _place(tree: dict[Any, Any], name: str) -> tuple[dict[Any, Any], Any]:
    """The dictionary and the key that a flat name means, by the keys that exist (they may hold `/` or be numbers)."""
    keys = {str(key): key for key in tree}
    if name in keys:
        return tree, keys[name]
    first, slash, rest = name.partition("/")
    while slash:
        inner = tree.get(keys.get(first, first))
        if isinstance(inner, dict):
            return _place(inner, rest)
        more, slash, rest = rest.partition("/")
        first = f"{first}/{more}"
    *path, last = name.split("/")
    for part in path:
        inner = tree.get(part)
        if not isinstance(inner, dict):
            inner = tree[part] = {}
        tree = inner
    return tree, last


def object_values(target: Any) -> dict[str, Any]:
    """The public values of an object or a class: no methods, nothing that begins with `_`."""
    names: Iterable[str]
    if isinstance(target, type):
        found: dict[str, Any] = {}
        for owner in reversed(target.__mro__[:-1]):
            found.update(vars(owner))
    else:
        found = {}
        for owner in reversed(type(target).__mro__[:-1]):
            names = (name for name in vars(owner) if not name.startswith("_"))
            found.update({name: getattr(target, name) for name in names if _is_value(vars(owner)[name])})
        found.update(getattr(target, "__dict__", {}))
    return {name: value for name, value in found.items() if not name.startswith("_") and _is_value(value)}


def _is_value(value: Any) -> bool:
    return not callable(value) and not isinstance(value, property | staticmethod | classmethod)


def override_object(target: Any, section: Mapping[str, Mapping[str, Any]]) -> None:
    """Set the public values of an object or a class to the recorded ones, in the types that they have."""
    before = object_values(target)
    for name, value in override_dict(before, {k: v for k, v in section.items() if k.split("/")[0] in before}).items():
        if value is not before.get(name):
            setattr(target, name, value)
