"""`projects.get_all_ex`: projects with what the page shows about each - statistics, contents, what lies below."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from control_plane.services import listing, project_stats
from control_plane.services.context import Context
from control_plane.services.errors import validation
from control_plane.services.project_stats import ARCHIVED
from control_plane.services.query_fields import query_fields
from control_plane.services.registry import endpoint

HIDDEN = "hidden"
NOBODY = ["-"]
"""An id that no document has: a query for nothing."""
KINDS_OF_CHILDREN = {"pipeline": "pipeline", "dataset": "dataset", "report": "reports"}
"""`children_type` -> the system tag of the projects that hold such children."""

READS = query_fields(
    "project",
    *("include_stats", "stats_for_state", "stats_with_children", "include_stats_filter", "include_dataset_stats"),
    *("check_own_contents", "children_type", "children_tags", "children_tags_filter", "active_users"),
    *("non_public", "allow_public"),
)


@endpoint("projects.get_all_ex", dict, reads=READS)
async def get_all_ex(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Find projects; references are objects, with statistics and contents where these are asked for."""
    answer = await listing.answer(ctx, "project", "projects", await _narrowed(ctx, request), expand=True)
    found = answer["projects"]
    if found and (request.get("children_type") or request.get("search_hidden")):
        await _mark_hidden(ctx, found)
    if found and request.get("include_stats"):
        await _add_stats(ctx, found, request)
    if found and request.get("include_dataset_stats"):
        await _add_dataset_stats(ctx, found)
    if found and request.get("check_own_contents"):
        await _add_own_contents(ctx, found)
    return answer


# -- which projects


