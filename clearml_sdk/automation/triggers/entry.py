"""Entries of a `TriggerScheduler`: which models, datasets or tasks they are about, and what these have to become."""

from __future__ import annotations

from datetime import UTC, datetime

from clearml_sdk import reading
from clearml_sdk.automation.schedules.entry import BaseScheduleJob, ExecutedJob
from clearml_sdk.automation.schedules.times import utc
from clearml_sdk.task_types import TaskStatusEnum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar

ABOVE, BELOW = ("max", "maximum", "above"), ("min", "minimum", "below")


class BaseTrigger(BaseScheduleJob):
    """Launched when an object becomes what the trigger says."""

    FIELDS: ClassVar[tuple[str, ...]] = (
        *BaseScheduleJob.FIELDS,
        *("project", "match_name", "tags", "required_tags", "add_tag", "last_update", "_triggered_instances"),
    )
    TIMES = ("last_update",)
    KEY: ClassVar[str | None] = None
    REFERENCE: ClassVar[str] = ""
    """`${REFERENCE.id}` in parameters is the object's id."""
    ENDPOINT: ClassVar[tuple[str, str]] = ("", "")
    """The call that lists such objects, and their name in its answer."""
    OBJECT_FIELDS: ClassVar[tuple[str, ...]] = ("id", "name", "tags", "system_tags", "last_update", "last_change")

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
        project: str | None = None,
        match_name: str | None = None,
        tags: list[str] | None = None,
        required_tags: list[str] | None = None,
        add_tag: str | None = None,
        last_update: str | None = None,
        triggered_instances: dict[str, Any] | None = None,
    ) -> None:
        """See `TriggerScheduler`. project: id; last_update: what changed until then has been seen.

        triggered_instances: object -> when it became what triggers, for those that still are it.
        """
        super().__init__(
            name=name,
            base_task_id=base_task_id,
            base_function=base_function,
            queue=queue,
            target_project=target_project,
            single_instance=single_instance,
            task_parameters=task_parameters,
            task_overrides=task_overrides,
            clone_task=clone_task,
            executed_instances=executed_instances,
        )
        self.project, self.match_name = project, match_name
        self.tags, self.required_tags = tags or None, required_tags or None
        self.add_tag, self.last_update = add_tag, utc(last_update)
        self._triggered_instances = triggered_instances

    def build_query(self, ref_time: datetime, client: Any = None) -> dict[str, Any]:
        """The conditions of the list call for objects that are what triggers, and changed after `ref_time`."""
        query: dict[str, Any] = {
            "name": self.match_name or None,
            "project": [self.project] if self.project else None,
            "tags": ["__$all", *self.required_tags] if self.required_tags else self.tags,
            "last_update": f">{ref_time.replace(tzinfo=None).isoformat() if ref_time.tzinfo else ref_time.isoformat()}",
        }
        return query

    def get_key(self) -> str | None:
        """The configuration object that such triggers are in."""
        return self.KEY

    def get_ref_time(self, obj: Any) -> datetime:
        """When an object last changed."""
        value = obj.get("last_change") if isinstance(obj, dict) else getattr(obj, "last_change", None)
        value = value or (obj.get("last_update") if isinstance(obj, dict) else getattr(obj, "last_update", None))
        return utc(value) or datetime.now(UTC)

    def became_at(self, obj: dict[str, Any]) -> datetime | None:
        """When the object last became what triggers: a later time is another event. None: once, as long as it is it."""
        return None

    @property
    def is_dated(self) -> bool:
        """Whether it is known when objects became what triggers."""
        return False

    def is_wanted(self, obj: dict[str, Any]) -> bool:
        """Whether an object that the query found is what triggers, as far as the query cannot say it."""
        return not (self.tags and self.required_tags) or bool(set(self.tags) & set(obj.get("tags") or []))

    def verify(self) -> None:
        """Raise ValueError saying what is missing or wrong."""
        super().verify()
        for field in ("tags", "required_tags"):
            value = getattr(self, field)
            if value is not None and (isinstance(value, str) or not all(isinstance(tag, str) for tag in value)):
                raise ValueError(f"{self.name}: {field} is a list of texts, not {value!r}")


class _Published(BaseTrigger):
    """What models and datasets share."""

    FIELDS = (*BaseTrigger.FIELDS, "on_publish", "on_archive")

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
        project: str | None = None,
        match_name: str | None = None,
        tags: list[str] | None = None,
        required_tags: list[str] | None = None,
        add_tag: str | None = None,
        last_update: str | None = None,
        triggered_instances: dict[str, Any] | None = None,
        on_publish: bool | None = None,
        on_archive: bool | None = None,
    ) -> None:
        super().__init__(
            name=name,
            base_task_id=base_task_id,
            base_function=base_function,
            queue=queue,
            target_project=target_project,
            single_instance=single_instance,
            task_parameters=task_parameters,
            task_overrides=task_overrides,
            clone_task=clone_task,
            executed_instances=executed_instances,
            project=project,
            match_name=match_name,
            tags=tags,
            required_tags=required_tags,
            add_tag=add_tag,
            last_update=last_update,
            triggered_instances=triggered_instances,
        )
        self.on_publish, self.on_archive = on_publish, on_archive


