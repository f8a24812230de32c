"""A server's document with its fields as attributes, as `task.data.script.branch`."""

from __future__ import annotations

import datetime
from collections.abc import ItemsView, ValuesView

from clearml_sdk.task_types import TaskStatusEnum, TaskTypeEnum

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

_NAMED = {"status": TaskStatusEnum, "type": TaskTypeEnum}
_CONVERTED = TIMES | _NAMED.keys()


class Document(dict):  # type: ignore[type-arg]  # the server's fields
    """A dictionary whose keys are attributes too, and those of dictionaries below it, also in lists: `document.a.b`.

    A field that is not set is None as an attribute. Times are `datetime`, states and kinds of tasks members of
    `TaskStatusEnum` and `TaskTypeEnum`, which are texts too.
    """

    __slots__ = ()

    def __init__(self, fields: Any = (), **more: Any) -> None:
        super().__init__(fields, **more)
        for name in _CONVERTED.intersection(self):
            dict.__setitem__(self, name, wrap(dict.__getitem__(self, name), name))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") and name not in self:
            raise AttributeError(f"{type(self).__name__} has no {name}")
        return wrap(dict.get(self, name), name)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __getitem__(self, name: str) -> Any:
        return wrap(dict.__getitem__(self, name), name)

    def __iter__(self) -> Iterator[str]:  # of its own, so that `dict(document)` asks for the values here
        return dict.__iter__(self)

    def get(self, name: str, default: Any = None) -> Any:
        return wrap(dict.get(self, name, default), name)

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]  # a view all the same
        return ItemsView(self)

    def values(self) -> ValuesView[Any]:  # type: ignore[override]  # a view all the same
        return ValuesView(self)

    def copy(self) -> Document:
        return type(self)(self)

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionaries, a copy."""
        return {name: plain(value, name) for name, value in dict.items(self)}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict.__repr__(self)})"


def wrap(value: Any, name: str = "") -> Any:
    """Dictionaries as documents, also those in lists, times and states as what they are; anything else as it is."""
    if isinstance(value, dict):
        return value if isinstance(value, Document) else Document(value)
    if isinstance(value, list):
        return [wrap(item) for item in value]
    if name in TIMES:
        return time_of(value)
    kind = _NAMED.get(name)
    return kind(value) if kind is not None and value in kind.__members__ else value


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
