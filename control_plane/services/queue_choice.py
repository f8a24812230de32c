"""Which queue a call means: by id, by name (made if it is missing), or the default one."""

from typing import Any
from uuid import uuid4

from control_plane.services import listing
from control_plane.services.context import Context
from control_plane.services.errors import ApiError, Subcode, data_validation, unknown_queue
from control_plane.store import GuardFailed

MIN_NAME = 3


async def resolve(ctx: Context, queue: str | None, name: str | None) -> str:
    """The id of an existing queue.

    Raises 400/701 for an unknown id, and 400/707 or 400/708 when there is not exactly one default queue.
    """
    if queue:
        if not (await ctx.store.exists("queue", [queue]))[0]:
            raise unknown_queue(id=queue, company=ctx.company)
        return queue
    if name:
        return await find_or_make(ctx, name)
    return await default(ctx)


async def default(ctx: Context) -> str:
    """The queue with the system tag `default`."""
    ids = await listing.ids(ctx, "queue", {"system_tags": ["default"], "search_hidden": True})
    if not ids:
        raise ApiError(
            400,
            Subcode.NO_DEFAULT_QUEUE,
            "No queue is tagged as the default queue for this company",
            "name a queue, or give one the system tag default",
        )
    if len(ids) > 1:
        raise ApiError(
            400,
            Subcode.MANY_DEFAULT_QUEUES,
            "More than one queue is tagged as the default queue for this company",
            queues=ids,
        )
    return ids[0]


async def find_or_make(ctx: Context, name: str) -> str:
    """The queue of that name; made where there is none."""
    name = name.strip()
    if len(name) < MIN_NAME:
        raise data_validation(name="String value is too short")
    found = await ctx.store.id_by_name("queue", ctx.company, name)
    if found is not None:
        return found
    id = uuid4().hex
    transaction = ctx.store.transaction()
    transaction.claim_name("queue", ctx.company, name, id)
    transaction.create("queue", id, new_document(ctx.company, name, ctx.now_iso))
    try:
        await transaction.commit()
    except GuardFailed as failed:
        return str(failed.found)  # another call made it at this moment
    return id


async def is_watched(ctx: Context, queue: str) -> bool:
    """True when a living worker serves the queue."""
    return any(queue in worker.get("queues", ()) for worker in await ctx.store.workers.alive(ctx.now_ms))


def new_document(company: str, name: str, now_iso: str) -> dict[str, Any]:
    """A new queue. It is nobody's: official servers note no user, and clients compare."""
    return {
        "company": company,
        "name": name,
        "tags": [],
        "system_tags": [],
        "metadata": {},
        "created": now_iso,
        "last_update": now_iso,
    }
