"""`projects.*`: folders of tasks and models, named by their path."""

from typing import Any
from uuid import uuid4

from control_plane.schema.projects import (
    CreateProjectRequest,
    DeleteProjectRequest,
    MergeProjectRequest,
    MoveProjectRequest,
    ProjectRequest,
    UpdateProjectRequest,
)
from control_plane.services import deletion, listing, sections
from control_plane.services import project_paths as paths
from control_plane.services.context import Context
from control_plane.services.errors import ApiError, Subcode, duplicate, missing_fields, unknown_project, validation
from control_plane.services.project_paths import clean_path
from control_plane.services.query_fields import query_fields
from control_plane.services.registry import endpoint
from control_plane.store import GuardFailed, Transaction

__all__ = ["clean_path", "find_or_make", "require"]

CHILDREN_A_TRANSACTION = 500

CONTENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "tasks": ("task", {"type": ["-report"]}),
    "reports": ("task", {"type": ["report"]}),
    "models": ("model", {}),
}
"""What a project holds: name in the answers -> kind of document, and what tells it from others of the kind."""


async def require(ctx: Context, project: str, parts: list[str] | None = None) -> dict[str, Any]:
    """The project's document; raise 400/401 where there is none."""
    document = await ctx.store.get("project", project, parts)
    if document is None:
        raise unknown_project(id=project)
    return document


async def find_or_make(ctx: Context, name: str) -> str:
    """The id of the project at a path; it and its parents are made where they are missing."""
    path = clean_path(name)
    found = await ctx.store.id_by_name("project", ctx.company, path)
    return found if found is not None else await _make(ctx, path, {})


async def _make(ctx: Context, path: str, extra: dict[str, Any]) -> str:
    """Write a project below its parents, which are made where they are missing.

    Raises 400/801 when the path is taken.
    """
    parents: list[str] = []
    for above in paths.ancestors(path):
        found = await ctx.store.id_by_name("project", ctx.company, above)
        parents.append(found or await _insert(ctx, above, list(parents), {}, reuse=True))
    return await _insert(ctx, path, parents, extra, reuse=False)


async def _insert(ctx: Context, path: str, parents: list[str], extra: dict[str, Any], *, reuse: bool) -> str:
    id = uuid4().hex
    now = ctx.now_iso
    transaction = ctx.store.transaction()
    if parents:
        transaction.expect_exists("project", parents[-1])
    transaction.claim_name("project", ctx.company, path, id)
    transaction.create(
        "project",
        id,
        {
            "company": ctx.company,
            "user": ctx.user,
            "name": path,
            "basename": paths.basename(path),
            "parent": parents[-1] if parents else None,
            "path": parents,
            "description": "",
            "tags": [],
            "system_tags": [],
            "created": now,
            "last_update": now,
            **extra,
        },
    )
    try:
        await transaction.commit()
    except GuardFailed as failed:
        if failed.guard.kind == "name" and reuse:
            return str(failed.found)  # another call made it at this moment
        if failed.guard.kind == "name":
            raise _exists(path, ctx.company) from None
        raise unknown_project(id=parents[-1] if parents else id) from None
    return id


def _exists(path: str, company: str) -> ApiError:
    return ApiError(400, Subcode.DUPLICATE, "Project with the same name already exists", name=path, company=company)


def _given(request: CreateProjectRequest | UpdateProjectRequest) -> dict[str, Any]:
    """The fields of a request that are there, cleaned; not the name."""
    fields: dict[str, Any] = {}
    if request.description is not None:
        fields["description"] = request.description.strip()
    for name in ("tags", "system_tags"):
        if getattr(request, name) is not None:
            fields[name] = sections.clean_tags(getattr(request, name), name)
    if request.default_output_destination is not None:
        fields["default_output_destination"] = request.default_output_destination
    return fields


@endpoint("projects.create", CreateProjectRequest)
async def create(ctx: Context, request: CreateProjectRequest) -> dict[str, Any]:
    """Make a project; its name is a path, and parents that are missing are made with it."""
    if request.name is None:
        raise missing_fields("name")
    path = clean_path(request.name)
    fields = _given(request)
    if await ctx.store.id_by_name("project", ctx.company, path) is not None:
        raise _exists(path, ctx.company)
    return {"id": await _make(ctx, path, fields)}


@endpoint("projects.get_by_id", ProjectRequest)
async def get_by_id(ctx: Context, request: ProjectRequest) -> dict[str, Any]:
    """Return one project."""
    return {"project": await require(ctx, request.project)}


