"""`organization.*`: what spans every project."""

from typing import Any

from control_plane.schema.base import Empty
from control_plane.schema.organization import CountRequest, TagsRequest
from control_plane.services import listing
from control_plane.services.context import Context
from control_plane.services.projects_ex import only, projects_of_users
from control_plane.services.projects_queries import tags_of
from control_plane.services.registry import endpoint

COUNTED: dict[str, tuple[str, dict[str, Any]]] = {
    "projects": ("project", {}),
    "tasks": ("task", {}),
    "models": ("model", {}),
    "pipelines": ("project", {"system_tags": ["pipeline"], "search_hidden": True}),
    "datasets": ("project", {"system_tags": ["dataset"], "search_hidden": True}),
    "reports": ("task", {"type": ["report"], "search_hidden": True}),
}
"""Name in the request -> kind of document, and what the query says unless the caller's says otherwise."""


@endpoint("organization.get_tags", TagsRequest, min_version="2.8")
async def get_tags(ctx: Context, request: TagsRequest) -> dict[str, Any]:
    """List the tags of tasks and models, of those with some system tags where a filter names them."""
    where = {**(request.filter or {}), "search_hidden": True}
    return await tags_of(ctx, ["task", "model"], where, request.include_system)


@endpoint("organization.get_entities_count", CountRequest, min_version="2.23")
async def get_entities_count(ctx: Context, request: CountRequest) -> dict[str, Any]:
    """Count what each of the queries given finds."""
    counts: dict[str, Any] = {}
    for name, (kind, preset) in COUNTED.items():
        query = getattr(request, name)
        if query is None:
            continue
        where = {"search_hidden": request.search_hidden, "allow_public": request.allow_public, **preset, **query}
        if request.active_users and kind == "project":
            where = await only(ctx, where, await projects_of_users(ctx, request.active_users))
        elif request.active_users:
            where["user"] = request.active_users
        counts[name] = await listing.count(ctx, kind, where)
    return counts


@endpoint("organization.get_user_companies", Empty, min_version="2.12")
async def get_user_companies(ctx: Context, request: Empty) -> dict[str, Any]:
    """List the companies of the caller: the one there is."""
    users = await ctx.store.get_many("user", await ctx.store.ids("user"), ["name"])
    owners = [{"id": user["id"], "name": user.get("name")} for user in users if user is not None]
    company = {"id": ctx.company, "name": ctx.settings.company_name, "allocated": len(owners), "owners": owners}
    return {"companies": [company]}
