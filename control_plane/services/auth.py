"""`auth.*`: tokens, credentials, passwords and roles."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from control_plane.schema.auth import (
    CreateCredentialsRequest,
    CreateUserRequest,
    CredentialsRequest,
    EditUserRequest,
    GetCredentialsRequest,
    LoginRequest,
    RevokeSessionsRequest,
    RotateCredentialsRequest,
    SetPasswordRequest,
    TokenForUserRequest,
    ValidateTokenRequest,
)
from control_plane.schema.base import Empty
from control_plane.services import accounts, credentials
from control_plane.services.access import USER_FACTS
from control_plane.services.context import Context
from control_plane.services.errors import ApiError, Subcode, forbidden, unknown_user, validation
from control_plane.services.registry import endpoint
from control_plane.services.roles import ADMINISTRATORS, DOOR, lesser
from control_plane.store import GuardFailed

log = logging.getLogger(__name__)

LONGEST_KEY_S = 100 * 365 * 86_400


# ---- tokens


@endpoint("auth.login", LoginRequest)
async def login(ctx: Context, request: LoginRequest) -> dict[str, Any]:
    """Give a token for who is calling; one that runs a task under a claim keeps the claim."""
    if ctx.identity.role == DOOR:
        raise forbidden("pick a name first: this key opens a session for one with X-Clearml-Impersonate-As")
    return {"token": ctx.access.mint(ctx.identity, request.expiration_sec)}


@endpoint("auth.logout", Empty)
async def logout(ctx: Context, request: Empty) -> dict[str, Any]:
    """End the session that the caller's token belongs to, and remove the page's cookie."""
    await ctx.access.end_session(ctx.identity)
    return {}


@endpoint("auth.validate_token", ValidateTokenRequest)
async def validate_token(ctx: Context, request: ValidateTokenRequest) -> dict[str, Any]:
    """Say whether a token is good, and whose it is."""
    try:
        identity = await ctx.access.by_token(request.token)
    except ApiError as error:
        return {"valid": False, "msg": error.message}
    return {"valid": True, "user": identity.user, "company": identity.company}


@endpoint("auth.fixed_users_mode", Empty, authorize=False)
async def fixed_users_mode(ctx: Context, request: Empty) -> dict[str, Any]:
    """Official servers may have a list of users in a file; this one has none."""
    return {"enabled": False, "guest": {"enabled": False}, "server_errors": {}}


@endpoint("auth.get_token_for_user", TokenForUserRequest)
async def get_token_for_user(ctx: Context, request: TokenForUserRequest) -> dict[str, Any]:
    """Give an administrator a token of another user."""
    user = await ctx.store.get("user", request.user, USER_FACTS)
    if user is None:
        raise unknown_user(id=request.user, company=ctx.company)
    actor = ctx.identity.actor or ctx.user
    own = ctx.access.identity_from(user)
    identity = replace(own, credential=ctx.identity.credential, epoch=ctx.identity.epoch, actor=actor)
    log.info("token for another user", extra={"actor": actor, "user": request.user})
    return {"token": ctx.access.mint(identity, request.expiration_sec)}


# ---- credentials


@endpoint("auth.create_credentials", CreateCredentialsRequest)
async def create_credentials(ctx: Context, request: CreateCredentialsRequest) -> dict[str, Any]:
    """Make a key of the caller's own; its secret is in this answer and nowhere else.

    A key may do no more than its user, and no more than the key that made it; it does not outlive that one either.
    """
    user = _whose(ctx, request.user)
    owner = await accounts.require(ctx, user)
    role: str | None = request.role
    if user == ctx.user and not ctx.identity.actor:
        allowed = ctx.identity.role
        role = role or (allowed if allowed != owner.get("role") else None)
    else:
        allowed = str(owner.get("role") or "user")
    if role is not None and lesser(role, allowed) != role:
        raise validation("a key cannot do more than its user", field="role", role=role, allowed=allowed)
    transaction = ctx.store.transaction()
    transaction.expect_exists("user", user)
    expires = await _end(ctx, request.expiration_sec)
    made = credentials.add(transaction, user, ctx.now, label=(request.label or "").strip(), role=role, expires=expires)
    await transaction.commit()
    _audit(ctx, "key made", user, request.label)
    return {"credentials": made}


async def _end(ctx: Context, expiration_s: int | None) -> str | None:
    """When a new key ends: as asked, and not after the key that the caller came with."""
    ends: list[datetime] = []
    if expiration_s is not None:
        if not 1 <= expiration_s <= LONGEST_KEY_S:
            raise validation("expiration_sec is a number of seconds from 1 on", field="expiration_sec")
        ends.append(ctx.now + timedelta(seconds=expiration_s))
    if ctx.identity.credential:
        own = await ctx.store.get("credential", ctx.identity.credential, ["expires"])
        if own is not None and own.get("expires"):
            ends.append(datetime.fromisoformat(own["expires"]))
    return min(ends).isoformat(timespec="microseconds") if ends else None


@endpoint("auth.get_credentials", GetCredentialsRequest)
async def get_credentials(ctx: Context, request: GetCredentialsRequest) -> dict[str, Any]:
    """List the caller's keys, without secrets."""
    keys = await credentials.listed(ctx.store, _whose(ctx, request.user))
    return {"credentials": [credentials.shown(key) for key in keys], "additional_credentials": []}


