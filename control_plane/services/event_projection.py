"""What events do to the document of their owner: last metrics, last iteration, signs of life."""

from collections.abc import Sequence
from typing import Any

from control_plane.services.context import Context
from control_plane.services.tasks_common import explained
from control_plane.store import GuardFailed, Transaction
from control_plane.store.events import SEQUENCE, Along, Appended
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


def along(
    ctx: Context, kind: str, owner: str, document: dict[str, Any], last_iteration: int | None, written: dict[str, Any]
) -> Along:
    """What a part does to its owner's document, for `append`: only if the document is as it was believed to be.

    Args:
        written: gets what the document says then.
    """

    def made(appended: Appended) -> Transaction:
        seen = document.get(SEQUENCE) or 0
        if seen < appended.sequence - bool(appended.changed):
            raise DocumentBehind
        lock = "status" if kind == "task" else "ready"
        transaction = _begun(ctx, owner)
        transaction.expect(kind, owner, {lock: document.get(lock)})
        values = _values(ctx, kind, owner, document, last_iteration, transaction)
        if seen < appended.sequence:
            _show(kind, owner, document, appended.sequence, appended.changed, values, transaction)
        written.update({name: value for name, value in values.items() if name in READ})
        transaction.set(kind, owner, values)
        return transaction

    return made


class DocumentBehind(Exception):
    """The owner's document lacks earlier reports: somebody died after he had stored them."""


async def _write(
    ctx: Context, kind: str, owner: str, document: dict[str, Any], appended: Appended, last_iteration: int | None
) -> None:
    transaction = _begun(ctx, owner)
    values = _values(ctx, kind, owner, document, last_iteration, transaction)
    seen = document.get(SEQUENCE) or 0
    if seen < appended.sequence:
        sequence, statistics = await _due(ctx, owner, seen, appended)
        if sequence > seen:
            _show(kind, owner, document, sequence, statistics, values, transaction)
    transaction.set(kind, owner, values)
    await transaction.commit()


def _begun(ctx: Context, owner: str) -> Transaction:
    transaction = ctx.store.transaction()
    claim = ctx.identity.claim_for(owner)
    if claim is not None:
        transaction.expect_claim(owner, claim.number)
    return transaction


def _values(
    ctx: Context,
    kind: str,
    owner: str,
    document: dict[str, Any],
    last_iteration: int | None,
    transaction: Transaction,
) -> dict[Any, Any]:
    """Signs of life, and the last iteration where it is one."""
    values: dict[Any, Any] = {"last_update": ctx.now_iso}
    if kind == "task":
        values["last_change"] = ctx.now_iso
    before = document.get("last_iteration")
    if last_iteration is not None and last_iteration > (before or 0):
        transaction.expect(kind, owner, {"last_iteration": before})
        values["last_iteration"] = last_iteration
    return values


def _show(
    kind: str,
    owner: str,
    document: dict[str, Any],
    sequence: int,
    statistics: Sequence[Statistics],
    values: dict[Any, Any],
    transaction: Transaction,
) -> None:
    transaction.expect(kind, owner, {SEQUENCE: document.get(SEQUENCE)})
    values |= last_metrics(statistics)
    values[SEQUENCE] = sequence


async def _due(ctx: Context, owner: str, seen: int, appended: Appended) -> tuple[int, list[Statistics]]:
    """The statistics that the document lacks: those of this part, or all when it missed another one."""
    if appended.changed and seen == appended.sequence - 1:
        return appended.sequence, list(appended.changed)
    return await ctx.store.events.statistics(owner)
