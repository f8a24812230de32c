"""`tasks.*`: making, copying, reading and removing tasks."""

from typing import Any
from uuid import uuid4

from control_plane.schema.tasks import (
    CloneRequest,
    Created,
    CreateRequest,
    DeleteOptions,
    DeleteRequest,
    Sections,
    TaskAnswer,
    TaskIdsRequest,
    TaskRequest,
    TasksAnswer,
    TypesRequest,
)
from control_plane.services import deletion, listing, projects, sections
from control_plane.services.context import Context
from control_plane.services.errors import ApiError, Subcode, bad_value, missing_fields, unknown_project, unknown_task
from control_plane.services.query_fields import query_fields
from control_plane.services.registry import endpoint
from control_plane.services.status import TASK_TYPES, Status
from control_plane.services.tasks_common import begin, changed, commit, load, load_all
from control_plane.services.tasks_steps import steps_of
from control_plane.store import GuardFailed, Transaction

NOT_CLONED_TAGS = frozenset({"development", "archived"})


async def require_references(ctx: Context, request: Sections) -> None:
    """Refuse a project or parent that does not exist: 400/16."""
    if request.project and not (await ctx.store.exists("project", [request.project]))[0]:
        raise bad_value("expecting Project id", id=request.project, field="project")
    if request.parent and not (await ctx.store.exists("task", [request.parent]))[0]:
        raise bad_value("expecting Task id", id=request.parent, field="parent")


async def require_models(ctx: Context, section: dict[str, list[dict[str, Any]]]) -> None:
    """Refuse attached models that do not exist: 400/201."""
    ids = list({item["model"] for items in section.values() for item in items})
    missing = [id for id, exists in zip(ids, await ctx.store.exists("model", ids), strict=True) if not exists]
    if missing:
        raise ApiError(400, Subcode.UNKNOWN_MODEL, "Invalid model id", models=missing)


async def require_whole(ctx: Context, task_id: str) -> None:
    """Refuse a task that names a project, parent or model which is gone: 400/16, 400/201."""
    task = await load(ctx, task_id, ["project", "parent", "models"])
    await require_references(ctx, Sections(project=task.get("project"), parent=task.get("parent")))
    await require_models(ctx, task["models"])


def blank(ctx: Context) -> dict[str, Any]:
    """A new task's document without what its request says."""
    now = ctx.now_iso
    return {
        "company": ctx.company,
        "user": ctx.user,
        "status": Status.CREATED.value,
        "created": now,
        "last_update": now,
        "last_change": now,
        "last_changed_by": ctx.user,
        "output": {},
        "execution": dict(sections.EMPTY_EXECUTION),
        "script": dict(sections.EMPTY_SCRIPT),
        "tags": [],
        "system_tags": [],
        "last_iteration": 0,
        "models": {"input": [], "output": []},
    }


def document_of(ctx: Context, request: CreateRequest) -> dict[str, Any]:
    """The document that a create request describes; raise 400 for what cannot be stored."""
    task = blank(ctx)
    task.update(name=sections.clean_name(request.name), type=request.type)
    for field in ("comment", "parent", "project"):
        if getattr(request, field):
            task[field] = getattr(request, field)
    task["tags"] = sections.clean_tags(request.tags or ())
    task["system_tags"] = sections.clean_tags(request.system_tags or (), "system_tags")
    if request.output_dest is not None:
        task["output"]["destination"] = request.output_dest
    if request.script is not None:
        task["script"].update(sections.script(request.script))
    if request.execution is not None:
        task["execution"].update(sections.execution(request.execution))
    if request.hyperparams is not None:
        task["hyperparams"] = sections.hyperparams(request.hyperparams)
    if request.configuration is not None:
        task["configuration"] = sections.configuration(request.configuration)
    if request.container is not None:
        task["container"] = sections.container(request.container)
    for name in ("runtime", "input"):
        if getattr(request, name) is not None:
            task[name] = sections.as_mapping(name, getattr(request, name))
    if request.models is not None:
        task["models"].update(sections.models(request.models, ctx.now_iso))
    return task


async def insert(ctx: Context, document: dict[str, Any]) -> str:
    """Write a new task and return its id; its project must still exist when it is written."""
    id = uuid4().hex
    transaction = ctx.store.transaction()
    if document.get("project"):
        transaction.expect_exists("project", document["project"])
    transaction.create("task", id, document)
    try:
        await transaction.commit()
    except GuardFailed:
        raise bad_value("expecting Project id", id=document.get("project"), field="project") from None
    return id


