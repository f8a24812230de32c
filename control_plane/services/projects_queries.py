"""`projects.*`: which values occur in some projects - hyperparameters, metrics, metadata, tags, parents, users.

Nothing here reads tasks: values come from the read model's columns, names from `Store.names`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from control_plane.schema.models import ModelIdsRequest
from control_plane.schema.projects import (
    HyperparamValuesRequest,
    MetadataValuesRequest,
    MetricVariantsRequest,
    ProjectPageRequest,
    ProjectsRequest,
)
from control_plane.services import listing, projects
from control_plane.services.context import Context
from control_plane.services.project_stats import STATES
from control_plane.services.projects_ex import of_state
from control_plane.services.registry import endpoint
from control_plane.store.errors import InvalidQuery
from control_plane.store.names import path_of
from control_plane.store.patterns import compile_pattern


def held(
    scope: list[str] | str | None,
    *,
    include_subprojects: bool = True,
    allow_public: bool = True,
    where: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The query for the tasks or models of some projects, or of all; `where`: what else it asks. Pure."""
    request: dict[str, Any] = {"include_subprojects": include_subprojects, **(where or {}), "search_hidden": True}
    if scope:
        request["project"] = [scope] if isinstance(scope, str) else scope
    if not allow_public:
        request["allow_public"] = False
    return request


def _page(values: list[Any], page: int, size: int) -> tuple[list[Any], int, int]:
    """(the page, how many there are, how many come after it)."""
    first = page * size
    shown = values[first : first + size]
    return shown, len(values), max(0, len(values) - first - len(shown))


# -- hyperparameters and metadata


@endpoint("projects.get_hyper_parameters", ProjectPageRequest, min_version="2.13")
async def get_hyper_parameters(ctx: Context, request: ProjectPageRequest) -> dict[str, Any]:
    """List the hyperparameters that the tasks of a project have."""
    where = held(request.project, include_subprojects=request.include_subprojects)
    names = sorted(pair for pair in await listing.names(ctx, "task", "hyperparams", where) if len(pair) == 2)
    shown, total, remaining = _page(names, request.page, request.page_size)
    parameters = [{"section": section, "name": name} for section, name in shown]
    return {"total": total, "remaining": remaining, "parameters": parameters}


@endpoint("projects.get_hyperparam_values", HyperparamValuesRequest, min_version="2.27")
async def get_hyperparam_values(ctx: Context, request: HyperparamValuesRequest) -> dict[str, Any]:
    """List the values that a hyperparameter has in the tasks of some projects."""
    where = held(request.projects, include_subprojects=request.include_subprojects, allow_public=request.allow_public)
    path = path_of("hyperparams", (request.section, request.name)) + ".value"
    values = await _texts(ctx, "task", where, path)
    if request.pattern:
        values = _matching(values, request.pattern)
    shown, total, _ = _page(values, request.page, request.page_size)
    return {"total": total, "values": shown}


async def _texts(ctx: Context, kind: str, where: dict[str, Any], path: str) -> list[str]:
    """The values at one path, each once, as text, sorted."""
    return sorted({str(value) for value, _ in await listing.counts(ctx, kind, where, [path]) if value is not None})


def _matching(values: list[str], pattern: str) -> list[str]:
    try:
        found = compile_pattern(pattern, re.IGNORECASE)
        return [value for value in values if found.is_in(value)]
    except InvalidQuery as error:
        raise listing.explained(error) from None


@endpoint("projects.get_model_metadata_keys", ProjectPageRequest, min_version="2.17")
async def get_model_metadata_keys(ctx: Context, request: ProjectPageRequest) -> dict[str, Any]:
    """List the metadata keys that the models of a project have."""
    where = held(request.project, include_subprojects=request.include_subprojects)
    keys = sorted(name[0] for name in await listing.names(ctx, "model", "metadata", where))
    shown, total, remaining = _page(keys, request.page, request.page_size)
    return {"total": total, "remaining": remaining, "keys": shown}


@endpoint("projects.get_model_metadata_values", MetadataValuesRequest, min_version="2.26")
async def get_model_metadata_values(ctx: Context, request: MetadataValuesRequest) -> dict[str, Any]:
    """List the values that a metadata key has in the models of some projects."""
    where = held(request.projects, include_subprojects=request.include_subprojects, allow_public=request.allow_public)
    values = await _texts(ctx, "model", where, path_of("metadata", (request.key,)) + ".value")
    shown, total, _ = _page(values, request.page, request.page_size)
    return {"total": total, "values": shown}