class ModelTrigger(_Published):
    """Triggers on models."""

    KEY, REFERENCE, ENDPOINT = "models", "model", ("models.get_all", "models")

    def build_query(self, ref_time: datetime, client: Any = None) -> dict[str, Any]:
        """See `BaseTrigger.build_query`."""
        query = super().build_query(ref_time, client)
        if self.on_publish:
            query["ready"] = True
        if self.on_archive:
            query["system_tags"] = ["archived"]
        return query


class DatasetTrigger(_Published):
    """Triggers on versions of datasets."""

    KEY, REFERENCE, ENDPOINT = "datasets", "dataset", ("tasks.get_all", "tasks")

    def build_query(self, ref_time: datetime, client: Any = None) -> dict[str, Any]:
        """See `BaseTrigger.build_query`."""
        query = super().build_query(ref_time, client)
        query["type"] = ["data_processing"]
        query["system_tags"] = ["__$all", "dataset", *(["archived"] if self.on_archive else [])]
        if self.on_publish:
            query["status"] = ["published"]
        return query


class TaskTrigger(BaseTrigger):
    """Triggers on tasks."""

    FIELDS = (*BaseTrigger.FIELDS, "metrics", "variant", "threshold", "value_sign", "exclude_dev", "on_status")
    KEY, REFERENCE, ENDPOINT = "tasks", "task", ("tasks.get_all", "tasks")
    OBJECT_FIELDS = (*BaseTrigger.OBJECT_FIELDS, "status", "status_changed", "started", "created")

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
        project: str | None = None,
        match_name: str | None = None,
        tags: list[str] | None = None,
        required_tags: list[str] | None = None,
        add_tag: str | None = None,
        last_update: str | None = None,
        triggered_instances: dict[str, Any] | None = None,
        metrics: str | None = None,
        variant: str | None = None,
        threshold: float | None = None,
        value_sign: str | None = None,
        exclude_dev: bool | None = None,
        on_status: list[str] | None = None,
    ) -> None:
        super().__init__(
            name=name,
            base_task_id=base_task_id,
            base_function=base_function,
            queue=queue,
            target_project=target_project,
            single_instance=single_instance,
            task_parameters=task_parameters,
            task_overrides=task_overrides,
            clone_task=clone_task,
            executed_instances=executed_instances,
            project=project,
            match_name=match_name,
            tags=tags,
            required_tags=required_tags,
            add_tag=add_tag,
            last_update=last_update,
            triggered_instances=triggered_instances,
        )
        self.metrics, self.variant, self.threshold = metrics, variant, threshold
        self.value_sign, self.exclude_dev, self.on_status = value_sign, exclude_dev, on_status

    def build_query(self, ref_time: datetime, client: Any = None) -> dict[str, Any]:
        """See `BaseTrigger.build_query`."""
        query = super().build_query(ref_time, client)
        if self.exclude_dev:
            query["system_tags"] = ["-development"]
        if self.on_status:
            query["status"] = list(self.on_status)
        if self.metrics and self.variant:
            title, series = reading.metric_path(self.metrics, self.variant)
            is_below = str(self.value_sign).lower() in BELOW
            limits = [None, self.threshold] if is_below else [self.threshold, None]
            query[f"last_metrics.{title}.{series}.{'min_value' if is_below else 'max_value'}"] = limits
        return query

    @property
    def is_dated(self) -> bool:
        """Whether it is known when tasks became what triggers."""
        return bool(self.on_status)

    def became_at(self, obj: dict[str, Any]) -> datetime | None:
        """A status begins again whenever it is set, a metric with each run."""
        if self.on_status:
            return utc(obj.get("status_changed"))
        return utc(obj.get("started") or obj.get("created")) if self.metrics else None

    def verify(self) -> None:
        """Raise ValueError saying what is missing or wrong."""
        super().verify()
        if self.metrics or self.variant or self.threshold is not None or self.value_sign:
            if not (self.metrics and self.variant and self.threshold is not None):
                raise ValueError(f"{self.name}: a metric to trigger on has a title, a variant and a threshold")
            if str(self.value_sign or "max").lower() not in (*ABOVE, *BELOW):
                raise ValueError(f'{self.name}: trigger_on_sign is "max" or "min", not {self.value_sign!r}')
        if isinstance(self.on_status, str):
            raise ValueError(f"{self.name}: trigger_on_status is a list, such as [{self.on_status!r}]")
        known = [status.value for status in TaskStatusEnum]
        if wrong := [status for status in self.on_status or [] if status not in known]:
            raise ValueError(f"{self.name}: no task has the status {', '.join(wrong)}; there are {', '.join(known)}")


class ExecutedTrigger(ExecutedJob):
    """One launch by a trigger."""

    FIELDS = (*ExecutedJob.FIELDS, "trigger")

    def __init__(
        self,
        name: str | None = None,
        started: datetime | str | None = None,
        finished: datetime | str | None = None,
        task_id: str | None = None,
        thread_id: str | None = None,
        trigger: str | None = None,
    ) -> None:
        super().__init__(name, started, finished, task_id, thread_id)
        self.trigger = trigger
