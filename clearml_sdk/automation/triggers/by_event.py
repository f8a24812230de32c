"""`TriggerScheduler`: launches tasks and calls functions when models, datasets and tasks become something."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from clearml_sdk.automation.schedules.service import SHOWN, BaseScheduler, task_id
from clearml_sdk.automation.triggers import events
from clearml_sdk.automation.triggers.entry import (
    BaseTrigger,
    DatasetTrigger,
    ExecutedTrigger,
    ModelTrigger,
    TaskTrigger,
)
from clearml_sdk.automation.triggers.tables import KINDS, tables
from clearml_sdk.errors import ClearmlError
from clearml_sdk.notices import say
from clearml_sdk.projects import find_project
from clearml_sdk.status_watch import changed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from clearml_sdk.task import Task

WATCH_S = 3.0
WATCHED = 500
"""The statuses of so many tasks are watched, so that triggers on them need no polling."""


class TriggerScheduler(BaseScheduler):
    """Launches tasks when something happens.

    The triggers are the configuration objects `models`, `datasets` and `tasks` of the scheduler's task, and can be
    edited there while it runs. Each event triggers once, also over restarts.
    """

    NAME = "Trigger Scheduler"

    def __init__(
        self,
        pooling_frequency_minutes: float = 3.0,
        sync_frequency_minutes: float = 15,
        force_create_task_name: str | None = None,
        force_create_task_project: str | None = None,
    ) -> None:
        """See `BaseScheduler`. pooling_frequency_minutes: how often is looked for events; a change of status wakes."""
        super().__init__(
            sync_frequency_minutes, force_create_task_name, force_create_task_project, pooling_frequency_minutes
        )
        self._triggers: list[BaseTrigger] = []
        self._memories: dict[str, events.Memory] = {}

    def add_model_trigger(
        self,
        schedule_task_id: str | Task | None = None,
        schedule_queue: str | None = None,
        schedule_function: Callable[[str], Any] | None = None,
        trigger_project: str | None = None,
        trigger_name: str | None = None,
        trigger_on_publish: bool | None = None,
        trigger_on_tags: list[str] | None = None,
        trigger_on_archive: bool | None = None,
        trigger_required_tags: list[str] | None = None,
        name: str | None = None,
        target_project: str | None = None,
        add_tag: bool | str = True,
        single_instance: bool = False,
        reuse_task: bool = False,
        task_parameters: dict[str, Any] | None = None,
        task_overrides: dict[str, Any] | None = None,
    ) -> None:
        """Launch a copy of a task, or call a function with the model's id, when a model becomes what is said here.

        Args:
            schedule_queue: of the copies, name or id.
            trigger_project: only models of this project; its name or id.
            trigger_name: only models whose name matches this expression.
            trigger_on_publish, trigger_on_archive: when it is published, archived.
            trigger_on_tags: when it has one of these tags. trigger_required_tags: and all of these.
            name: of the trigger; None: the task's id or the function's name.
            add_tag: a tag of the copies; True: the trigger's name.
            single_instance: ignore events while the last copy runs.
            reuse_task: run the task itself, reset, instead of copies.
            task_parameters, task_overrides: see `TaskScheduler.add_task`; `${model.id}` in values is the model's id.

        Raises ValueError for what is not possible.
        """
        common = self._common(
            schedule_task_id, schedule_function, schedule_queue, name, target_project, single_instance, reuse_task
        )
        self._add(
            ModelTrigger(
                **common,
                **_changes(task_parameters, task_overrides),
                project=self._project(trigger_project),
                match_name=trigger_name,
                tags=trigger_on_tags,
                required_tags=trigger_required_tags,
                add_tag=_tag(add_tag, common["name"]),
                on_publish=trigger_on_publish,
                on_archive=trigger_on_archive,
            )
        )

    def add_dataset_trigger(
        self,
        schedule_task_id: str | Task | None = None,
        schedule_queue: str | None = None,
        schedule_function: Callable[[str], Any] | None = None,
        trigger_project: str | None = None,
        trigger_name: str | None = None,
        trigger_on_publish: bool | None = None,
        trigger_on_tags: list[str] | None = None,
        trigger_on_archive: bool | None = None,
        trigger_required_tags: list[str] | None = None,
        name: str | None = None,
        target_project: str | None = None,
        add_tag: bool | str = True,
        single_instance: bool = False,
        reuse_task: bool = False,
        task_parameters: dict[str, Any] | None = None,
        task_overrides: dict[str, Any] | None = None,
    ) -> None:
        """As `add_model_trigger`, about versions of datasets; `${dataset.id}` in values is the version's id."""
        common = self._common(
            schedule_task_id, schedule_function, schedule_queue, name, target_project, single_instance, reuse_task
        )
        self._add(
            DatasetTrigger(
                **common,
                **_changes(task_parameters, task_overrides),
                project=self._project(trigger_project),
                match_name=trigger_name,
                tags=trigger_on_tags,
                required_tags=trigger_required_tags,
                add_tag=_tag(add_tag, common["name"]),
                on_publish=trigger_on_publish,
                on_archive=trigger_on_archive,
            )
        )

    def add_task_trigger(
        self,
        schedule_task_id: str | Task | None = None,
        schedule_queue: str | None = None,
        schedule_function: Callable[[str], Any] | None = None,
        trigger_project: str | None = None,
        trigger_name: str | None = None,
        trigger_on_tags: list[str] | None = None,
        trigger_on_status: list[str] | None = None,
        trigger_exclude_dev_tasks: bool | None = None,
        trigger_on_metric: str | None = None,
        trigger_on_variant: str | None = None,
        trigger_on_threshold: float | None = None,
        trigger_on_sign: str | None = None,
        trigger_required_tags: list[str] | None = None,
        name: str | None = None,
        target_project: str | None = None,
        add_tag: bool | str = True,
        single_instance: bool = False,
        reuse_task: bool = False,
        task_parameters: dict[str, Any] | None = None,
        task_overrides: dict[str, Any] | None = None,
    ) -> None:
        """As `add_model_trigger`, about tasks; `${task.id}` in values is the task's id.

        Args:
            trigger_on_status: when its status becomes one of these, such as `["failed"]`.
            trigger_exclude_dev_tasks: not of tasks that a person runs.
            trigger_on_metric, trigger_on_variant, trigger_on_threshold, trigger_on_sign: when a scalar was above
                (`"max"`) or below (`"min"`) the threshold; once a run of the task.
        """
        common = self._common(
            schedule_task_id, schedule_function, schedule_queue, name, target_project, single_instance, reuse_task
        )
        self._add(
            TaskTrigger(
                **common,
                **_changes(task_parameters, task_overrides),
                project=self._project(trigger_project),
                match_name=trigger_name,
                tags=trigger_on_tags,
                required_tags=trigger_required_tags,
                add_tag=_tag(add_tag, common["name"]),
                metrics=trigger_on_metric,
                variant=trigger_on_variant,
                threshold=trigger_on_threshold,
                value_sign=trigger_on_sign,
                exclude_dev=trigger_exclude_dev_tasks,
                on_status=_statuses(trigger_on_status),
            )
        )

    def get_triggers(self) -> list[BaseTrigger]:
        """The triggers."""
        with self._lock:
            return [trigger for kind, _, _ in KINDS for trigger in self._of(kind)]

    def start(self) -> None:
        """Look for events, here, until the task is stopped."""
        super().start()

    def _common(
        self,
        task: str | Task | None,
        function: Callable[..., Any] | None,
        queue: str | None,
        name: str | None,
        target_project: str | None,
        single_instance: bool,
        reuse_task: bool,
    ) -> dict[str, Any]:
        base = task_id(task) if task else None
        return {
            "name": name or base or getattr(function, "__name__", None),
            "base_task_id": base,
            "base_function": function,
            "queue": queue,
            "target_project": target_project,
            "single_instance": bool(single_instance),
            "clone_task": not reuse_task,
        }

    def _project(self, project: str | None) -> str | None:
        """The id of a project named by its name; what is none yet stays a name."""
        found = find_project(self._task._record.session, project) if project else None
        return str(found["id"]) if found else project

    def _add(self, trigger: BaseTrigger) -> None:
        with self._lock:
            trigger.verify()
            if any(known.name == trigger.name and type(known) is type(trigger) for known in self._triggers):
                raise ValueError(f"there is a trigger {trigger.name!r} already")
            self._triggers.append(trigger)
            self._woken.set()

    def _of(self, kind: type[BaseTrigger]) -> list[BaseTrigger]:
        return [trigger for trigger in self._triggers if type(trigger) is kind]

    # As the base has it.

    def _resume(self) -> None:
        state = self._kept.load()
        self._take_edited()
        begin: datetime | None = None
        for kind, _, key in KINDS:
            stored = {str(values.get("name")): values for values in state.get(key) or []}
            for trigger in self._of(kind):
                values = stored.get(str(trigger.name), {})
                kept = ("last_update", "_triggered_instances", "_executed_instances")
                trigger.update({key: values[key] for key in kept if key in values})
                if trigger.last_update is None:
                    begin = begin or events.now_on_server(self._task._record.session, self._task.id)
                    trigger.last_update = begin
        self._memories = {name: events.Memory(stored) for name, stored in (state.get("memories") or {}).items()}
        self._executed = [ExecutedTrigger(**values) for values in state.get("executed_triggers") or []]
        self._write_entries()
        self._save()

    def _sync(self) -> None:
        if self._take_edited():
            self._save()

    def _take_edited(self) -> bool:
        """Make the triggers what somebody has made of them; one that is not possible stays as it was."""
        is_edited = False
        for kind, name, _ in KINDS:
            edited = self._kept.edited(str(kind.KEY))
            if edited is None:
                continue
            is_edited = True
            before = {str(trigger.name): trigger for trigger in self._of(kind)}
            after = []
            for values in edited:
                old = before.get(str(values.get("name")))
                last_update = (
                    old.last_update if old else events.now_on_server(self._task._record.session, self._task.id)
                )
                trigger = kind().update(old or {}).update({**values, "last_update": last_update})
                try:
                    trigger.verify()
                except ValueError as error:
                    say(f"the {name.lower()} trigger in the configuration object {kind.KEY} is not possible: {error}")
                    if old is None:
                        continue
                    trigger = old
                after.append(trigger)
            self._triggers = [trigger for trigger in self._triggers if type(trigger) is not kind] + after
        return is_edited

    def _step(self) -> None:
        session = self._task._record.session
        for trigger in list(self._triggers):
            if trigger.last_update is None:
                trigger.last_update = events.now_on_server(session, self._task.id)
            memory = self._memories.setdefault(f"{trigger.KEY}/{trigger.name}", events.Memory())
            before = trigger._triggered_instances
            found = events.new_events(session, trigger, memory)
            for event in found:
                self._fire(event)
            if trigger._triggered_instances != before:
                self._save()

    def _fire(self, event: events.Event) -> None:
        trigger, now = event.trigger, datetime.now(UTC)
        executed = ExecutedTrigger(str(trigger.name), started=now, trigger=type(trigger).__name__)
        if trigger.base_function is not None:
            is_busy = trigger.single_instance and self._functions_running(trigger)
            events.told(event)
            if not is_busy:
                self._call(trigger, executed, (str(event.object["id"]),))
            return
        if trigger.single_instance and self._launcher.is_running(trigger.get_last_executed_task_id()):
            say(f"{trigger.name}: its last run goes on, {trigger.REFERENCE} {event.object['id']} is ignored")
            events.told(event)
            return
        filled = type(trigger)().update(trigger).update({"task_overrides": event.filled(trigger.task_overrides)})
        filled.name = f"{trigger.KEY}/{trigger.name}"
        tags = [trigger.add_tag] if trigger.add_tag else []
        task = self._launch_task(filled, event.occasion, event.filled(trigger.task_parameters), tags)
        events.told(event)
        if task is not None and task not in (trigger._executed_instances or []):
            trigger.run(task)
            executed.task_id = task
            self._executed = [*self._executed[-SHOWN:], executed]

    def _pause(self, seconds: float) -> None:
        """Wait so long; a change of status of a task that a trigger is about ends it.

        Which tasks these are is looked up every few seconds: one that was made and ended in between is found by the
        next look for events.
        """
        deadline = time.monotonic() + seconds
        while not self._woken.is_set() and (remaining_s := deadline - time.monotonic()) > 0:
            known = self._watched()
            try:
                if known and changed(self._task._record.session, known, min(remaining_s, WATCH_S)):
                    return
            except (ClearmlError, OSError):
                known = {}
            if not known:
                self._woken.wait(min(remaining_s, WATCH_S))
        self._woken.clear()

    def _watched(self) -> dict[str, str]:
        """Tasks whose next status a trigger may be about, and the status they have."""
        found: dict[str, str] = {}
        session = self._task._record.session
        with self._lock:
            triggers = list(self._triggers)
        for trigger in triggers:
            if not (isinstance(trigger, TaskTrigger) and trigger.on_status):
                continue
            try:
                for task in events.unfinished(session, trigger, WATCHED):
                    if str(task["id"]) != self._task.id:
                        found[str(task["id"])] = str(task["status"])
            except (ClearmlError, OSError):
                return {}  # the next look for events says what is wrong
        return dict(list(found.items())[:WATCHED])

    def _write_entries(self) -> None:
        for kind, name, _ in KINDS:
            entries = [_as_configured(trigger) for trigger in self._of(kind)]
            self._kept.write(str(kind.KEY), entries, f"{name} trigger configuration")

    def _save(self) -> None:
        state: dict[str, Any] = {key: [t.to_dict(full=True) for t in self._of(kind)] for kind, _, key in KINDS}
        state["memories"] = {name: memory.stored() for name, memory in self._memories.items()}
        state["executed_triggers"] = [executed.to_dict(full=True) for executed in self._executed[-SHOWN:]]
        self._kept.save(state)

    def _show(self) -> None:
        shown_now = tables(self.get_triggers(), self._executed[-SHOWN:], self._link)
        if (text := repr(shown_now)) != self._shown:
            for title, rows in shown_now:
                self._report(title, rows)
            self._kept.show()
            self._shown = text


def _as_configured(trigger: BaseTrigger) -> BaseTrigger:
    """Without what only the state says."""
    return type(trigger)().update(trigger).update({"last_update": None})


def _changes(parameters: dict[str, Any] | None, overrides: dict[str, Any] | None) -> dict[str, Any]:
    return {"task_parameters": parameters or {}, "task_overrides": overrides or {}}


def _tag(add_tag: bool | str, name: str | None) -> str | None:
    return name if add_tag is True else (str(add_tag) if add_tag else None)


def _statuses(statuses: Sequence[Any] | None) -> list[str] | None:
    if statuses is None or isinstance(statuses, str):
        return statuses  # type: ignore[return-value]  # verify refuses a text
    return [str(getattr(status, "value", status)) for status in statuses]
