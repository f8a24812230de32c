"""`models.*`: what a training produced, and what the next one starts from."""

from typing import Any
from uuid import uuid4

from control_plane.schema.models import (
    CreateModelRequest,
    DeleteModelRequest,
    DeleteModelsRequest,
    EditModelRequest,
    FrameworksRequest,
    ModelFields,
    ModelIdsRequest,
    ModelRequest,
    PublishModelsRequest,
    ReadyRequest,
    UpdateModelRequest,
)
from control_plane.schema.tasks import MoveRequest, UpdateTagsRequest
from control_plane.services import listing, sections
from control_plane.services.batch import each
from control_plane.services.context import Context
from control_plane.services.deletion import DELETED, drop_events, forget_events
from control_plane.services.errors import (
    ApiError,
    Subcode,
    data_validation,
    missing_fields,
    unknown_model,
    unknown_task,
    validation,
)
from control_plane.services.query_fields import query_fields
from control_plane.services.registry import endpoint
from control_plane.services.status import Status
from control_plane.services.tasks_common import changed
from control_plane.services.tasks_edit import change_tags, target_project
from control_plane.services.tasks_status import publish_task
from control_plane.store import GuardFailed, Transaction

ARCHIVED = "archived"


async def require(ctx: Context, model: str, parts: list[str] | None = None) -> dict[str, Any]:
    """The model's document; raise 400/201 where there is none."""
    document = await ctx.store.get("model", model, parts)
    if document is None:
        raise unknown_model(company=ctx.company, id=model)
    return document


async def write(ctx: Context, transaction: Transaction, model: str) -> None:
    """Commit; a model that was deleted meanwhile is 400/201."""
    try:
        await transaction.commit()
    except GuardFailed:
        raise unknown_model(company=ctx.company, id=model) from None


async def _fields(ctx: Context, request: ModelFields) -> dict[str, Any]:
    """The fields of a request that are there, checked and cleaned."""
    fields: dict[str, Any] = {}
    for name in ("comment", "framework", "design", "parent", "project", "task"):
        value = getattr(request, name)
        if value is not None:
            fields[name] = value
    for name in ("tags", "system_tags"):
        if getattr(request, name) is not None:
            fields[name] = sections.clean_tags(getattr(request, name), name)
    if request.labels is not None:
        fields["labels"] = _labels(request.labels)
    if request.metadata is not None:
        fields["metadata"] = metadata(request.metadata)
    if request.project and not (await ctx.store.exists("project", [request.project]))[0]:
        raise validation("Invalid project ids", project=request.project)
    if request.task and not (await ctx.store.exists("task", [request.task]))[0]:
        raise unknown_task(id=request.task, company=ctx.company)
    return fields


def _labels(labels: dict[str, Any]) -> dict[str, int]:
    if any(isinstance(value, bool) or not isinstance(value, (int, type(None))) for value in labels.values()):
        raise data_validation(labels="a label's value must be a whole number")
    if len(set(labels.values())) < len(labels):
        raise data_validation(labels="Same label id appears more than once in model labels")
    return labels


def metadata(value: Any) -> dict[str, dict[str, Any]]:
    """Metadata as it is stored, keyed by key; a list and an object of items are both read."""
    items = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(items, list):
        raise validation("error for field 'metadata': a list of items was expected")
    stored: dict[str, dict[str, Any]] = {}
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("key"), str):
            raise validation("error for field 'metadata': error for field 'key'. field is required!")
        stored[item["key"]] = {name: item[name] for name in ("key", "type", "value") if item.get(name) is not None}
    return stored


@endpoint("models.create", CreateModelRequest, min_version="2.13")
async def create(ctx: Context, request: CreateModelRequest) -> dict[str, Any]:
    """Make a model."""
    fields = await _fields(ctx, request)
    id = uuid4().hex
    now = ctx.now_iso
    document = {
        "company": ctx.company,
        "user": ctx.user,
        "name": sections.clean_name(request.name),
        "uri": request.uri.strip(),
        "ready": request.ready is not False,
        "tags": [],
        "system_tags": [],
        "labels": {},
        "design": {},
        "created": now,
        "last_iteration": request.iteration or 0,
        "company_origin": ctx.company if request.public else None,
        **fields,
        **changed(ctx),
    }
    transaction = ctx.store.transaction()
    transaction.create("model", id, document)
    if request.task and request.iteration is not None:
        await raise_iteration(ctx, transaction, request.task, request.iteration)
    await transaction.commit()
    return {"id": id, "created": True}


async def raise_iteration(ctx: Context, transaction: Transaction, task: str, iteration: int) -> None:
    """A model saved at an iteration says that its task has come so far."""
    found = await ctx.store.get("task", task, ["last_iteration"])
    if found is not None and iteration > int(found.get("last_iteration") or 0):
        transaction.set("task", task, {"last_iteration": iteration, "last_update": ctx.now_iso})


@endpoint("models.get_by_id", ModelRequest)
async def get_by_id(ctx: Context, request: ModelRequest) -> dict[str, Any]:
    """Return one model."""
    document = await ctx.store.get("model", request.model)
    if document is None:
        raise unknown_model("no such public or company model", id=request.model, company=ctx.company)
    return {"model": document}