@endpoint("auth.edit_credentials", CredentialsRequest)
async def edit_credentials(ctx: Context, request: CredentialsRequest) -> dict[str, Any]:
    """Change the label of one of the caller's keys."""
    key = await _own_key(ctx, request.access_key)
    transaction = ctx.store.transaction()
    transaction.set("credential", key["id"], {"label": (request.label or "").strip()})
    try:
        await transaction.commit()
    except GuardFailed:
        raise _unknown_key(ctx, request.access_key) from None
    return {"updated": 1}


@endpoint("auth.revoke_credentials", CredentialsRequest)
async def revoke_credentials(ctx: Context, request: CredentialsRequest) -> dict[str, Any]:
    """Remove one of the caller's keys; its tokens end with it."""
    key = await _own_key(ctx, request.access_key)
    transaction = ctx.store.transaction()
    credentials.remove(transaction, key, ctx.now)
    try:
        await transaction.commit()
    except GuardFailed:
        raise _unknown_key(ctx, request.access_key) from None
    ctx.access.forget()
    _audit(ctx, "key revoked", str(key["user"]), key.get("label"))
    return {"revoked": 1}


@endpoint("auth.rotate_credentials", RotateCredentialsRequest)
async def rotate_credentials(ctx: Context, request: RotateCredentialsRequest) -> dict[str, Any]:
    """Make a key like another one and revoke that, or let it end after `keep_sec`."""
    key = await _own_key(ctx, request.access_key)
    if credentials.problem(key, ctx.now.timestamp()):
        raise validation("a key that is over cannot be rotated; make a new one", field="access_key")
    if not 0 <= request.keep_sec <= LONGEST_KEY_S:
        raise validation("keep_sec is a number of seconds from 0 on", field="keep_sec")
    transaction = ctx.store.transaction()
    transaction.expect("credential", key["id"], {"secret": key["secret"]})  # rotated once, whoever asks twice
    made = credentials.add(
        transaction,
        str(key["user"]),
        ctx.now,
        label=str(key.get("label") or ""),
        role=key.get("role"),
        expires=key.get("expires"),
        kept=bool(key.get("kept")),
    )
    if request.keep_sec:
        end = (ctx.now + timedelta(seconds=request.keep_sec)).isoformat(timespec="microseconds")
        transaction.set("credential", key["id"], {"expires": min(end, key.get("expires") or end)})
    else:
        credentials.remove(transaction, key, ctx.now)
    try:
        await transaction.commit()
    except GuardFailed:
        raise _unknown_key(ctx, request.access_key) from None
    ctx.access.forget()
    _audit(ctx, "key rotated", str(key["user"]), key.get("label"))
    return {"credentials": made}


def _whose(ctx: Context, user: str | None) -> str:
    """The caller, or the user that an administrator names."""
    if user and user != ctx.user and ctx.identity.role not in ADMINISTRATORS:
        raise forbidden("only an administrator may do this for another user", user=user, role=ctx.identity.role)
    return user or ctx.user


async def _own_key(ctx: Context, access_key: str) -> dict[str, Any]:
    """The key; raise 400/75 unless it is the caller's (an administrator may manage anybody's)."""
    key = await ctx.store.get("credential", access_key)
    is_own = key is not None and (key.get("user") == ctx.user or ctx.identity.role in ADMINISTRATORS)
    if key is None or not is_own or key.get("revoked"):
        raise _unknown_key(ctx, access_key)
    return key


def _unknown_key(ctx: Context, access_key: str) -> ApiError:
    return ApiError(
        400,
        Subcode.UNKNOWN_CREDENTIALS,
        "Access key not found",
        "invalid user or invalid access key",
        user=ctx.user,
        access_key=access_key,
        company=ctx.company,
    )


# ---- users as accounts


@endpoint("auth.create_user", CreateUserRequest)
async def create_user(ctx: Context, request: CreateUserRequest) -> dict[str, Any]:
    """Make a user, as an administrator; where people pick their names at the page, as the page."""
    role = "user" if ctx.identity.role == DOOR else request.role
    facts = {name: getattr(request, name) for name in ("name", "email", "given_name", "family_name", "avatar")}
    return {"id": await accounts.make(ctx, facts, role=role)}


@endpoint("auth.edit_user", EditUserRequest)
async def edit_user(ctx: Context, request: EditUserRequest) -> dict[str, Any]:
    """Change a user's role; an administrator only."""
    user = request.user or ctx.user
    if request.role is None:
        return {"updated": 0, "fields": {}}
    await accounts.set_role(ctx, user, request.role)
    return {"updated": 1, "fields": {"role": request.role}}


@endpoint("auth.set_password", SetPasswordRequest)
async def set_password(ctx: Context, request: SetPasswordRequest) -> dict[str, Any]:
    """Change the caller's password (the current one is asked for), or as an administrator anybody's."""
    user = _whose(ctx, request.user)
    # The server's own command line needs no current password: whoever reaches the store is its administrator.
    is_own = user == ctx.user and not ctx.identity.actor and ctx.identity.role != "system"
    if is_own and not await accounts.has_password(ctx, user, request.current or ""):
        raise forbidden("the current password is another one", user=user)
    await accounts.set_password(ctx, user, request.password)
    return {"updated": 1}


@endpoint("auth.revoke_sessions", RevokeSessionsRequest)
async def revoke_sessions(ctx: Context, request: RevokeSessionsRequest) -> dict[str, Any]:
    """End the sessions that were begun with a password; keys, and the tokens made with them, stay good."""
    await accounts.end_sessions(ctx, _whose(ctx, request.user))
    return {"revoked": 1}


def _audit(ctx: Context, event: str, user: str, label: str | None) -> None:
    log.info(event, extra={"user": user, "by": ctx.identity.actor or ctx.user, "label": label or ""})