@endpoint("projects.get_unique_metric_variants", MetricVariantsRequest, min_version="2.28")
async def get_unique_metric_variants(ctx: Context, request: MetricVariantsRequest) -> dict[str, Any]:
    """List the metrics that the tasks or models of a project have reported."""
    kind = "model" if request.model_metrics else "task"
    where = held(request.project, include_subprojects=request.include_subprojects)
    if request.ids:
        where["id"] = request.ids
    found = {pair: id for pair, id in (await listing.names(ctx, kind, "last_metrics", where)).items() if len(pair) == 2}
    # The names stand in the values; a document for each pair is enough.
    wanted: dict[str, list[tuple[str, ...]]] = {}
    for pair, id in found.items():
        wanted.setdefault(id, []).append(pair)
    metrics = []
    for id, pairs in wanted.items():
        document = await ctx.store.get(kind, id, [("last_metrics", *pair) for pair in pairs])
        metrics += [_metric(pair, document) for pair in pairs if document is not None]
    known = [metric for metric in metrics if metric is not None]
    return {"metrics": sorted(known, key=lambda one: (one["metric"], one["variant"]))}


def _metric(pair: tuple[str, ...], document: dict[str, Any]) -> dict[str, str] | None:
    item = (document.get("last_metrics") or {}).get(pair[0], {}).get(pair[1])
    if item is None:
        return None  # reset since
    return {"metric": item["metric"], "variant": item["variant"], "metric_hash": pair[0], "variant_hash": pair[1]}


# -- tags, parents and users


@endpoint("projects.get_task_tags", ProjectsRequest, min_version="2.8")
async def get_task_tags(ctx: Context, request: ProjectsRequest) -> dict[str, Any]:
    """List the tags of the tasks of some projects."""
    return await tags_of(ctx, ["task"], held(request.projects, where=request.filter), request.include_system)


@endpoint("projects.get_model_tags", ProjectsRequest, min_version="2.8")
async def get_model_tags(ctx: Context, request: ProjectsRequest) -> dict[str, Any]:
    """List the tags of the models of some projects."""
    return await tags_of(ctx, ["model"], held(request.projects, where=request.filter), request.include_system)


@endpoint("projects.get_project_tags", ProjectsRequest, min_version="2.17")
async def get_project_tags(ctx: Context, request: ProjectsRequest) -> dict[str, Any]:
    """List the tags of some projects."""
    where: dict[str, Any] = {**(request.filter or {}), "search_hidden": True}
    if request.projects:
        where["id"] = request.projects
    return await tags_of(ctx, ["project"], where, request.include_system)


async def tags_of(ctx: Context, kinds: Iterable[str], where: dict[str, Any], include_system: bool) -> dict[str, Any]:
    """The tags that occur in what a query finds, sorted; the system's own only on request."""
    names = ("tags", "system_tags") if include_system else ("tags",)
    found: dict[str, set[str]] = {name: set() for name in names}
    for kind in kinds:
        for name in names:
            for tags, _ in await listing.counts(ctx, kind, where, [name]):
                found[name].update(tags or ())
    return {name: sorted(tags) for name, tags in found.items()}


@endpoint("projects.get_task_parents", ProjectsRequest, min_version="2.25")
async def get_task_parents(ctx: Context, request: ProjectsRequest) -> dict[str, Any]:
    """List the tasks that are parents of tasks in some projects."""
    where = held(request.projects, include_subprojects=request.include_subprojects)
    if request.tasks_state in STATES:
        where = of_state(where, request.tasks_state)
    ids = sorted(await listing.distinct(ctx, "task", "parent", **where))
    parents = await listing.load(ctx, "task", ids, ("id", "name", "project.name"), expand=True) if ids else []
    if request.task_name:
        kept = set(_matching([str(parent.get("name")) for parent in parents], request.task_name))
        parents = [parent for parent in parents if parent.get("name") in kept]
    return {"parents": sorted(parents, key=lambda parent: str(parent.get("name")))}


@endpoint("projects.get_user_names", ProjectsRequest, min_version="2.26")
async def get_user_names(ctx: Context, request: ProjectsRequest) -> dict[str, Any]:
    """List the users who made the tasks or models of some projects."""
    kind = "model" if request.entity == "model" else "task"
    where = held(request.projects, include_subprojects=request.include_subprojects)
    ids = sorted(await listing.distinct(ctx, kind, "user", **where))
    found = await ctx.store.get_many("user", ids, ["name"])
    return {"users": [{"id": user["id"], "name": user.get("name")} for user in found if user is not None]}


# -- who may see them


@endpoint("projects.make_public", ModelIdsRequest)
async def make_public(ctx: Context, request: ModelIdsRequest) -> dict[str, Any]:
    """Show projects to every company."""
    return await _mark(ctx, request.ids, ctx.company)


@endpoint("projects.make_private", ModelIdsRequest)
async def make_private(ctx: Context, request: ModelIdsRequest) -> dict[str, Any]:
    """Show projects to their own company only."""
    return await _mark(ctx, request.ids, None)


async def _mark(ctx: Context, ids: list[str], origin: str | None) -> dict[str, Any]:
    for id in ids:
        await projects.require(ctx, id, ["id"])
    transaction = ctx.store.transaction()
    for id in ids:
        transaction.set("project", id, {"company_origin": origin, "last_update": ctx.now_iso})
    await transaction.commit()
    return {"updated": len(ids)}