READS = query_fields("model", "include_stats", "allow_public")


@endpoint("models.get_all", dict, reads=READS)
async def get_all(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Find models. The query language is contract/wire.md, section 7."""
    return await listing.answer(ctx, "model", "models", request)


@endpoint("models.get_all_ex", dict, reads=READS)
async def get_all_ex(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Find models; references are objects, with the number of their labels where it is asked for."""
    answer = await listing.answer(ctx, "model", "models", request, expand=True)
    found = answer["models"]
    if request.get("include_stats"):
        stored = await ctx.store.get_many("model", [model["id"] for model in found], ["labels"])
        for model, document in zip(found, stored, strict=True):
            model["stats"] = {"labels_count": len((document or {}).get("labels") or ())}
    return answer


@endpoint("models.get_by_id_ex", dict, reads=READS)
async def get_by_id_ex(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return models by their ids; references are objects."""
    if not request.get("id"):
        raise missing_fields("id")
    return await listing.answer(ctx, "model", "models", {**request, "search_hidden": True}, expand=True)


@endpoint("models.edit", EditModelRequest, min_version="2.13")
async def edit(ctx: Context, request: EditModelRequest) -> dict[str, Any]:
    """Change a model; one that is ready keeps what was published of it."""
    stored = await require(ctx, request.model, ["task"])
    fields = await _fields(ctx, request)
    if request.name is not None:
        fields["name"] = sections.clean_name(request.name)
    if request.uri is not None:
        fields["uri"] = request.uri.strip()
    if request.ready is not None:
        fields["ready"] = request.ready
    if not fields and request.iteration is None:
        return {"updated": 0, "fields": {}}
    marks = changed(ctx)
    transaction = ctx.store.transaction()
    transaction.set("model", request.model, {**fields, **marks})
    if request.iteration is not None:
        await raise_iteration(ctx, transaction, request.task or str(stored.get("task")), request.iteration)
    await write(ctx, transaction, request.model)
    return {"updated": 1, "fields": {**fields, **marks}}


@endpoint("models.update", UpdateModelRequest, min_version="2.13")
async def update(ctx: Context, request: UpdateModelRequest) -> dict[str, Any]:
    """Change what people write about a model."""
    stored = await require(ctx, request.model, ["task"])
    fields: dict[str, Any] = {}
    if request.name is not None:
        fields["name"] = sections.clean_name(request.name)
    for name in ("comment", "project", "task", "created", "ui_cache"):
        if getattr(request, name) is not None:
            fields[name] = getattr(request, name)
    for name in ("tags", "system_tags"):
        if getattr(request, name) is not None:
            fields[name] = sections.clean_tags(getattr(request, name), name)
    if not fields and request.iteration is None:
        return {"updated": 0, "fields": {}}
    marks = changed(ctx)
    transaction = ctx.store.transaction()
    transaction.set("model", request.model, {**fields, **marks})
    if request.iteration is not None:
        await raise_iteration(ctx, transaction, request.task or str(stored.get("task")), request.iteration)
    await write(ctx, transaction, request.model)
    return {"updated": 1, "fields": {**fields, **marks}}


@endpoint("models.set_ready", ReadyRequest)
async def set_ready(ctx: Context, request: ReadyRequest) -> dict[str, Any]:
    """Lock a model, and unless told otherwise publish the task that made it."""
    return await ready_one(ctx, request.model, publish_task_too=request.publish_task, force=request.force_publish_task)


async def ready_one(ctx: Context, model: str, *, publish_task_too: bool, force: bool) -> dict[str, Any]:
    """Lock one model; 400/203 when it is locked."""
    document = await require(ctx, model, ["ready", "task"])
    if document.get("ready"):
        raise ApiError(400, Subcode.MODEL_READY, "Model is ready", company=ctx.company, model=model)
    answer: dict[str, Any] = {"updated": 1, "fields": {}}
    task = document.get("task")
    if publish_task_too and task and not str(task).startswith(DELETED):
        state = await ctx.store.get("task", task, ["status"])
        if state is not None and state.get("status") != Status.PUBLISHED:
            fields = await publish_task(ctx, task, force=force, reason=None, message=None, publish_model=False)
            answer["published_task"] = {"id": task, "data": {"updated": 1, "fields": fields}}
    transaction = ctx.store.transaction()
    transaction.set("model", model, {"ready": True, **changed(ctx)})
    await write(ctx, transaction, model)
    return answer


@endpoint("models.publish_many", PublishModelsRequest, min_version="2.13")
async def publish_many(ctx: Context, request: PublishModelsRequest) -> dict[str, Any]:
    """Lock several models."""

    async def act(id: str) -> dict[str, Any]:
        answer = await ready_one(ctx, id, publish_task_too=request.publish_tasks, force=request.force_publish_task)
        return {**answer, "updated": True}

    return await each(request.ids, act)


@endpoint("models.delete", DeleteModelRequest, min_version="2.13")
async def delete(ctx: Context, request: DeleteModelRequest) -> dict[str, Any]:
    """Remove a model; its file's address is handed back."""
    return await delete_one(ctx, request.model, force=request.force)


async def delete_one(ctx: Context, model: str, *, force: bool) -> dict[str, Any]:
    """Remove one model. One that tasks start from, or whose published task exists, only with force."""
    document = await require(ctx, model, ["uri", "task"])
    users = await listing.ids(ctx, "task", {"models.input.model": [model], "search_hidden": True})
    if users and not force:
        raise ApiError(
            400,
            Subcode.MODEL_IN_USE,
            "Model is used by tasks",
            "as execution model, use force=True to delete",
            num_tasks=len(users),
        )
    task = document.get("task")
    if task and not force:
        creator = await ctx.store.get("task", task, ["status"])
        if creator is not None and creator.get("status") == Status.PUBLISHED:
            raise ApiError(
                400,
                Subcode.MODEL_CREATOR_EXISTS,
                "Task that created this model exists",
                "and published, use force=True to delete",
                task=task,
            )
    transaction = ctx.store.transaction()
    for user in await ctx.store.get_many("task", users, ["models"]):
        if user is not None:
            transaction.set("task", user["id"], {"models.input": _without(user, model)})
    transaction.delete("model", model)
    forget_events(transaction, model)
    answer = {"deleted": True, "url": document.get("uri") or ""}
    transaction.answer(model, answer)
    await write(ctx, transaction, model)
    await drop_events(ctx, model)
    return answer


def _without(task: dict[str, Any], model: str) -> list[dict[str, Any]]:
    """A task's input models, the deleted one marked."""
    items = (task.get("models") or {}).get("input") or []
    return [{**item, "model": f"{DELETED}{model}"} if item["model"] == model else item for item in items]


@endpoint("models.delete_many", DeleteModelsRequest, min_version="2.13")
async def delete_many(ctx: Context, request: DeleteModelsRequest) -> dict[str, Any]:
    """Remove several models."""
    return await each(request.ids, lambda id: delete_one(ctx, id, force=request.force))


@endpoint("models.archive_many", ModelIdsRequest, min_version="2.13")
async def archive_many(ctx: Context, request: ModelIdsRequest) -> dict[str, Any]:
    """Archive several models."""
    return await each(request.ids, lambda id: _archive(ctx, id, is_archived=True))


@endpoint("models.unarchive_many", ModelIdsRequest, min_version="2.13")
async def unarchive_many(ctx: Context, request: ModelIdsRequest) -> dict[str, Any]:
    """Bring several models back from the archive."""
    return await each(request.ids, lambda id: _archive(ctx, id, is_archived=False))


async def _archive(ctx: Context, model: str, *, is_archived: bool) -> dict[str, Any]:
    document = await require(ctx, model, ["system_tags"])
    tags = [tag for tag in document.get("system_tags") or () if tag != ARCHIVED]
    if is_archived:
        tags.append(ARCHIVED)
    transaction = ctx.store.transaction()
    transaction.set("model", model, {"system_tags": tags, "last_change": ctx.now_iso})
    await write(ctx, transaction, model)
    return {"archived": True} if is_archived else {"unarchived": True}


@endpoint("models.move", MoveRequest)
async def move(ctx: Context, request: MoveRequest) -> dict[str, Any]:
    """Put models into a project, named by id or by its path, which is made if it is missing."""
    project = await target_project(ctx, request.project, request.project_name)
    transaction = ctx.store.transaction()
    for id in request.ids:
        transaction.set("model", id, {"project": project, **changed(ctx)})
    await write(ctx, transaction, request.ids[0])
    return {"project_id": project}


@endpoint("models.update_tags", UpdateTagsRequest)
async def update_tags(ctx: Context, request: UpdateTagsRequest) -> dict[str, Any]:
    """Add and remove tags of several models."""
    documents = [await require(ctx, id, ["tags"]) for id in request.ids]
    return await change_tags(ctx, "model", documents, request)


@endpoint("models.get_frameworks", FrameworksRequest)
async def get_frameworks(ctx: Context, request: FrameworksRequest) -> dict[str, Any]:
    """List the frameworks of the models, of those in some projects where these are named."""
    where = {"project": request.projects} if request.projects else {}
    return {"frameworks": sorted(await listing.distinct(ctx, "model", "framework", **where))}


@endpoint("models.make_public", ModelIdsRequest, min_version="2.9")
async def make_public(ctx: Context, request: ModelIdsRequest) -> dict[str, Any]:
    """Show models to every company."""
    return await _mark(ctx, request.ids, ctx.company)


@endpoint("models.make_private", ModelIdsRequest, min_version="2.9")
async def make_private(ctx: Context, request: ModelIdsRequest) -> dict[str, Any]:
    """Show models to their own company only."""
    return await _mark(ctx, request.ids, None)


async def _mark(ctx: Context, ids: list[str], origin: str | None) -> dict[str, Any]:
    for id in ids:
        await require(ctx, id, ["id"])
    transaction = ctx.store.transaction()
    for id in ids:
        transaction.set("model", id, {"company_origin": origin, **changed(ctx)})
    await write(ctx, transaction, ids[0])
    return {"updated": len(ids)}
