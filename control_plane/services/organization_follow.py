"""`organization.follow`: what changed, as it changes, for pages that show lists. Ids only: whoever wants more asks."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator

from control_plane.schema.organization import FollowRequest
from control_plane.services.context import Context
from control_plane.services.registry import Message, Stream, endpoint

TOGETHER_S = 0.25
"""Changes that come within this time are told together."""


@endpoint("organization.follow", FollowRequest)
async def follow(ctx: Context, request: FollowRequest) -> Stream:
    """Tell which tasks, models, projects and queues change, as server-sent events."""
    return Stream(_messages(ctx, frozenset(request.kinds), request.timeout_s), request.heartbeat_s)


async def _messages(ctx: Context, kinds: frozenset[str], timeout_s: float) -> AsyncGenerator[Message, None]:
    until = time.monotonic() + timeout_s
    with ctx.store.changes.observing() as observer:
        yield Message("ready", {})  # from here on nothing is missed
        while (left_s := until - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left_s):
                    await observer.wait()
            except TimeoutError:
                return
            await asyncio.sleep(TOGETHER_S)
            changes, is_complete = observer.take()
            told: dict[str, list[str]] = defaultdict(list)
            for kind, id in changes:
                if kind in kinds:
                    told[kind].append(id)
            if told or not is_complete:
                yield Message("changed", {"complete": is_complete, **told})
