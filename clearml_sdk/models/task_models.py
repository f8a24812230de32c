"""The models of a task: `task.models.output[-1]`, `task.models["input"]["name"]`."""

from __future__ import annotations

from clearml_sdk.record import TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from clearml_sdk.model import Model


class ModelList:
    """Models in the order they were registered, by position or by name."""

    def __init__(self, named: list[tuple[str, str]], make: Callable[[str], Model]) -> None:
        self._names = [name for name, _ in named]
        self._models = [make(model_id) for _, model_id in named]

    def __getitem__(self, key: int | slice | str) -> Any:
        if not isinstance(key, str):
            return self._models[key]
        if key not in self._names:
            raise KeyError(key)
        return self._models[len(self._names) - 1 - self._names[::-1].index(key)]

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self._names else default

    def keys(self) -> list[str]:
        return list(self._names)

    def values(self) -> list[Model]:
        return list(self._models)

    def items(self) -> list[tuple[str, Model]]:
        return list(zip(self._names, self._models, strict=True))

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def __contains__(self, key: object) -> bool:
        return key in self._names or key in self._models

    def __repr__(self) -> str:
        return repr(self._models)


class TaskModels(dict[str, ModelList]):
    """`{"input": ..., "output": ...}`, also as attributes."""

    @property
    def input(self) -> ModelList:
        return self["input"]

    @property
    def output(self) -> ModelList:
        return self["output"]


def list_task_models(record: TaskRecord, make: Callable[[str], Model]) -> TaskModels:
    """The models that a task lists now."""
    listed = record.read_fields("models").get("models") or {}
    return TaskModels(
        {
            kind: ModelList(
                [(str(entry.get("name", "")), str(entry["model"])) for entry in listed.get(kind) or []], make
            )
            for kind in ("input", "output")
        }
    )
