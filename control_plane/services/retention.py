"""What the rules of retention ask: curves of tasks that ended long ago keep their shape, and lose most points."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime

from control_plane.services.context import Context
from control_plane.services.status import TERMINAL
from control_plane.store import Query
from control_plane.store.retention import Retention, Rule, rule_for

log = logging.getLogger(__name__)

PAUSE_S = 0.02
"""After each task: nobody waits for this, and others wait for the store."""
HOLD_MS = 60_000


async def apply(ctx: Context) -> int:
    """Thin what is due; returns how many points are gone. Ends early when another process seals now."""
    sealer, due = await ctx.store.events.sealer(), ctx.store.events.due
    rules = await Retention(ctx.store.connection).rules()
    if sealer is None or due is None or not rules:
        return 0
    thinner = await ctx.store.events.thinner()
    gone = 0
    for task, rule in await _old_tasks(ctx, rules):
        if not await due.lead(HOLD_MS):
            break
        gone += await thinner.thin(task, rule.samples)
        if rule.drops_console:
            await ctx.store.events.drop_lines(task, lambda _: True)
        await asyncio.sleep(PAUSE_S)
    if gone:
        log.info("old curves were thinned", extra={"points": gone})
    return gone


async def _old_tasks(ctx: Context, rules: Mapping[str, Rule]) -> list[tuple[str, Rule]]:
    """Every ended task that a rule is about, with that rule."""
    store = ctx.store
    names = dict(await store.values("project", Query.from_request("project", {"search_hidden": True}), ["name"]))
    by_name = {names[project]: rule for project, rule in rules.items() if project in names}
    of = {project: rule for project, name in names.items() if (rule := rule_for(name, by_name)) is not None}
    if not of:
        return []
    query = Query.from_request("task", {"status": sorted(TERMINAL), "project": sorted(of), "search_hidden": True})
    found = await store.values("task", query, ["project", "status_changed"])
    return [
        (task, of[project])
        for task, project, changed in found
        if project in of and changed and _is_over(changed, of[project], ctx.now)
    ]


def _is_over(changed: str, rule: Rule, now: datetime) -> bool:
    return (now - datetime.fromisoformat(changed)).total_seconds() > rule.days * 86400
