"""`tasks.*`: hyperparameters and configuration texts, item by item."""

from typing import Any

from control_plane.schema.tasks import TasksRequest
from control_plane.schema.tasks_items import (
    ConfigurationNamesRequest,
    ConfigurationsRequest,
    DeleteConfigurationRequest,
    DeleteParamsRequest,
    EditConfigurationRequest,
    EditParamsRequest,
)
from control_plane.services import sections
from control_plane.services.context import Context
from control_plane.services.errors import wrong_status
from control_plane.services.registry import endpoint
from control_plane.services.status import Status
from control_plane.services.tasks_common import begin, changed, commit, load, load_all, require_editable

PROPERTIES = "properties"
"""The section that users may change in any status."""


def require_params_editable(task: dict[str, Any], touched: set[str], *, force: bool) -> None:
    """Refuse to change hyperparameters of a task that is neither a draft nor, with force, running: 400/110.

    The section `properties` is free in any status.
    """
    if touched <= {PROPERTIES}:
        return
    status = task.get("status")
    if status == Status.CREATED or (force and status == Status.IN_PROGRESS):
        return
    raise wrong_status(expected=Status.CREATED.value, status=status)


def _flat(item: Any) -> dict[str, Any]:
    fields = {name: getattr(item, name) for name in ("section", "name", "value", "type", "description")}
    return {name: value for name, value in fields.items() if value is not None}


@endpoint("tasks.get_hyper_params", TasksRequest, min_version="2.9")
async def get_hyper_params(ctx: Context, request: TasksRequest) -> dict[str, Any]:
    """Return the hyperparameters of some tasks as flat lists, by name."""
    tasks = await load_all(ctx, request.tasks, ["hyperparams"])
    return {"params": [{"task": task["id"], "hyperparams": flat_params(task)} for task in tasks]}


def flat_params(task: dict[str, Any]) -> list[dict[str, Any]]:
    """The hyperparameters of a task in the order of their sections, then of their names."""
    items = [item for section in (task.get("hyperparams") or {}).values() for item in section.values()]
    return sorted(items, key=lambda item: (str(item.get("section")), str(item.get("name"))))


@endpoint("tasks.edit_hyper_params", EditParamsRequest, min_version="2.9")
async def edit_hyper_params(ctx: Context, request: EditParamsRequest) -> dict[str, Any]:
    """Set hyperparameters; the others stay, or those of the sections named, or all, are replaced."""
    items: dict[tuple[str, str], dict[str, Any]] = {}
    for item in request.hyperparams:
        section = sections.section_name(item.section)
        items[section, item.name] = sections.param(section, item.name, _flat(item))
    touched = {section for section, _ in items}
    if request.replace_hyperparams == "all":
        # Everything is replaced but the properties, unless these are given anew.
        touched.add("")
    task = await load(ctx, request.task, ["status", "hyperparams"])
    require_params_editable(task, touched, force=request.force)
    transaction = begin(ctx, request.task)
    for section in sections_to_clear(request.replace_hyperparams, task, touched):
        transaction.unset("task", request.task, [("hyperparams", section)])
    paths: dict[tuple[str, ...], Any] = {("hyperparams", *key): item for key, item in items.items()}
    transaction.set("task", request.task, paths)
    transaction.set("task", request.task, changed(ctx))
    await commit(ctx, transaction)
    return {"updated": 1}


def sections_to_clear(replace: str, task: dict[str, Any], touched: set[str]) -> list[str]:
    """The sections that an edit empties first. Pure."""
    if replace == "none":
        return []
    stored = list(task.get("hyperparams") or {})
    if replace == "section":
        return [section for section in stored if section in touched]
    return [section for section in stored if section != PROPERTIES or section in touched]


@endpoint("tasks.delete_hyper_params", DeleteParamsRequest, min_version="2.9")
async def delete_hyper_params(ctx: Context, request: DeleteParamsRequest) -> dict[str, Any]:
    """Remove hyperparameters, or whole sections; those that are not there are no error."""
    keys = [(sections.section_name(key.section), key.name) for key in request.hyperparams]
    task = await load(ctx, request.task, ["status"])
    require_params_editable(task, {section for section, _ in keys}, force=request.force)
    transaction = begin(ctx, request.task)
    transaction.unset(
        "task",
        request.task,
        [("hyperparams", section) if name is None else ("hyperparams", section, name) for section, name in keys],
    )
    transaction.set("task", request.task, changed(ctx))
    await commit(ctx, transaction)
    return {"deleted": 1}


@endpoint("tasks.get_configurations", ConfigurationsRequest, min_version="2.9")
async def get_configurations(ctx: Context, request: ConfigurationsRequest) -> dict[str, Any]:
    """Return the configuration texts of some tasks, all or those named."""
    tasks = await load_all(ctx, request.tasks, ["configuration"])
    listed = []
    for task in tasks:
        stored = task.get("configuration") or {}
        items = [stored[name] for name in sorted(stored) if not request.names or name in request.names]
        listed.append({"task": task["id"], "configuration": items})
    return {"configurations": listed}


@endpoint("tasks.get_configuration_names", ConfigurationNamesRequest, min_version="2.9")
async def get_configuration_names(ctx: Context, request: ConfigurationNamesRequest) -> dict[str, Any]:
    """Return the names of the configuration texts of some tasks."""
    tasks = await load_all(ctx, request.tasks, ["configuration"])
    listed = []
    for task in tasks:
        stored = task.get("configuration") or {}
        names = sorted(name for name, item in stored.items() if item.get("value") or not request.skip_empty)
        listed.append({"task": task["id"], "names": names})
    return {"configurations": listed}


@endpoint("tasks.edit_configuration", EditConfigurationRequest, min_version="2.9")
async def edit_configuration(ctx: Context, request: EditConfigurationRequest) -> dict[str, Any]:
    """Set configuration texts; the others stay, or all are replaced."""
    task = await load(ctx, request.task, ["status"])
    require_editable(task, force=request.force and task.get("status") == Status.IN_PROGRESS)
    items: dict[str, Any] = {
        item.name: {
            name: getattr(item, name)
            for name in ("name", "value", "type", "description")
            if getattr(item, name) is not None
        }
        for item in request.configuration
    }
    transaction = begin(ctx, request.task)
    if request.replace_configuration:
        transaction.replace_part("task", request.task, "configuration", items)
    else:
        paths: dict[tuple[str, ...], Any] = {("configuration", name): item for name, item in items.items()}
        transaction.set("task", request.task, paths)
    transaction.set("task", request.task, changed(ctx))
    await commit(ctx, transaction)
    return {"updated": 1}


@endpoint("tasks.delete_configuration", DeleteConfigurationRequest, min_version="2.9")
async def delete_configuration(ctx: Context, request: DeleteConfigurationRequest) -> dict[str, Any]:
    """Remove configuration texts by name; those that are not there are no error."""
    task = await load(ctx, request.task, ["status"])
    require_editable(task, force=request.force and task.get("status") == Status.IN_PROGRESS)
    transaction = begin(ctx, request.task)
    transaction.unset("task", request.task, [("configuration", name) for name in request.configuration])
    transaction.set("task", request.task, changed(ctx))
    await commit(ctx, transaction)
    return {"deleted": 1}
