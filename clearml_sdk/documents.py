"""A server's document with its fields as attributes, as `task.data.script.branch`."""

from __future__ import annotations

import datetime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_TIMES = """
    created started completed published last_update last_change last_used status_changed last_worker_report
    register_time last_activity_time last_report_time added updated
"""
TIMES = frozenset(_TIMES.split())
"""Fields that are times: texts in answers, `datetime` here."""


class Document:
    """Read-only view: `document.a.b`, `document["a"]`; a field that is not set is None, a time a `datetime`."""

    __slots__ = ("_fields",)

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return wrap(self._fields.get(name), name)

    def __getitem__(self, name: str) -> Any:
        return wrap(self._fields[name], name)

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def get(self, name: str, default: Any = None) -> Any:
        return wrap(self._fields.get(name, default), name)

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionaries, a copy."""
        return {name: plain(value, name) for name, value in self._fields.items()}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._fields!r})"


def wrap(value: Any, name: str = "") -> Any:
    """Dictionaries as documents, also those in lists, times as `datetime`; anything else as it is."""
    if isinstance(value, dict):
        return Document(value)
    if isinstance(value, list):
        return [wrap(item) for item in value]
    return time_of(value) if name in TIMES else value


def plain(value: Any, name: str = "") -> Any:
    """A copy of plain data, times as `datetime`."""
    if isinstance(value, dict):
        return {key: plain(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return time_of(value) if name in TIMES else value


def time_of(value: Any) -> Any:
    """The time that a text of an answer stands for; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return datetime.datetime.fromisoformat(value)
    except ValueError:
        return value
