"""What all entries of a scheduler are: what to launch, how, and as what the entry is stored."""

from __future__ import annotations

from datetime import UTC, datetime

from clearml_sdk.automation.schedules.times import utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, ClassVar, Self


class Stored:
    """An object whose attributes `FIELDS` are stored; two with the same values are equal.

    A name with `_` before it is the state of a run: only `to_dict(full=True)` has it.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ()
    TIMES: ClassVar[tuple[str, ...]] = ()
    """Those of the fields that are times."""

    def to_dict(self, full: bool = False) -> dict[str, Any]:
        """The fields by name, those of the run only with `full`. A function is left out: it cannot be stored."""
        found = {name: getattr(self, name) for name in self.FIELDS if full or not name.startswith("_")}
        return {name: value for name, value in found.items() if not callable(value)}

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.FIELDS)

    __hash__ = None  # type: ignore[assignment]  # its fields change

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.FIELDS)})"

    def _take(self, values: Mapping[str, Any]) -> None:
        for name in self.FIELDS:
            if name in values:
                setattr(self, name, utc(values[name]) if name in self.TIMES else values[name])


class BaseScheduleJob(Stored):
    """An entry: a task to launch in a queue, or a function to call."""

    FIELDS: ClassVar[tuple[str, ...]] = (
        "name",
        "base_task_id",
        "base_function",
        "queue",
        "target_project",
        "single_instance",
        "task_parameters",
        "task_overrides",
        "clone_task",
        "_executed_instances",
    )

    def __init__(
        self,
        name: str | None = None,
        base_task_id: str | None = None,
        base_function: Callable[..., Any] | None = None,
        queue: str | None = None,
        target_project: str | None = None,
        single_instance: bool = False,
        task_parameters: dict[str, Any] = {},  # noqa: B006  # the surface's default; it is never changed
        task_overrides: dict[str, Any] = {},  # noqa: B006  # as above
        clone_task: bool = True,
        executed_instances: list[str] | None = None,
    ) -> None:
        """See `TaskScheduler.add_task`. executed_instances: ids of tasks (or threads) launched, oldest first."""
        self.name, self.base_task_id, self.base_function = name, base_task_id, base_function
        self.queue, self.target_project, self.single_instance = queue, target_project, single_instance
        self.task_parameters, self.task_overrides = task_parameters or None, task_overrides or None
        self.clone_task, self._executed_instances = clone_task, executed_instances

    def update(self, a_job: dict[str, Any] | BaseScheduleJob) -> Self:
        """Take the values that another entry, or a stored one, has; what it does not have stays."""
        values = a_job if isinstance(a_job, dict) else {name: getattr(a_job, name) for name in a_job.FIELDS}
        self._take(values)
        return self

    def verify(self) -> None:
        """Raise ValueError saying what is missing or wrong."""
        if not self.name:
            raise ValueError("an entry of a scheduler has a name")
        if bool(self.base_task_id) == bool(self.base_function):
            raise ValueError(f"{self.name}: what is to run? Give either a task or a function")
        if self.base_function is not None and not callable(self.base_function):
            raise ValueError(f"{self.name}: {self.base_function!r} is not a function")
        if self.base_task_id and not self.queue:
            raise ValueError(f"{self.name}: in which queue is the task to run? Give queue")
        for field in ("task_parameters", "task_overrides"):
            if getattr(self, field) is not None and not isinstance(getattr(self, field), dict):
                raise ValueError(f"{self.name}: {field} is a dictionary")

    def run(self, task_id: str | None) -> Any:
        """Note that the entry was launched as this task (or thread)."""
        if task_id:
            self._executed_instances = [*(self._executed_instances or []), str(task_id)][-KEPT_INSTANCES:]

    def get_last_executed_task_id(self) -> str | None:
        """The task that was launched last; None before the first."""
        return self._executed_instances[-1] if self._executed_instances else None

    def get_resolved_target_project(self) -> str | None:
        """The project of launched tasks, `${...}` in its name replaced by the date and time; None: the base task's."""
        if not self.target_project or not self.base_task_id:
            return self.target_project or None
        now = datetime.now(UTC)
        values = {"${date}": f"{now:%Y-%m-%d}", "${time}": f"{now:%H:%M}"}
        found = self.target_project
        for name, value in values.items():
            found = found.replace(name, value)
        return found


KEPT_INSTANCES = 1000
"""So many launches of an entry are remembered by it; all are on the server."""


class ExecutedJob(Stored):
    """One launch."""

    FIELDS: ClassVar[tuple[str, ...]] = ("name", "started", "finished", "task_id", "thread_id")
    TIMES = ("started", "finished")

    def __init__(
        self,
        name: str | None = None,
        started: datetime | str | None = None,
        finished: datetime | str | None = None,
        task_id: str | None = None,
        thread_id: str | None = None,
    ) -> None:
        self.name, self.task_id, self.thread_id = name, task_id, thread_id
        self.started, self.finished = utc(started), utc(finished)
