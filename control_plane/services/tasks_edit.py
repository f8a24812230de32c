"""`tasks.*`: changing what a task is asked to do.

`tasks.edit` replaces hyperparams, configuration, runtime, tags and container whole, and merges script, execution,
output and models key by key: the SDK depends on both (contract/wire.md, section 8).
"""

from collections.abc import Callable
from typing import Any

import msgspec

from control_plane.schema.tasks import (
    EditRequest,
    MoveRequest,
    RequirementsRequest,
    Updated,
    UpdateRequest,
    UpdateTagsRequest,
)
from control_plane.services import projects, sections
from control_plane.services.context import Context
from control_plane.services.errors import ApiError, Subcode, bad_value, unknown_project, validation, wrong_status
from control_plane.services.registry import endpoint
from control_plane.services.status import Status
from control_plane.services.tasks import require_references
from control_plane.services.tasks_common import begin, changed, commit, explained, load, load_all, require_editable
from control_plane.store import GuardFailed


@endpoint("tasks.edit", EditRequest, Updated, min_version="2.1")
async def edit(ctx: Context, request: EditRequest) -> dict[str, Any]:
    """Change a task; one that is not a draft only with `force`."""
    await require_references(ctx, request)
    merged = [name for name in ("script", "execution", "models") if getattr(request, name) is not None]
    if request.output_dest is not None:
        merged.append("output")
    # Whether the task may be edited is the transaction's to say: it is read only to be merged with.
    task = await load(ctx, request.task, merged) if merged else {}
    fields, writes = changes_of(request, task, ctx.now_iso)
    if not fields:
        require_editable(await load(ctx, request.task, ["status"]), force=request.force)
        return {"updated": 0, "fields": {}}
    marks = changed(ctx)
    transaction = begin(ctx, request.task)
    transaction.expect_exists("task", request.task)
    if not request.force:
        transaction.expect("task", request.task, {"status": Status.CREATED.value})
    if request.project:
        transaction.expect_exists("project", request.project)
    transaction.set("task", request.task, {**writes, **marks})
    try:
        await transaction.commit()
    except GuardFailed as failed:
        if failed.guard.kind == "equals":
            raise wrong_status(expected=Status.CREATED.value, status=failed.found) from None
        raise explained(ctx, failed) from None
    return {"updated": 1, "fields": {**fields, **marks}}


