"""Fencing: what runs under a claim writes nothing any more once the claim is over.

Every transaction of such a call has the claim among its conditions (`Store.for_call`); here the claim is looked at
before the call as well, so that it is refused for this reason and no other, and so that writes which are no
transactions (events, workers, files) are refused too.
"""

from control_plane.services.context import Identity
from control_plane.services.errors import ApiError, fenced
from control_plane.services.roles import Use, use_of
from control_plane.store import Store
from control_plane.store.errors import ClaimOver
from control_plane.store.notes import Fence

READS = frozenset({Use.OPEN, Use.SESSION, Use.PERSONAL, Use.READ})
"""Uses that change nothing of a task."""


async def of(store: Store, identity: Identity, endpoint: str) -> Fence | None:
    """What fences this call; None for people, official agents and reads. Raises ClaimOver when the claim is over."""
    if identity.claim is None or use_of(endpoint) in READS:
        return None
    await check(store, identity)
    return Fence(identity.claim.task, identity.claim.number)


async def check(store: Store, identity: Identity) -> None:
    """Raise ClaimOver when the caller's claim is over."""
    claim = identity.claim
    if claim is None:
        return
    current = (await store.queues.claim_numbers([claim.task])).get(claim.task)
    if current != claim.number:
        raise ClaimOver(claim.task, claim.number, current)


def explained(error: ClaimOver) -> ApiError:
    """What the caller is told."""
    return fenced(error.task, error.number, error.current)
