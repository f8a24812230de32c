"""`projects.*`: what the page asks about projects: their statistics, and which values occur in them."""

import re
from collections.abc import Iterable
from typing import Any

from control_plane.schema.models import ModelIdsRequest
from control_plane.schema.projects import (
    HyperparamValuesRequest,
    MetadataValuesRequest,
    MetricVariantsRequest,
    ProjectPageRequest,
    ProjectsRequest,
)
from control_plane.services import listing, project_stats, projects
from control_plane.services.context import Context
from control_plane.services.errors import ApiError, Subcode
from control_plane.services.registry import endpoint

SPECIAL_PARTS = ("id", "name", "path")


@endpoint("projects.get_all_ex", dict)
async def get_all_ex(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Find projects; references are objects, with statistics of their tasks where these are asked for."""
    answer = await listing.answer(ctx, "project", "projects", request, expand=True)
    found = answer["projects"]
    if request.get("include_stats"):
        await _add_stats(ctx, found, request)
    if request.get("check_own_contents"):
        await _add_own_contents(ctx, found)
    return answer


async def _add_stats(ctx: Context, found: list[dict[str, Any]], request: dict[str, Any]) -> None:
    """One query for the tasks of all the projects, whatever their number."""
    ids = [project["id"] for project in found]
    with_children = request.get("stats_with_children", True)
    children = await _below(ctx, ids) if with_children and ids else []
    scope = [*ids, *(child["id"] for child in children)]
    where = {**(request.get("include_stats_filter") or {}), "project": scope, "search_hidden": True}
    tasks = await listing.everything(ctx, "task", where, project_stats.TASK_PARTS) if scope else []
    groups = project_stats.by_project(tasks)
    state = request.get("stats_for_state") or "active"
    for project in found:
        below = [child for child in children if project["id"] in child["path"]]
        own = [task for holder in (project, *below) for task in groups.get(holder["id"], ())]
        project["stats"] = {state: project_stats.count(own, ctx.now)[state]}
        project["sub_projects"] = [{"id": child["id"], "name": child["name"]} for child in below]


async def _below(ctx: Context, ids: list[str]) -> list[dict[str, Any]]:
    return await listing.everything(ctx, "project", {"path": ids, "search_hidden": True}, SPECIAL_PARTS)


async def _add_own_contents(ctx: Context, found: list[dict[str, Any]]) -> None:
    ids = [project["id"] for project in found]
    for kind in ("task", "model"):
        where = {"project": ids, "search_hidden": True, "system_tags": ["__$not", project_stats.ARCHIVED]}
        groups = project_stats.by_project(await listing.everything(ctx, kind, where, ["project"]) if ids else [])
        for project in found:
            project[f"own_{kind}s"] = len(groups.get(project["id"], ()))


async def _held(
    ctx: Context,
    kind: str,
    scope: list[str] | None,
    parts: list[str],
    *,
    include_subprojects: bool = True,
    **where: Any,
) -> list[dict[str, Any]]:
    """The tasks or models of some projects, or of all."""
    request: dict[str, Any] = {**where, "search_hidden": True, "include_subprojects": include_subprojects}
    if scope:
        request["project"] = scope
    return await listing.everything(ctx, kind, request, parts)


def _page(values: list[Any], page: int, size: int) -> tuple[list[Any], int, int]:
    """(the page, how many there are, how many come after it)."""
    first = page * size
    shown = values[first : first + size]
    return shown, len(values), max(0, len(values) - first - len(shown))


# -- hyperparameters and metadata


@endpoint("projects.get_hyper_parameters", ProjectPageRequest, min_version="2.13")
async def get_hyper_parameters(ctx: Context, request: ProjectPageRequest) -> dict[str, Any]:
    """List the hyperparameters that the tasks of a project have."""
    scope = [request.project] if request.project else None
    tasks = await _held(ctx, "task", scope, ["hyperparams"], include_subprojects=request.include_subprojects)
    names = sorted(
        {(section, name) for task in tasks for section, items in task["hyperparams"].items() for name in items}
    )
    shown, total, remaining = _page(names, request.page, request.page_size)
    parameters = [{"section": section, "name": name} for section, name in shown]
    return {"total": total, "remaining": remaining, "parameters": parameters}


@endpoint("projects.get_hyperparam_values", HyperparamValuesRequest, min_version="2.27")
async def get_hyperparam_values(ctx: Context, request: HyperparamValuesRequest) -> dict[str, Any]:
    """List the values that a hyperparameter has in the tasks of some projects."""
    tasks = await _held(ctx, "task", request.projects, ["hyperparams"], include_subprojects=request.include_subprojects)
    items = (task["hyperparams"].get(request.section, {}).get(request.name) for task in tasks)
    values = sorted({str(item.get("value", "")) for item in items if item is not None})
    if request.pattern:
        values = _matching(values, request.pattern)
    shown, total, _ = _page(values, request.page, request.page_size)
    return {"total": total, "values": shown}


def _matching(values: list[str], pattern: str) -> list[str]:
    try:
        search = re.compile(pattern, re.IGNORECASE).search
    except re.error as error:
        raise ApiError(400, Subcode.BAD_REGEX, "Malformed regular expression", err=str(error)) from None
    return [value for value in values if search(value)]


@endpoint("projects.get_model_metadata_keys", ProjectPageRequest, min_version="2.17")
async def get_model_metadata_keys(ctx: Context, request: ProjectPageRequest) -> dict[str, Any]:
    """List the metadata keys that the models of a project have."""
    scope = [request.project] if request.project else None
    models = await _held(ctx, "model", scope, ["metadata"], include_subprojects=request.include_subprojects)
    keys = sorted({key for model in models for key in model["metadata"]})
    shown, total, remaining = _page(keys, request.page, request.page_size)
    return {"total": total, "remaining": remaining, "keys": shown}


@endpoint("projects.get_model_metadata_values", MetadataValuesRequest, min_version="2.26")
async def get_model_metadata_values(ctx: Context, request: MetadataValuesRequest) -> dict[str, Any]:
    """List the values that a metadata key has in the models of some projects."""
    models = await _held(ctx, "model", request.projects, ["metadata"], include_subprojects=request.include_subprojects)
    values = sorted(
        {str(model["metadata"][request.key].get("value")) for model in models if request.key in model["metadata"]}
    )
    shown, total, _ = _page(values, request.page, request.page_size)
    return {"total": total, "values": shown}


@endpoint("projects.get_unique_metric_variants", MetricVariantsRequest, min_version="2.28")
async def get_unique_metric_variants(ctx: Context, request: MetricVariantsRequest) -> dict[str, Any]:
    """List the metrics that the tasks or models of a project have reported."""
    kind = "model" if request.model_metrics else "task"
    scope = [request.project] if request.project else None
    where = {"id": request.ids} if request.ids else {}
    documents = await _held(
        ctx, kind, scope, ["last_metrics"], include_subprojects=request.include_subprojects, **where
    )
    pairs = {
        (item["metric"], item["variant"], metric_hash, variant_hash)
        for document in documents
        for metric_hash, variants in document["last_metrics"].items()
        for variant_hash, item in variants.items()
    }
    names = ("metric", "variant", "metric_hash", "variant_hash")
    return {"metrics": [dict(zip(names, pair, strict=True)) for pair in sorted(pairs)]}


# -- tags, parents and users


@endpoint("projects.get_task_tags", ProjectsRequest, min_version="2.8")
async def get_task_tags(ctx: Context, request: ProjectsRequest) -> dict[str, Any]:
    """List the tags of the tasks of some projects."""
    return tags_of(await _held(ctx, "task", request.projects, ["tags", "system_tags"]), request.include_system)


@endpoint("projects.get_model_tags", ProjectsRequest, min_version="2.8")
async def get_model_tags(ctx: Context, request: ProjectsRequest) -> dict[str, Any]:
    """List the tags of the models of some projects."""
    return tags_of(await _held(ctx, "model", request.projects, ["tags", "system_tags"]), request.include_system)


@endpoint("projects.get_project_tags", ProjectsRequest, min_version="2.17")
async def get_project_tags(ctx: Context, request: ProjectsRequest) -> dict[str, Any]:
    """List the tags of some projects."""
    where: dict[str, Any] = {"id": request.projects} if request.projects else {}
    found = await listing.everything(ctx, "project", {**where, "search_hidden": True}, ["tags", "system_tags"])
    return tags_of(found, request.include_system)


def tags_of(documents: Iterable[dict[str, Any]], include_system: bool) -> dict[str, Any]:
    """The tags that occur, sorted; the system's own only on request."""
    documents = list(documents)
    answer = {"tags": sorted({tag for document in documents for tag in document.get("tags") or ()})}
    if include_system:
        answer["system_tags"] = sorted({tag for document in documents for tag in document.get("system_tags") or ()})
    return answer


@endpoint("projects.get_task_parents", ProjectsRequest, min_version="2.25")
async def get_task_parents(ctx: Context, request: ProjectsRequest) -> dict[str, Any]:
    """List the tasks that are parents of tasks in some projects."""
    state: dict[str, Any] = {}
    if request.tasks_state == project_stats.ARCHIVED:
        state = {"system_tags": [project_stats.ARCHIVED]}
    elif request.tasks_state == "active":
        state = {"system_tags": ["__$not", project_stats.ARCHIVED]}
    tasks = await _held(
        ctx, "task", request.projects, ["parent"], include_subprojects=request.include_subprojects, **state
    )
    ids = sorted({str(task["parent"]) for task in tasks if task.get("parent")})
    fields = ("id", "name", "project.name")
    parents = await listing.load(ctx, "task", ids, fields, expand=True) if ids else []
    if request.task_name:
        kept = set(_matching([str(parent.get("name")) for parent in parents], request.task_name))
        parents = [parent for parent in parents if parent.get("name") in kept]
    return {"parents": sorted(parents, key=lambda parent: str(parent.get("name")))}


@endpoint("projects.get_user_names", ProjectsRequest, min_version="2.26")
async def get_user_names(ctx: Context, request: ProjectsRequest) -> dict[str, Any]:
    """List the users who made the tasks or models of some projects."""
    kind = "model" if request.entity == "model" else "task"
    held = await _held(ctx, kind, request.projects, ["user"], include_subprojects=request.include_subprojects)
    ids = sorted({str(document["user"]) for document in held if document.get("user")})
    found = await ctx.store.get_many("user", ids, ["name"])
    return {"users": [{"id": user["id"], "name": user.get("name")} for user in found if user is not None]}


@endpoint("projects.make_public", ModelIdsRequest)
async def make_public(ctx: Context, request: ModelIdsRequest) -> dict[str, Any]:
    """Show projects to every company; there is one company here, so this only checks the ids."""
    for id in request.ids:
        await projects.require(ctx, id, ["id"])
    return {"updated": len(request.ids)}


@endpoint("projects.make_private", ModelIdsRequest)
async def make_private(ctx: Context, request: ModelIdsRequest) -> dict[str, Any]:
    """Show projects to their own company only."""
    for id in request.ids:
        await projects.require(ctx, id, ["id"])
    return {"updated": len(request.ids)}
