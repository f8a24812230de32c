"""Taking a task from one status to another: what is written, under which conditions, and what its history keeps."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from control_plane.services.context import Context
from control_plane.services.errors import illegal_status
from control_plane.services.status import Status, is_legal
from control_plane.services.tasks_common import begin
from control_plane.store import Transaction

STATUS_PARTS = ("status", "started", "system_tags")
"""What of a task must be read before it takes a step."""


def status_fields(ctx: Context, status: str, reason: str | None, message: str | None) -> dict[str, Any]:
    """What every change of status sets; a message that is not given is cleared."""
    now = ctx.now_iso
    return {
        "status": str(status),
        "status_reason": reason or "",
        "status_message": message or "",
        "status_changed": now,
        "last_update": now,
        "last_change": now,
        "last_changed_by": ctx.user,
    }


def step(
    ctx: Context,
    task: dict[str, Any],
    new: Status,
    *,
    force: bool,
    reason: str | None,
    message: str | None,
    extra: dict[str, Any] | None = None,
) -> tuple[Transaction, dict[str, Any]]:
    """A transaction that takes the task from the status it was read with to `new`, and the fields it sets.

    Raises 400/110 for a step that the machine does not have. The commit fails with 400/121 when somebody else
    changed the status since.
    """
    current = task.get("status")
    if not is_legal(str(current), new, force=force):
        raise illegal_status(str(current), new)
    fields = {**status_fields(ctx, new, reason, message), **(extra or {})}
    transaction = begin(ctx, task["id"])
    transaction.expect("task", task["id"], {"status": current})
    transaction.set("task", task["id"], fields)
    is_forced = not is_legal(str(current), new)
    record(ctx, transaction, task["id"], str(current), new, said=fields, is_forced=is_forced)
    if current == Status.IN_PROGRESS and new != Status.IN_PROGRESS:
        duration_s = _seconds_since(task.get("started"), ctx.now)
        if duration_s is not None:
            transaction.set("task", task["id"], {"active_duration": duration_s})
    return transaction, fields


def _seconds_since(started: str | None, now: datetime) -> int | None:
    if not started:
        return None
    return max(0, int((now - datetime.fromisoformat(started)).total_seconds()))


def record(
    ctx: Context,
    transaction: Transaction,
    task: str,
    old: str,
    new: str,
    *,
    said: Mapping[str, Any],
    is_forced: bool = False,
) -> None:
    """Note in the task's history who changes its status, over what, and why; with the change, or not at all.

    A repeated call without a word is no change and leaves no note.

    Args:
        said: `status_fields` of the change.
    """
    reason, message = said.get("status_reason") or "", said.get("status_message") or ""
    if old == new and not reason and not message:
        return
    transaction.record(
        task,
        {
            "timestamp": said["status_changed"],
            "from": str(old),
            "to": str(new),
            "reason": reason,
            "message": message,
            "forced": is_forced,
            "operation": ctx.endpoint,
            **actor(ctx),
        },
    )


def actor(ctx: Context) -> dict[str, str]:
    """Who acts: a person or script (`user`), the agent that runs the task (`worker`), or the server itself (`server`).

    A worker is known by the token of its claim; official agents use their user's key, and only name themselves.
    """
    claim = ctx.identity.claim
    kind = "server" if ctx.identity.role == "system" else "worker" if claim is not None else "user"
    worker = claim.worker if claim is not None else ctx.worker
    return {"actor": kind, "user": ctx.user, "worker": worker}