@endpoint("tasks.create", CreateRequest, Created, min_version="2.1")
async def create(ctx: Context, request: CreateRequest) -> dict[str, Any]:
    """Make a task."""
    document = document_of(ctx, request)
    await require_references(ctx, request)
    await require_models(ctx, document["models"])
    return {"id": await insert(ctx, document)}


@endpoint("tasks.validate", CreateRequest)
async def validate(ctx: Context, request: CreateRequest) -> dict[str, Any]:
    """Say what `tasks.create` would refuse, without making anything."""
    document = document_of(ctx, request)
    await require_references(ctx, request)
    await require_models(ctx, document["models"])
    return {}


@endpoint("tasks.get_by_id", TaskRequest, TaskAnswer)
async def get_by_id(ctx: Context, request: TaskRequest) -> dict[str, Any]:
    """Return one task whole."""
    task = await ctx.store.get("task", request.task)
    if task is None:
        raise unknown_task(ids=[request.task])
    # A draft has neither yet, but agents look into the message unguarded.
    return {"task": {"status_message": "", "status_reason": "", **task}}


@endpoint("tasks.get_all", dict, TasksAnswer, reads=query_fields("task", "allow_public"))
async def get_all(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Find tasks; references are ids. The query language is contract/wire.md, section 7."""
    return await listing.answer(ctx, "task", "tasks", request)


@endpoint("tasks.get_all_ex", dict, TasksAnswer, reads=query_fields("task", "allow_public"))
async def get_all_ex(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Find tasks; references are objects."""
    return await listing.answer(ctx, "task", "tasks", request, expand=True)


@endpoint("tasks.get_by_id_ex", dict, TasksAnswer, reads=query_fields("task", "allow_public"))
async def get_by_id_ex(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return tasks by their ids; references are objects."""
    if not request.get("id"):
        raise missing_fields("id")
    return await listing.answer(ctx, "task", "tasks", {**request, "search_hidden": True}, expand=True)


@endpoint("tasks.get_types", TypesRequest)
async def get_types(ctx: Context, request: TypesRequest) -> dict[str, Any]:
    """List the types of task; of the tasks in some projects where these are named."""
    if not request.projects:
        return {"types": list(TASK_TYPES)}
    used = await listing.distinct(ctx, "task", "type", project=request.projects)
    return {"types": [kind for kind in TASK_TYPES if kind in used]}


@endpoint("tasks.ping", TaskRequest)
async def ping(ctx: Context, request: TaskRequest) -> dict[str, Any]:
    """Note that the task is alive; an unknown one is not an error."""
    transaction = begin(ctx, request.task)
    transaction.set("task", request.task, {"last_update": ctx.now_iso})
    try:
        await commit(ctx, transaction)
    except ApiError as error:
        if error.subcode != Subcode.UNKNOWN_TASK:
            raise
    return {}


@endpoint("tasks.clone", CloneRequest, Created, min_version="2.13")
async def clone(ctx: Context, request: CloneRequest) -> dict[str, Any]:
    """Copy a task as a draft: what it is asked to do, not what a run left."""
    source = await ctx.store.get("task", request.task)
    if source is None:
        raise unknown_task(id=request.task)
    if request.new_task_parent and not (await ctx.store.exists("task", [request.new_task_parent]))[0]:
        raise unknown_task("invalid parent", parent=request.new_task_parent)
    copy = copied(ctx, source, request)
    answer: dict[str, Any] = {}
    if request.new_project_name and not request.new_task_project:
        project = await projects.find_or_make(ctx, request.new_project_name)
        copy["project"] = project
        answer["new_project"] = {"id": project, "name": projects.clean_path(request.new_project_name)}
    elif request.new_task_project:
        if not (await ctx.store.exists("project", [request.new_task_project]))[0]:
            raise unknown_project(id=request.new_task_project)
        copy["project"] = request.new_task_project
    if request.validate_references:
        await require_references(ctx, Sections(project=copy.get("project"), parent=copy.get("parent")))
        await require_models(ctx, copy["models"])
    return {"id": await insert(ctx, copy), **answer}


def copied(ctx: Context, source: dict[str, Any], request: CloneRequest) -> dict[str, Any]:
    """The document of the copy. Pure but for the clock."""
    task = blank(ctx)
    for field in ("type", "comment", "project", "script", "hyperparams", "configuration", "container"):
        if source.get(field):
            task[field] = source[field]
    task["name"] = sections.clean_name(request.new_task_name if request.new_task_name is not None else source["name"])
    if request.new_task_comment is not None:
        task["comment"] = request.new_task_comment
    tags = request.new_task_tags if request.new_task_tags is not None else source.get("tags") or ()
    task["tags"] = sections.clean_tags(tags)
    system_tags = request.new_task_system_tags or [
        tag for tag in source.get("system_tags") or () if tag not in NOT_CLONED_TAGS
    ]
    task["system_tags"] = sections.clean_tags(system_tags, "system_tags")
    task["parent"] = request.new_task_parent or source["id"]
    destination = (source.get("output") or {}).get("destination")
    if destination is not None:
        task["output"] = {"destination": destination}
    execution = {name: value for name, value in (source.get("execution") or {}).items() if name != "queue"}
    execution["artifacts"] = [item for item in execution.get("artifacts") or () if item.get("mode") == "input"]
    if request.execution_overrides:
        execution.update(sections.execution(request.execution_overrides))
    task["execution"].update(execution)
    task["models"]["input"] = list((source.get("models") or {}).get("input") or ())
    if request.new_task_hyperparams is not None:
        task["hyperparams"] = sections.hyperparams(request.new_task_hyperparams)
    if request.new_task_configuration is not None:
        task["configuration"] = sections.configuration(request.new_task_configuration)
    if request.new_task_container is not None:
        task["container"] = sections.container(request.new_task_container)
    if request.new_task_input_models is not None:
        given = sections.as_list("new_task_input_models", request.new_task_input_models)
        task["models"]["input"] = [sections.model_item(item, ctx.now_iso) for item in given]
    return task


@endpoint("tasks.delete", DeleteRequest, min_version="2.13")
async def delete(ctx: Context, request: DeleteRequest) -> dict[str, Any]:
    """Remove a task with its events, and the models it made unless they are in use."""
    return await delete_one(ctx, request.task, request)


async def delete_one(ctx: Context, task_id: str, options: DeleteOptions) -> dict[str, Any]:
    """Remove one task; the answer says what else changed."""
    task = await load(ctx, task_id, deletion.PARTS)
    status = task.get("status")
    if status != Status.CREATED and not options.force and "archived" not in task.get("system_tags", ()):
        raise ApiError(
            400,
            Subcode.TASK_IN_USE,
            "Task cannot be deleted",
            "due to status, use force=True",
            task=task_id,
            expected=Status.CREATED.value,
            current=status,
        )
    steps = await steps_of(ctx, task_id) if options.include_pipeline_steps else []
    # Steps first: dying in between leaves a controller that can be deleted again, never steps without one.
    urls = [await _delete_step(ctx, step, options) for step in steps]
    answer = await deletion.delete_task(ctx, task, options)
    for found in urls:
        for name in found:
            answer["urls"][name] += found[name]
    return answer


async def _delete_step(ctx: Context, task_id: str, options: DeleteOptions) -> dict[str, list[str]]:
    """Remove a step of a pipeline, whatever its status; the addresses of its files, {} where nobody asked."""
    step = await ctx.store.get("task", task_id, deletion.PARTS)
    if step is None:
        return {}
    answer = await deletion.delete_task(ctx, step, options)
    return answer["urls"] or {}


@endpoint("tasks.make_public", TaskIdsRequest, min_version="2.9")
async def make_public(ctx: Context, request: TaskIdsRequest) -> dict[str, Any]:
    """Show tasks to every company."""
    return await _mark(ctx, request.ids, is_public=True)


@endpoint("tasks.make_private", TaskIdsRequest, min_version="2.9")
async def make_private(ctx: Context, request: TaskIdsRequest) -> dict[str, Any]:
    """Show tasks to their own company only."""
    return await _mark(ctx, request.ids, is_public=False)


async def _mark(ctx: Context, ids: list[str], *, is_public: bool) -> dict[str, Any]:
    await load_all(ctx, ids, ["id"])
    transaction: Transaction = begin(ctx, *ids)
    for id in ids:
        transaction.set("task", id, {"company_origin": ctx.company if is_public else None, **changed(ctx)})
    await commit(ctx, transaction)
    return {"updated": len(ids)}
