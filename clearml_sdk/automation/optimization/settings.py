"""What an optimization was asked for, kept on its task: an agent's run of it takes it from there."""

from __future__ import annotations

from clearml_sdk import process_role
from clearml_sdk.automation.optimization.objective import MultiObjective, Objective
from clearml_sdk.automation.optimization.strategy import TAG, SearchStrategy
from clearml_sdk.automation.parameters import Parameter
from clearml_sdk.automation.pipeline.task_settings import Parameter as Setting
from clearml_sdk.automation.pipeline.task_settings import connect_parameters
from clearml_sdk.errors import UsageError
from clearml_sdk.parameters import GENERAL
from clearml_sdk.task import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SPACE = "parameter_optimization_space"
SIGNS = {"min": ("min", False), "max": ("max", False), "min_global": ("min", True), "max_global": ("max", True)}
"""Sign -> order, and whether of all values."""


def optimizer_task(wish: bool | Task, always: bool) -> Task | None:
    """The task of the optimizer: as given, the current one, or a new one where there must be one."""
    if isinstance(wish, Task):
        return wish
    task = Task.current_task()
    if task is None and always:
        task = Task.init(
            project_name="Hyper-Parameter Optimization",
            task_name="optimizer",
            task_type=Task.TaskTypes.optimizer,
        )
    if task is not None and wish and TAG not in task.get_tags():
        task._record.edit(tags=[*task.get_tags(), TAG])
    return task


def connect(
    task: Task, settings: dict[str, Any], more: dict[str, Any], search: SearchStrategy | type[SearchStrategy]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keep what is asked for on the task; in a remote run what the task has goes before."""
    name = search.__name__ if isinstance(search, type) else type(search).__name__
    wishes = {f"opt/{key}": value for key, value in settings.items()}
    simple = {key: value for key, value in more.items() if value is None or isinstance(value, bool | int | float | str)}
    wishes.update({f"opt/optimizer_kwargs/{key}": value for key, value in simple.items()})
    wishes["opt/optimizer_class"] = name
    found = connect_parameters(task, {key: Setting(value, None, None, GENERAL) for key, value in wishes.items()})
    chosen = {key: _plain(found[f"opt/{key}"]) for key in settings}
    chosen_more = {key: _plain(found[f"opt/optimizer_kwargs/{key}"]) for key in simple}
    return chosen, {**more, **chosen_more}


def _plain(value: Any) -> Any:
    """A parameter that began as None and was given a value elsewhere is a text: a number where it is one."""
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        try:
            return kind(value) if len(value) < 20 else value
        except ValueError:
            continue
    return value


def connect_space(task: Task, space: list[Parameter]) -> list[Parameter]:
    """Keep the ranges on the task; in a remote run those that it has go before."""
    if process_role.running_remotely():
        found = task.get_configuration_object_as_dict(GENERAL)
        stored = found.get(SPACE) if isinstance(found, dict) else None
        if stored:
            return [Parameter.from_dict(one) for one in stored]
    task.set_configuration_object(GENERAL, config_dict={SPACE: [dict(one.to_dict()) for one in space]})
    return space


def objective_of(settings: dict[str, Any]) -> Objective | MultiObjective:
    """What is sought. Raises UsageError for a sign that there is not."""
    title, series = settings["objective_metric_title"], settings["objective_metric_series"]
    sign = settings["objective_metric_sign"]
    many = [one for one in (title, series, sign) if isinstance(one, list | tuple)]
    signs = list(sign) if isinstance(sign, list | tuple) else [sign]
    wrong = [one for one in signs if one not in SIGNS]
    if wrong:
        raise UsageError(f"a sign is one of {', '.join(SIGNS)}, not {wrong[0]!r}")
    if not many:
        order, extremum = SIGNS[str(sign)]
        return Objective(str(title), str(series), order, extremum)
    titles = list(title) if isinstance(title, list | tuple) else [title]
    names = list(series) if isinstance(series, list | tuple) else [series]
    if len(titles) == len(names) == len(signs) == 1:
        return Objective(titles[0], names[0], *SIGNS[signs[0]])
    return MultiObjective(titles, names, [SIGNS[one][0] for one in signs], [SIGNS[one][1] for one in signs])