def changes_of(request: EditRequest, task: dict[str, Any], now_iso: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what the answer shows, what is written) of an edit. Pure."""
    shown: dict[str, Any] = {}
    writes: dict[str, Any] = {}
    for name in ("type", "comment", "project", "parent"):
        value = getattr(request, name)
        if value is not None:
            shown[name] = writes[name] = value
    if request.name is not None:
        writes["name"] = sections.clean_name(request.name)
        shown["name"] = request.name
    for name in ("tags", "system_tags"):
        value = getattr(request, name)
        if value is not None:
            shown[name] = writes[name] = sections.clean_tags(value, name)
    whole: dict[str, Callable[[Any], dict[str, Any]]] = {
        "hyperparams": sections.hyperparams,
        "configuration": sections.configuration,
        "container": sections.container,
        "runtime": sections.runtime,
        "input": sections.input_section,
    }
    for name, clean in whole.items():
        value = getattr(request, name)
        if value is not None:
            shown[name] = writes[name] = clean(value)
    merged: dict[str, dict[str, Any]] = {}
    if request.script is not None:
        merged["script"] = sections.script(request.script)
    if request.execution is not None:
        merged["execution"] = sections.execution(request.execution)
    if request.models is not None:
        merged["models"] = sections.models(request.models, now_iso)
    if request.output_dest is not None:
        merged["output"] = {"destination": request.output_dest}
    for name, section in merged.items():
        shown[name] = {**(task.get(name) or {}), **section}
        writes.update({f"{name}.{key}": value for key, value in section.items()})
    return shown, writes


@endpoint("tasks.update", UpdateRequest, Updated)
async def update(ctx: Context, request: UpdateRequest) -> dict[str, Any]:
    """Change what may change in any status: name, comment, project and tags."""
    if request.project and not (await ctx.store.exists("project", [request.project]))[0]:
        raise bad_value("expecting Project id", id=request.project, field="project")
    fields = _update_fields(request)
    await load(ctx, request.task, ["id"])
    if not fields:
        return {"updated": 0, "fields": {}}
    marks = changed(ctx)
    transaction = begin(ctx, request.task)
    transaction.set("task", request.task, {**fields, **marks})
    await commit(ctx, transaction)
    return {"updated": 1, "fields": {**fields, **marks}}


def _update_fields(request: UpdateRequest) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if request.name is not None:
        fields["name"] = sections.clean_name(request.name)
    for name in ("comment", "project"):
        if getattr(request, name) is not None:
            fields[name] = getattr(request, name)
    for name in ("tags", "system_tags"):
        if getattr(request, name) is not None:
            fields[name] = sections.clean_tags(getattr(request, name), name)
    if request.output__error is not None:
        fields["output.error"] = request.output__error
    return fields


@endpoint("tasks.update_batch", bytes)
async def update_batch(ctx: Context, request: bytes) -> dict[str, Any]:
    """`tasks.update` for each line of the body; of two lines about a task the later one counts."""
    updates: dict[str, UpdateRequest] = {}
    for line in request.splitlines():
        if not line.strip():
            continue
        try:
            item = msgspec.json.decode(line, type=UpdateRequest)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise validation(str(error)) from None
        updates[item.task] = item
    if not updates:
        raise ApiError(400, Subcode.EMPTY_BATCH, "Batch request contains no items")
    await load_all(ctx, list(updates), ["id"])
    transaction = begin(ctx, *updates)
    for id, item in updates.items():
        transaction.set("task", id, {**_update_fields(item), **changed(ctx)})
    await commit(ctx, transaction)
    return {"updated": len(updates)}


@endpoint("tasks.set_requirements", RequirementsRequest, Updated)
async def set_requirements(ctx: Context, request: RequirementsRequest) -> dict[str, Any]:
    """Replace the recorded packages, in any status: the agent records what it installed."""
    transaction = begin(ctx, request.task)
    transaction.set("task", request.task, {"script.requirements": request.requirements, **changed(ctx)})
    await commit(ctx, transaction)
    return {"updated": 1, "fields": {}}


@endpoint("tasks.move", MoveRequest)
async def move(ctx: Context, request: MoveRequest) -> dict[str, Any]:
    """Put tasks into a project, named by id or by its path, which is made if it is missing."""
    project = await target_project(ctx, request.project, request.project_name)
    await load_all(ctx, request.ids, ["id"])
    transaction = begin(ctx, *request.ids)
    for id in request.ids:
        transaction.set("task", id, {"project": project, **changed(ctx)})
    await commit(ctx, transaction)
    return {"project_id": project}


async def target_project(ctx: Context, project: str | None, name: str | None) -> str:
    """The project that a move names; raise 400/11 or 400/401."""
    if project:
        if not (await ctx.store.exists("project", [project]))[0]:
            raise unknown_project(id=project)
        return project
    if not name:
        raise ApiError(400, Subcode.MISSING_FIELDS, "Missing required fields", "project or project_name is required")
    return await projects.find_or_make(ctx, name)


@endpoint("tasks.update_tags", UpdateTagsRequest)
async def update_tags(ctx: Context, request: UpdateTagsRequest) -> dict[str, Any]:
    """Add and remove tags of several tasks."""
    return await change_tags(ctx, "task", await load_all(ctx, request.ids, ["tags"]), request)


async def change_tags(
    ctx: Context, kind: str, documents: list[dict[str, Any]], request: UpdateTagsRequest
) -> dict[str, Any]:
    """Add and remove tags; each document only if nobody changed its tags since it was read."""
    if not request.add_tags and not request.remove_tags:
        raise validation("Either add tags or remove tags should be provided")
    added = sections.clean_tags(request.add_tags or ())
    transaction = begin(ctx, *request.ids)
    for document in documents:
        kept = [tag for tag in document.get("tags") or () if tag not in (request.remove_tags or ())]
        transaction.expect(kind, document["id"], {"tags": document.get("tags") or []})
        transaction.set(
            kind, document["id"], {"tags": list(dict.fromkeys([*kept, *added])), "last_change": ctx.now_iso}
        )
    await commit(ctx, transaction)
    sides = bool(request.add_tags) + bool(request.remove_tags)
    return {"updated": len(documents) * sides}
