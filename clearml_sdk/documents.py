"""A server's document with its fields as attributes, as `task.data.script.branch`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Document:
    """Read-only view: `document.a.b`, `document["a"]`; a field that is not set is None."""

    __slots__ = ("_fields",)

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return wrap(self._fields.get(name))

    def __getitem__(self, name: str) -> Any:
        return wrap(self._fields[name])

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def get(self, name: str, default: Any = None) -> Any:
        return wrap(self._fields.get(name, default))

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary."""
        return self._fields

    def __repr__(self) -> str:
        return f"Document({self._fields!r})"


def wrap(value: Any) -> Any:
    """Dictionaries as documents, also those in lists; anything else as it is."""
    if isinstance(value, dict):
        return Document(value)
    return [wrap(item) for item in value] if isinstance(value, list) else value
