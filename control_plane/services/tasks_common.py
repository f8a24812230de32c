"""What every `tasks.*` service does: read a task or say that there is none, and write it under its claim."""

from collections.abc import Sequence
from typing import Any

from control_plane.services.context import Context
from control_plane.services.errors import ApiError, bad_value, fenced, lost_race, unknown_task, wrong_status
from control_plane.services.status import Status
from control_plane.store import Committed, GuardFailed, Transaction


async def load(ctx: Context, task: str, parts: Sequence[str | tuple[str, ...]] | None = None) -> dict[str, Any]:
    """A task, or the paths of it that are named; raise 400/101 where there is none."""
    document = await ctx.store.get("task", task, parts)
    if document is None:
        raise unknown_task(id=task, company=ctx.company)
    return document


async def load_all(
    ctx: Context, tasks: Sequence[str], parts: Sequence[str | tuple[str, ...]] | None = None
) -> list[dict[str, Any]]:
    """All of these tasks in their order; raise 400/101 naming those that do not exist."""
    found = await ctx.store.get_many("task", tasks, parts)
    missing = [id for id, document in zip(tasks, found, strict=True) if document is None]
    if missing:
        raise unknown_task(ids=missing)
    return [document for document in found if document is not None]


def begin(ctx: Context, *tasks: str) -> Transaction:
    """A transaction that is refused when the caller's claim of one of these tasks is over."""
    transaction = ctx.store.transaction()
    for task in tasks:
        claim = ctx.identity.claim_for(task)
        if claim is not None:
            transaction.expect_claim(task, claim.number)
    return transaction


async def commit(ctx: Context, transaction: Transaction) -> Committed:
    """Commit, or raise what the caller should know of the condition that did not hold."""
    try:
        return await transaction.commit()
    except GuardFailed as failed:
        raise explained(ctx, failed) from None


def explained(ctx: Context, failed: GuardFailed) -> ApiError:
    """The API's error for a failed condition of a task's transaction."""
    guard = failed.guard
    if guard.kind == "claim":
        ctx.counters["fenced_writes"] += 1
        return fenced(guard.id, guard.expected, failed.found)
    if guard.kind == "exists" and guard.entity == "task":
        return unknown_task(id=guard.id, company=ctx.company)
    if guard.kind == "exists":
        return bad_value(f"expecting {guard.entity.capitalize()} id", id=guard.id, field=guard.entity)
    return lost_race(guard.id, str(failed.found))


def changed(ctx: Context) -> dict[str, Any]:
    """The fields that every edit sets."""
    now = ctx.now_iso
    return {"last_update": now, "last_change": now, "last_changed_by": ctx.user}


def require_editable(task: dict[str, Any], *, force: bool, also: Sequence[str] = ()) -> None:
    """Refuse to edit a task that is not `created`, unless forced or in one of `also`: 400/110."""
    status = task.get("status")
    if force or status == Status.CREATED or status in also:
        return
    raise wrong_status(expected=Status.CREATED.value, status=status)
