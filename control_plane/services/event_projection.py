"""What events do to the document of their owner: last metrics, last iteration, signs of life."""

from typing import Any

from control_plane.services.context import Context
from control_plane.services.tasks_common import explained
from control_plane.store import GuardFailed
from control_plane.store.events import SEQUENCE, Appended
from control_plane.store.series import Statistics, last_metrics

READ = ("status", "ready", "last_iteration", SEQUENCE)
"""Fields of the owner that this module and the checks before it need."""

RACES = 50


async def project(
    ctx: Context, kind: str, owner: str, document: dict[str, Any], appended: Appended, last_iteration: int | None
) -> None:
    """Bring the owner's document up to date with what was appended.

    A projection is complete after any crash: the next part, or the repeat of this one, finds the document's sequence
    number behind and writes every series again.
    """
    for _ in range(RACES):
        try:
            await _write(ctx, kind, owner, document, appended, last_iteration)
        except GuardFailed as failed:
            if failed.guard.kind == "claim":
                raise explained(ctx, failed) from None
            found = await ctx.store.get(kind, owner, READ)
            if found is None:
                return  # deleted meanwhile, its events with it
            document = found
        else:
            return
    raise RuntimeError(f"the document of {kind} {owner} changed {RACES} times while its metrics were written")


async def _write(
    ctx: Context, kind: str, owner: str, document: dict[str, Any], appended: Appended, last_iteration: int | None
) -> None:
    transaction = ctx.store.transaction()
    claim = ctx.identity.claim_for(owner)
    if claim is not None:
        transaction.expect_claim(owner, claim.number)
    values: dict[Any, Any] = {"last_update": ctx.now_iso}
    if kind == "task":
        values["last_change"] = ctx.now_iso
    before = document.get("last_iteration")
    if last_iteration is not None and last_iteration > (before or 0):
        transaction.expect(kind, owner, {"last_iteration": before})
        values["last_iteration"] = last_iteration
    seen = document.get(SEQUENCE)
    if (seen or 0) < appended.sequence:
        sequence, statistics = await _due(ctx, owner, seen or 0, appended)
        if sequence > (seen or 0):
            transaction.expect(kind, owner, {SEQUENCE: seen})
            values |= last_metrics(statistics)
            values[SEQUENCE] = sequence
    transaction.set(kind, owner, values)
    await transaction.commit()


async def _due(ctx: Context, owner: str, seen: int, appended: Appended) -> tuple[int, list[Statistics]]:
    """The statistics that the document lacks: those of this part, or all when it missed another one."""
    if appended.changed and seen == appended.sequence - 1:
        return appended.sequence, list(appended.changed)
    return await ctx.store.events.statistics(owner)
