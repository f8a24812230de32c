"""Dictionaries that scripts import from `clearml.utilities.dicts`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Never


class ReadOnlyDict(dict):  # type: ignore[type-arg]  # keys and values are the user's
    """A dictionary that cannot be changed once it is made: ValueError."""

    def _refuse(self, *args: Any, **kwargs: Any) -> Never:
        raise ValueError("this dictionary is read only")

    def __setitem__(self, *args: Any, **kwargs: Any) -> Never:
        self._refuse()

    def __delitem__(self, *args: Any, **kwargs: Any) -> Never:
        self._refuse()

    clear = pop = popitem = setdefault = update = __ior__ = _refuse


class RequirementsDict(dict):  # type: ignore[type-arg]  # as the server's document
    """The recorded packages of a task by installer; None where there are none."""

    @property
    def pip(self) -> Any:
        return self.get("pip")

    @property
    def conda(self) -> Any:
        return self.get("conda")

    @property
    def orig_pip(self) -> Any:
        return self.get("orig_pip")


class NestedBlobsDict(dict):  # type: ignore[type-arg]  # keys and values are the user's
    """Nested dictionaries read by dotted names: `d["a.b"]`; "" names the whole."""

    def __getitem__(self, keys_str: str = "") -> Any:
        node: Any = self
        for part in keys_str.split(".") if keys_str else ():
            node = dict.__getitem__(node, part) if isinstance(node, dict) else _missing(keys_str)
        return node

    def __contains__(self, keys_str: object) -> bool:
        try:
            self[str(keys_str)]
        except KeyError:
            return False
        return True

    def get(self, keys_str: str, default: Any = None) -> Any:
        try:
            return self[keys_str]
        except KeyError:
            return default

    def keys(self) -> Any:
        """The dotted names of all values."""
        return list(_leaves(self))

    def as_dict(self) -> dict[str, Any]:
        """A copy as plain dictionaries."""
        return _plain(self)  # type: ignore[no-any-return]  # of a dictionary it is one


def _missing(name: str) -> Never:
    raise KeyError(name)


def _leaves(tree: dict[str, Any], prefix: str = "") -> Any:
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _plain(value: Any) -> Any:
    return {name: _plain(item) for name, item in value.items()} if isinstance(value, dict) else value


class Logs:
    """A dictionary of values that is kept and found again by `get_instances`."""

    _instances: ClassVar[list[Logs]] = []

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        self._data = dict(data or {})
        self._instances.append(self)

    @property
    def data(self) -> dict[str, Any]:
        return self._data

    def reset(self) -> None:
        """Forget the values."""
        self._data = {}

    @classmethod
    def get_instances(cls) -> list[Logs]:
        """All that were made, in order."""
        return cls._instances