async def _narrowed(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """The request, its ids cut down to the projects that hold such children or in which such users work."""
    sets = [
        await choose(ctx, request)
        for name, choose in (("children_type", _with_children), ("active_users", _with_users))
        if request.get(name)
    ]
    if not sets:
        return request
    return await only(ctx, request, set.intersection(*sets))


async def only(ctx: Context, request: dict[str, Any], projects: set[str]) -> dict[str, Any]:
    """A query for projects, for these of them only."""
    named = [request["id"]] if isinstance(request.get("id"), str) else request.get("id")
    if named and not isinstance(named, list):
        return request  # which the query refuses
    if named:
        projects = {id for id in projects if id in named}
    elif not request.get("search_hidden"):
        # Ids in a query show what is hidden, and these are not the caller's.
        rows = await listing.values(ctx, "project", {"id": sorted(projects) or NOBODY}, ["system_tags"])
        projects = {id for id, tags in rows if HIDDEN not in (tags or ())}
    return {**request, "id": sorted(projects) or NOBODY}


async def _with_children(ctx: Context, request: Mapping[str, Any]) -> set[str]:
    """The projects of pipelines, datasets or reports, and those above them."""
    kind = request["children_type"]
    if not isinstance(kind, str) or kind not in KINDS_OF_CHILDREN:
        raise validation(f"error for field 'children_type': expected one of {sorted(KINDS_OF_CHILDREN)}", value=kind)
    where: dict[str, Any] = {"search_hidden": True}
    if request.get("children_tags"):
        where["tags"] = request["children_tags"]
    if request.get("children_tags_filter"):
        where["filters"] = {"tags": request["children_tags_filter"]}
    if kind == "report":
        rows = await listing.values(ctx, "task", {**where, "type": [kind]}, ["project"])
        return await _and_above(ctx, {str(project) for _, project in rows if project})
    rows = await listing.values(ctx, "project", {**where, "system_tags": [KINDS_OF_CHILDREN[kind]]}, ["path"])
    return _holders(rows)


async def _with_users(ctx: Context, request: Mapping[str, Any]) -> set[str]:
    return await projects_of_users(ctx, request["active_users"])


async def projects_of_users(ctx: Context, users: list[str]) -> set[str]:
    """The projects that some users made, or have tasks or models in, and those above them."""
    made = _holders(await listing.values(ctx, "project", {"user": users, "search_hidden": True}, ["path"]))
    used: set[str] = set()
    for kind in ("task", "model"):
        used |= await listing.distinct(ctx, kind, "project", user=users)
    return made | await _and_above(ctx, used)


async def _and_above(ctx: Context, projects: set[str]) -> set[str]:
    return _holders(await listing.values(ctx, "project", {"id": sorted(projects) or NOBODY}, ["path"]))


def _holders(rows: Iterable[tuple[Any, ...]]) -> set[str]:
    """The projects of (id, path) rows, and those above them."""
    return {id for id, path in rows for id in (id, *(path or ()))}


# -- what is said about each


async def _mark_hidden(ctx: Context, found: list[dict[str, Any]]) -> None:
    ids = [project["id"] for project in found]
    rows = await listing.values(ctx, "project", {"id": ids, "system_tags": [HIDDEN]}, [])
    hidden = {row[0] for row in rows}
    for project in found:
        if project["id"] in hidden:
            project["hidden"] = True


async def _add_stats(ctx: Context, found: list[dict[str, Any]], request: Mapping[str, Any]) -> None:
    """One query for the tasks of all the projects, whatever their number."""
    shows_hidden = bool(request.get("search_hidden"))
    below: dict[str, list[dict[str, Any]]] = {project["id"]: [] for project in found}
    if request.get("stats_with_children", True):
        where = {"path": list(below), "search_hidden": shows_hidden, "order_by": ["name"]}
        for id, name, path in await listing.values(ctx, "project", where, ["name", "path"]):
            for above in path:
                if above in below:
                    below[above].append({"id": id, "name": name})
    scope = dict.fromkeys(id for project in found for id in (project["id"], *_ids(below[project["id"]])))
    state = request.get("stats_for_state") or "active"
    if state not in project_stats.STATES:
        raise validation(f"error for field 'stats_for_state': expected one of {list(project_stats.STATES)}")
    asked = request.get("include_stats_filter") or {}
    if not isinstance(asked, Mapping):
        raise validation("error for field 'include_stats_filter': an object was expected")
    own = {**asked, "project": list(scope), "search_hidden": shows_hidden}
    counts = await _counted(ctx, of_state(own, state))
    for project in found:
        children = below[project["id"]]
        held = [counts[id] for id in (project["id"], *_ids(children)) if id in counts]
        project["stats"] = {state: project_stats.total(held)}
        project["sub_projects"] = children


async def _counted(ctx: Context, where: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Project id -> counts of the tasks that a query finds in it."""
    day_ago = (ctx.now - timedelta(days=1)).isoformat()
    lately = {**where, "_and_": {"fields": ["completed"], "datetime": [f">{day_ago}"]}}
    by = ["project", "status"]
    return project_stats.count(
        await listing.totals(ctx, "task", where, by, sums=["active_duration"], greatest=["started"]),
        await listing.counts(ctx, "task", lately, by),
    )


def _ids(projects: Iterable[Mapping[str, Any]]) -> list[str]:
    return [project["id"] for project in projects]


def of_state(where: Mapping[str, Any], state: str) -> dict[str, Any]:
    """A query for active or archived things only, beside what it asks of their system tags. Pure."""
    side = "include" if state == ARCHIVED else "exclude"
    filters = where.get("filters") or {}
    tags = (filters.get("system_tags") or {}) if isinstance(filters, Mapping) else filters
    every = (tags.get("all") or {}) if isinstance(tags, Mapping) else tags
    asked = (every.get(side) or []) if isinstance(every, Mapping) else every
    if not isinstance(asked, list):
        return dict(where)  # which the query refuses
    return {**where, "filters": {**filters, "system_tags": {**tags, "all": {**every, side: [*asked, ARCHIVED]}}}}


async def _add_dataset_stats(ctx: Context, found: list[dict[str, Any]]) -> None:
    """Number of files and bytes of each dataset's newest version, from what the SDK wrote into its task."""
    where = {"project": _ids(found), "system_tags": ["dataset"], "search_hidden": True, "order_by": ["created"]}
    paths = ["project", "runtime.ds_file_count", "runtime.ds_total_size"]
    newest = {project: (files, size) for _, project, files, size in await listing.values(ctx, "task", where, paths)}
    for project in found:
        if project["id"] in newest:
            files, size = newest[project["id"]]
            project["dataset_stats"] = {"file_count": files or 0, "total_size": size or 0}


async def _add_own_contents(ctx: Context, found: list[dict[str, Any]]) -> None:
    for kind in ("task", "model"):
        where = of_state({"project": _ids(found), "search_hidden": True}, "active")
        held = dict(await listing.counts(ctx, kind, where, ["project"]))
        for project in found:
            project[f"own_{kind}s"] = held.get(project["id"], 0)