@endpoint("projects.get_all", dict, reads=query_fields("project", "allow_public", "non_public"))
async def get_all(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Find projects. The query language is contract/wire.md, section 7."""
    return await listing.answer(ctx, "project", "projects", request)


@endpoint("projects.update", UpdateProjectRequest)
async def update(ctx: Context, request: UpdateProjectRequest) -> dict[str, Any]:
    """Change a project; a new name renames it and everything below it, in its place."""
    project = await require(ctx, request.project)
    fields = _given(request)
    if request.name is not None:
        path = clean_path(request.name)
        if paths.location(path) != paths.location(project["name"]):
            raise ApiError(
                400,
                Subcode.PROJECT_LOCATION,
                "Cannot update project location. use projects.move instead",
                name=request.name,
            )
        if path != project["name"]:
            await _relocate(ctx, project, path, project.get("path") or [])
        fields["name"] = path
    others = {name: value for name, value in fields.items() if name != "name"}
    if others:
        transaction = ctx.store.transaction()
        transaction.set("project", request.project, {**others, "last_update": ctx.now_iso})
        await _commit(ctx, transaction, request.project)
    return {"updated": 1, "fields": fields}


async def _commit(ctx: Context, transaction: Transaction, project: str) -> None:
    try:
        await transaction.commit()
    except GuardFailed as failed:
        if failed.guard.kind == "name":
            raise duplicate(name=failed.guard.expected, company=ctx.company) from None
        raise unknown_project(id=project) from None


async def below(ctx: Context, project: str) -> list[dict[str, Any]]:
    """The documents of every project below one, at any depth, outermost first."""
    found = await listing.everything(ctx, "project", {"path": [project], "search_hidden": True})
    return sorted(found, key=lambda document: len(document.get("path") or ()))


async def _relocate(ctx: Context, project: dict[str, Any], path: str, parents: list[str]) -> int:
    """Give a project another path, and everything below it with it, in one transaction; return how many moved."""
    source = project["name"]
    children = await below(ctx, project["id"])
    if children and max(len(child["path"]) for child in children) - len(project.get("path") or ()) + len(parents) >= (
        paths.MAX_DEPTH
    ):
        raise ApiError(
            400, Subcode.PROJECT_DEPTH, "Project path exceed the maximum allowed depth", max_depth=paths.MAX_DEPTH
        )
    transaction = ctx.store.transaction()
    now = ctx.now_iso
    if parents:
        transaction.expect_exists("project", parents[-1])
    for document in (project, *children):
        id, old = document["id"], document["name"]
        new = paths.moved(old, source, path)
        above = [*parents, *(document.get("path") or [])[len(project.get("path") or []) :]]
        transaction.expect("project", id, {"name": old})
        transaction.claim_name("project", ctx.company, new, id)
        transaction.release_name("project", ctx.company, old, id)
        transaction.set(
            "project",
            id,
            {
                "name": new,
                "basename": paths.basename(new),
                "path": above,
                "parent": above[-1] if above else None,
                "last_update": now,
            },
        )
    await _commit(ctx, transaction, project["id"])
    return 1 + len(children)


@endpoint("projects.move", MoveProjectRequest)
async def move(ctx: Context, request: MoveProjectRequest) -> dict[str, Any]:
    """Put a project, with everything below it, under another path, which is made if it is missing."""
    if request.new_location is None:
        raise validation("error for field 'new_location'. field is required!")
    project = await require(ctx, request.project)
    location = clean_path(request.new_location) if request.new_location.strip("/ ") else ""
    # First, as with official servers: the location exists afterwards even where the move itself is refused.
    above = await find_or_make(ctx, location) if location else None
    if location == project["name"] or location.startswith(project["name"] + paths.SEPARATOR):
        raise ApiError(
            400,
            Subcode.PROJECT_INTO_ITSELF,
            "Project can not be moved under itself",
            project=project["name"],
            parent=location,
        )
    parents: list[str] = []
    if above is not None:
        parent = await require(ctx, above)
        parents = [*(parent.get("path") or []), parent["id"]]
    if paths.location(project["name"]) == location:
        return {"moved": 0}
    target = paths.join(location, paths.basename(project["name"]))
    return {"moved": await _relocate(ctx, project, target, parents)}


@endpoint("projects.merge", MergeProjectRequest)
async def merge(ctx: Context, request: MergeProjectRequest) -> dict[str, Any]:
    """Move what a project holds, and the projects below it, into another one, and remove it."""
    if not request.destination_project:
        raise ApiError(400, Subcode.DATA_VALIDATION, "Data validation error", name="String value is too short")
    source = await require(ctx, request.project)
    target = await require(ctx, request.destination_project)
    if source["id"] == target["id"]:
        raise ApiError(
            400,
            Subcode.PROJECT_SAME_PATH,
            "Project has the same source and destination paths",
            source=source["id"],
        )
    if source["id"] in (target.get("path") or ()):
        raise ApiError(
            400,
            Subcode.PROJECT_INTO_CHILD,
            "Project can not be merged into its own child",
            source=source["id"],
            destination=target["id"],
        )
    entities = 0
    for kind in ("task", "model"):
        entities += await _reassign(ctx, kind, source["id"], target["id"])
    children = [child for child in await below(ctx, source["id"]) if child.get("parent") == source["id"]]
    parents = [*(target.get("path") or []), target["id"]]
    for child in children:
        await _relocate(ctx, child, paths.join(target["name"], paths.basename(child["name"])), parents)
    await remove(ctx, [source])
    return {"moved_entities": entities, "moved_projects": len(children)}


async def _reassign(ctx: Context, kind: str, source: str, target: str | None) -> int:
    """Put the tasks or models of a project into another one, or into none; return how many there were."""
    ids = await listing.ids(ctx, kind, {"project": [source], "search_hidden": True})
    for first in range(0, len(ids), CHILDREN_A_TRANSACTION):
        transaction = ctx.store.transaction()
        for id in ids[first : first + CHILDREN_A_TRANSACTION]:
            transaction.set(kind, id, {"project": target, "last_change": ctx.now_iso})
        try:
            await transaction.commit()
        except GuardFailed:
            # One of them was deleted meanwhile: the others still have to move, so one at a time.
            await _reassign_each(ctx, kind, ids[first : first + CHILDREN_A_TRANSACTION], target)
    return len(ids)


async def _reassign_each(ctx: Context, kind: str, ids: list[str], target: str | None) -> None:
    for id in ids:
        transaction = ctx.store.transaction()
        transaction.set(kind, id, {"project": target, "last_change": ctx.now_iso})
        try:
            await transaction.commit()
        except GuardFailed:
            continue  # this is the one that is gone


async def remove(ctx: Context, documents: list[dict[str, Any]]) -> None:
    """Remove projects and free their names."""
    transaction = ctx.store.transaction()
    for document in documents:
        transaction.release_name("project", ctx.company, document["name"], document["id"])
        transaction.delete("project", document["id"])
    await _commit(ctx, transaction, documents[0]["id"])


@endpoint("projects.validate_delete", ProjectRequest)
async def validate_delete(ctx: Context, request: ProjectRequest) -> dict[str, Any]:
    """Count what a deletion would hit."""
    project = await require(ctx, request.project)
    ids = [project["id"], *[child["id"] for child in await below(ctx, project["id"])]]
    counted: dict[str, int] = {}
    for name, (kind, which) in CONTENTS.items():
        where = {**which, "project": ids, "search_hidden": True}
        counted[name] = await listing.count(ctx, kind, where)
        counted[f"non_archived_{name}"] = await listing.count(ctx, kind, {**where, "system_tags": ["-archived"]})
    for name, tag in (("pipelines", "pipeline"), ("datasets", "dataset")):
        counted[name] = await listing.count(ctx, "project", {"id": ids, "system_tags": [tag]})
    return counted


@endpoint("projects.delete", DeleteProjectRequest)
async def delete(ctx: Context, request: DeleteProjectRequest) -> dict[str, Any]:
    """Remove a project and those below it; what is in them stays without a project, or goes too when asked."""
    project = await require(ctx, request.project)
    counted = await validate_delete(ctx, ProjectRequest(project=request.project))
    assert isinstance(counted, dict)
    if not request.force and (counted["non_archived_tasks"] or counted["non_archived_reports"]):
        raise ApiError(
            400, Subcode.PROJECT_HAS_TASKS, "Project has associated tasks", "use force=true", id=request.project
        )
    if not request.force and counted["non_archived_models"]:
        raise ApiError(
            400, Subcode.PROJECT_HAS_MODELS, "Project has associated models", "use force=true", id=request.project
        )
    documents = [project, *await below(ctx, project["id"])]
    answer = {"deleted": len(documents), "disassociated_tasks": 0, "deleted_models": 0, "deleted_tasks": 0}
    urls: dict[str, Any] | None = None
    if request.delete_contents:
        removed = await deletion.delete_contents(ctx, [document["id"] for document in documents])
        answer["deleted_tasks"], answer["deleted_models"], urls = removed
    else:
        for document in documents:
            answer["disassociated_tasks"] += await _reassign(ctx, "task", document["id"], None)
            await _reassign(ctx, "model", document["id"], None)
    await remove(ctx, documents)
    return {**answer, "urls": urls}
