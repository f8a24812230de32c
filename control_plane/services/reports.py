"""`reports.*`: texts about experiments. A report is a task of a type of its own, in a hidden project."""

from typing import Any

from control_plane.schema.base import Empty
from control_plane.schema.organization import (
    CreateReportRequest,
    MoveReportRequest,
    ReportRequest,
    UpdateReportRequest,
)
from control_plane.schema.tasks import DeleteOptions
from control_plane.services import listing, projects, sections, tasks
from control_plane.services.context import Context
from control_plane.services.errors import unknown_task
from control_plane.services.projects_queries import tags_of
from control_plane.services.query_fields import query_fields
from control_plane.services.registry import endpoint
from control_plane.services.tasks_common import begin, changed, commit, load, require_editable
from control_plane.services.tasks_edit import target_project
from control_plane.services.tasks_status import publish_task

TYPE = "report"
PROJECT = ".reports"
PROJECT_TAGS = ("reports", "hidden")
SYSTEM_TAGS = ("hidden", "reports")
ARCHIVED = "archived"


async def _project_of(ctx: Context, parent: str | None) -> str:
    """The hidden project for reports below a project, or at the top; made where it is missing."""
    above = (await projects.require(ctx, parent, ["name"]))["name"] + "/" if parent else ""
    id = await projects.find_or_make(ctx, f"{above}{PROJECT}")
    transaction = ctx.store.transaction()
    transaction.set("project", id, {"system_tags": list(PROJECT_TAGS)})
    await transaction.commit()
    return id


async def _require(ctx: Context, task: str) -> dict[str, Any]:
    report = await load(ctx, task, ["status", "type", "system_tags"])
    if report.get("type") != TYPE:
        raise unknown_task(id=task, company=ctx.company)
    return report


def _given(request: CreateReportRequest | UpdateReportRequest) -> dict[str, Any]:
    fields = {
        name: value for name in ("comment", "report", "report_assets") if (value := getattr(request, name)) is not None
    }
    if request.name is not None:
        fields["name"] = sections.clean_name(request.name)
    if request.tags is not None:
        fields["tags"] = sections.clean_tags(request.tags)
    return fields


@endpoint("reports.create", CreateReportRequest, min_version="2.24")
async def create(ctx: Context, request: CreateReportRequest) -> dict[str, Any]:
    """Make a report."""
    fields = _given(request)
    project = await _project_of(ctx, request.project)
    document = {**tasks.blank(ctx), **fields, "type": TYPE, "project": project, "system_tags": list(SYSTEM_TAGS)}
    return {"id": await tasks.insert(ctx, document), "project_id": project}


@endpoint("reports.update", UpdateReportRequest, min_version="2.24")
async def update(ctx: Context, request: UpdateReportRequest) -> dict[str, Any]:
    """Change a report that is not published."""
    report = await _require(ctx, request.task)
    require_editable(report, force=False)
    fields = _given(request)
    if not fields:
        return {"updated": 0, "fields": {}}
    transaction = begin(ctx, request.task)
    transaction.expect("task", request.task, {"status": report["status"]})
    transaction.set("task", request.task, {**fields, **changed(ctx)})
    await commit(ctx, transaction)
    return {"updated": 1, "fields": fields}


@endpoint("reports.get_all_ex", dict, min_version="2.27", reads=query_fields("task", "allow_public"))
async def get_all_ex(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Find reports; references are objects. Their texts are long and come with `tasks.get_by_id` only."""
    fields = [path for path in listing.only_fields(request) if path != "report"]
    where = {**request, "only_fields": fields or ["-report"], "type": [TYPE], "search_hidden": True}
    return await listing.answer(ctx, "task", "tasks", where, expand=True)


@endpoint("reports.publish", ReportRequest, min_version="2.23")
async def publish(ctx: Context, request: ReportRequest) -> dict[str, Any]:
    """Lock a report."""
    await _require(ctx, request.task)
    fields = await publish_task(ctx, request.task, force=True, reason=None, message=None, publish_model=False)
    if request.comment is not None:
        transaction = begin(ctx, request.task)
        transaction.set("task", request.task, {"comment": request.comment})
        await commit(ctx, transaction)
    return {"updated": 1, "fields": fields}


@endpoint("reports.archive", ReportRequest, min_version="2.23")
async def archive(ctx: Context, request: ReportRequest) -> dict[str, Any]:
    """Archive a report."""
    return await _tag(ctx, request, is_archived=True)


@endpoint("reports.unarchive", ReportRequest, min_version="2.23")
async def unarchive(ctx: Context, request: ReportRequest) -> dict[str, Any]:
    """Bring a report back from the archive."""
    return await _tag(ctx, request, is_archived=False)


async def _tag(ctx: Context, request: ReportRequest, *, is_archived: bool) -> dict[str, Any]:
    report = await _require(ctx, request.task)
    tags = [tag for tag in report.get("system_tags") or () if tag != ARCHIVED]
    fields = {"system_tags": [*tags, ARCHIVED] if is_archived else tags, **changed(ctx)}
    if request.comment is not None:
        fields["comment"] = request.comment
    transaction = begin(ctx, request.task)
    transaction.set("task", request.task, fields)
    await commit(ctx, transaction)
    return {"archived": 1} if is_archived else {"unarchived": 1}


@endpoint("reports.move", MoveReportRequest, min_version="2.23")
async def move(ctx: Context, request: MoveReportRequest) -> dict[str, Any]:
    """Put a report below another project."""
    await _require(ctx, request.task)
    project = await _project_of(ctx, await target_project(ctx, request.project, request.project_name))
    transaction = begin(ctx, request.task)
    transaction.set("task", request.task, {"project": project, **changed(ctx)})
    await commit(ctx, transaction)
    return {"project_id": project}


@endpoint("reports.delete", ReportRequest, min_version="2.23")
async def delete(ctx: Context, request: ReportRequest) -> dict[str, Any]:
    """Remove a report."""
    await _require(ctx, request.task)
    await tasks.delete_one(ctx, request.task, DeleteOptions(force=True))
    return {"deleted": 1}


@endpoint("reports.get_tags", Empty, min_version="2.23")
async def get_tags(ctx: Context, request: Empty) -> dict[str, Any]:
    """List the tags of the reports."""
    return await tags_of(ctx, ["task"], {"type": [TYPE], "search_hidden": True}, include_system=False)
