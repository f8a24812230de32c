"""Acting for another user, by the two headers that administrators may send. Source: contract/wire.md, section 2."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from control_plane.services.access import USER_FACTS, Access
from control_plane.services.context import Identity
from control_plane.services.errors import ApiError, Subcode, forbidden, unknown_user
from control_plane.services.roles import ADMINISTRATORS, DOOR, IMPERSONATORS

if TYPE_CHECKING:
    from control_plane.store import Store

log = logging.getLogger(__name__)

IMPERSONATE = "X-Clearml-Impersonate-As"
ACT_AS = "X-Clearml-Act-As"


async def apply(
    store: "Store", access: Access, identity: Identity, headers: Mapping[str, str], endpoint: str
) -> Identity:
    """The identity that the call runs under: the caller's own, unless a header names a user they may act for.

    Each use is a line in the log. The page's own key opens sessions of users who are no administrators, and does
    nothing else in their name.
    """
    impersonate, acting = headers.get(IMPERSONATE), headers.get(ACT_AS)
    if not impersonate and not acting:
        return identity
    if impersonate and acting:
        raise ApiError(
            400, Subcode.INVALID_HEADERS, "Invalid headers", "only one allowed", headers=(IMPERSONATE, ACT_AS)
        )
    is_door = identity.role == DOOR and endpoint == "auth.login"
    if identity.claim is not None or not (is_door or identity.role in IMPERSONATORS):
        raise ApiError(400, Subcode.IMPERSONATION, "Impersonation is not allowed", role=identity.role)
    # A header may hold bytes that are no text.
    wanted = (impersonate or acting or "").encode("utf-8", "replace").decode()
    user = await store.get("user", wanted, USER_FACTS)
    if user is None:
        raise unknown_user(id=wanted, company=identity.company)
    if is_door and user.get("role") in ADMINISTRATORS:
        raise forbidden("an administrator logs in with a password or a key", user=wanted)
    facts = {"actor": identity.user or "page", "user": wanted, "endpoint": endpoint}
    log.info("acting for another user", extra=facts)
    found = act_as(access, identity, user)
    return replace(found, actor="", epoch=int(user.get("_epoch") or 0)) if is_door else found


def act_as(access: Access, identity: Identity, user: Mapping[str, Any]) -> Identity:
    """The identity of a user for whom `identity` acts; whether it may is the caller's question."""
    actor = identity.actor or identity.user
    own = access.identity_from(dict(user))
    return replace(own, credential=identity.credential, session=identity.session, epoch=identity.epoch, actor=actor)
