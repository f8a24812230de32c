"""What an optimization seeks: the least or the greatest of a scalar, or of several at once."""

from __future__ import annotations

from clearml_sdk import reading
from clearml_sdk.automation.jobs.base import BaseJob
from clearml_sdk.errors import UsageError
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session
from clearml_sdk.task import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

ORDERS = ("min", "max")


class Objective:
    """One scalar."""

    def __init__(self, title: str, series: str, order: str = "max", extremum: bool = False) -> None:
        """order: "max" or "min". extremum: of all values that a task reported, not of the last."""
        if order not in ORDERS:
            raise UsageError(f'an objective is "min" or "max", not {order!r}')
        self.title, self.series, self.order, self.extremum = title, series, order, extremum
        self.sign = 1.0 if order == "max" else -1.0

    def get_objective(self, task_id: str | Task | BaseJob) -> float | None:
        """The value that a task has; None before it reports one."""
        return self.value_of(_record(task_id).read_fields(self.field()))

    def get_normalized_objective(self, task_id: str | Task | BaseJob) -> float | None:
        """The value, so that more is better; None before there is one."""
        found = self.get_objective(task_id)
        return None if found is None else self.sign * found

    def get_current_raw_objective(self, task: BaseJob | Task) -> tuple[int, float] | None:
        """(iteration, value) that was reported last; None before."""
        found = reading.scalars(_record(task), max_samples=reading.MAX_SAMPLES, x_axis="iter")
        points = (found.get(self.title) or {}).get(self.series) or {}
        return (int(points["x"][-1]), float(points["y"][-1])) if points.get("x") else None

    def get_objective_sign(self) -> float:
        """1 where more is better, -1 where less is."""
        return self.sign

    def get_objective_metric(self) -> tuple[str, str]:
        """(title, series)."""
        return self.title, self.series

    def get_top_tasks(
        self, top_k: int, optimizer_task_id: str | None = None, task_filter: dict[str, Any] | None = None
    ) -> Sequence[Task]:
        """The best tasks, of an optimizer or of all that match, the best first."""
        minus = "-" if self.order == "max" else ""
        body: dict[str, Any] = {
            "page": 0,
            "page_size": int(top_k),
            "order_by": [f"{minus}{self.field()}.{self.key}"],
            "search_hidden": True,
            **(task_filter or {}),
        }
        if optimizer_task_id:
            body["parent"] = optimizer_task_id
        session = Session.default()
        found = session.call("tasks.get_all", body).get("tasks") or []
        return [
            Task._from_record(TaskRecord(session, str(task["id"]), task))
            for task in found
            if self.value_of(task) is not None
        ]

    # For reading many tasks at once.

    @property
    def key(self) -> str:
        """Which of the values that a server keeps of a scalar counts."""
        return "value" if not self.extremum else "max_value" if self.order == "max" else "min_value"

    def field(self) -> str:
        """Path of the scalar in a task's document."""
        return ".".join(("last_metrics", *reading.metric_path(self.title, self.series)))

    def value_of(self, task: Mapping[str, Any]) -> float | None:
        """The value in a task's document. Pure."""
        node: Any = task
        for part in [*self.field().split("."), self.key]:
            node = node.get(part) if isinstance(node, dict) else None
        return float(node) if isinstance(node, int | float) else None


class MultiObjective:
    """Several scalars: the best tasks are those that no other one beats in all of them."""

    def __init__(
        self,
        title: str | Sequence[str],
        series: str | Sequence[str],
        order: str | Sequence[str],
        extremum: bool | Sequence[bool],
    ) -> None:
        """Lists of the same length, or one value each."""
        titles, names = _list(title), _list(series)
        orders, extrema = _list(order), _list(extremum)
        if not len(titles) == len(names) == len(orders) == len(extrema):
            raise UsageError("several objectives need as many titles, series and signs")
        self.objectives = [Objective(*one) for one in zip(titles, names, orders, extrema, strict=True)]

    def get_objective(self, task_id: str | Task | BaseJob) -> list[float] | None:
        """The values that a task has; None while one is missing."""
        fields = _record(task_id).read_fields(*[one.field() for one in self.objectives])
        return self.values_of(fields)

    def get_normalized_objective(self, task_id: str | Task | BaseJob) -> list[float] | None:
        """The values, so that more is better; None while one is missing."""
        found = self.get_objective(task_id)
        return None if found is None else [one.sign * value for one, value in zip(self.objectives, found, strict=True)]

    def get_current_raw_objective(self, task: BaseJob | Task) -> list[tuple[int, float]] | None:
        """(iteration, value) of each that was reported last; None while one is missing."""
        found = [one.get_current_raw_objective(task) for one in self.objectives]
        complete = [one for one in found if one is not None]
        return complete if len(complete) == len(found) else None

    def get_objective_sign(self) -> list[float]:
        """Of each 1 where more is better, -1 where less is."""
        return [one.sign for one in self.objectives]

    def get_objective_metric(self) -> list[tuple[str, str]]:
        """(title, series) of each."""
        return [one.get_objective_metric() for one in self.objectives]

    def values_of(self, task: Mapping[str, Any]) -> list[float] | None:
        """The values in a task's document. Pure."""
        found = [one.value_of(task) for one in self.objectives]
        complete = [one for one in found if one is not None]
        return complete if len(complete) == len(found) else None

    def get_top_tasks(
        self, top_k: int, optimizer_task_id: str | None = None, task_filter: dict[str, Any] | None = None
    ) -> Sequence[Task]:
        """The best tasks: those that none beats in all objectives, then those that only these beat, and so on."""
        session = Session.default()
        body: dict[str, Any] = {"page": 0, "page_size": 500, "search_hidden": True, **(task_filter or {})}
        if optimizer_task_id:
            body["parent"] = optimizer_task_id
        tasks = session.call("tasks.get_all", body).get("tasks") or []
        scored = [(self.values_of(task), task) for task in tasks]
        signs = self.get_objective_sign()
        waiting = [([s * v for s, v in zip(signs, values, strict=True)], task) for values, task in scored if values]
        chosen: list[dict[str, Any]] = []
        while waiting and len(chosen) < top_k:
            front = [one for one in waiting if not any(beats(other[0], one[0]) for other in waiting)]
            chosen += [task for _, task in front]
            waiting = [one for one in waiting if one not in front]
        return [Task._from_record(TaskRecord(session, str(task["id"]), task)) for task in chosen[:top_k]]


def beats(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether `first` is nowhere worse and somewhere better; more is better. Pure."""
    pairs = list(zip(first, second, strict=True))
    return all(one >= other for one, other in pairs) and any(one > other for one, other in pairs)


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _record(task: str | Task | BaseJob) -> TaskRecord:
    if isinstance(task, str):
        return TaskRecord(Session.default(), task)
    if isinstance(task, BaseJob):
        return task._of()
    return task._record
