"""Acting for another user, by the two headers that administrators may send. Source: contract/wire.md, section 2."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from control_plane.services.access import Access
from control_plane.services.context import Identity
from control_plane.services.errors import ApiError, Subcode, unknown_user
from control_plane.services.registry import ADMINISTRATORS

if TYPE_CHECKING:
    from control_plane.store import Store

IMPERSONATE = "X-Clearml-Impersonate-As"
ACT_AS = "X-Clearml-Act-As"


async def apply(store: "Store", access: Access, identity: Identity, headers: Mapping[str, str]) -> Identity:
    """The identity that the call runs under: the caller's own, unless an administrator's header names a user."""
    impersonate, act_as = headers.get(IMPERSONATE), headers.get(ACT_AS)
    if not impersonate and not act_as:
        return identity
    if impersonate and act_as:
        raise ApiError(
            400, Subcode.INVALID_HEADERS, "Invalid headers", "only one allowed", headers=(IMPERSONATE, ACT_AS)
        )
    if identity.role not in ADMINISTRATORS or identity.claim is not None:
        raise ApiError(400, Subcode.IMPERSONATION, "Impersonation is not allowed", role=identity.role)
    wanted = impersonate or act_as or ""
    user = await store.get("user", wanted)
    if user is None:
        raise unknown_user(id=wanted, company=identity.company)
    return replace(access.identity_from(user, identity.credential), claim=identity.claim)
