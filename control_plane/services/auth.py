"""`auth.*`: tokens, credentials and users' roles."""

from dataclasses import replace
from typing import Any

from control_plane.schema.auth import (
    CreateUserRequest,
    CredentialsRequest,
    EditUserRequest,
    LabelRequest,
    LoginRequest,
    TokenForUserRequest,
    ValidateTokenRequest,
)
from control_plane.schema.base import Empty
from control_plane.services import users
from control_plane.services.context import Context
from control_plane.services.errors import ApiError, Subcode, unknown_user, validation
from control_plane.services.registry import ADMINISTRATORS, endpoint


@endpoint("auth.login", LoginRequest)
async def login(ctx: Context, request: LoginRequest) -> dict[str, Any]:
    """Give a token for who is calling; one that runs a task under a claim keeps the claim."""
    return {"token": ctx.access.mint(ctx.identity, request.expiration_sec)}


@endpoint("auth.logout", Empty)
async def logout(ctx: Context, request: Empty) -> dict[str, Any]:
    """End the page's session: its cookie is removed."""
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


@endpoint("auth.create_credentials", LabelRequest, claim_allowed=False)
async def create_credentials(ctx: Context, request: LabelRequest) -> dict[str, Any]:
    """Make a key of the caller's own; its secret is in this answer and nowhere else."""
    return {"credentials": await ctx.access.create_pair(ctx.user, request.label)}


@endpoint("auth.get_credentials", Empty, claim_allowed=False)
async def get_credentials(ctx: Context, request: Empty) -> dict[str, Any]:
    """List the caller's keys, without secrets."""
    ids = await ctx.store.ids("credential")
    found = await ctx.store.get_many("credential", sorted(ids))
    keys = [
        {"access_key": key["id"], "label": key.get("label", ""), "created": key.get("created")}
        for key in found
        if key is not None and key.get("user") == ctx.user
    ]
    return {"credentials": keys, "additional_credentials": []}


@endpoint("auth.edit_credentials", CredentialsRequest, claim_allowed=False)
async def edit_credentials(ctx: Context, request: CredentialsRequest) -> dict[str, Any]:
    """Change the label of one of the caller's keys."""
    await _own_key(ctx, request.access_key)
    transaction = ctx.store.transaction()
    transaction.set("credential", request.access_key, {"label": request.label or ""})
    await transaction.commit()
    return {"updated": 1}


@endpoint("auth.revoke_credentials", CredentialsRequest, claim_allowed=False)
async def revoke_credentials(ctx: Context, request: CredentialsRequest) -> dict[str, Any]:
    """Remove one of the caller's keys; its tokens end with it."""
    await _own_key(ctx, request.access_key)
    transaction = ctx.store.transaction()
    transaction.delete("credential", request.access_key)
    await transaction.commit()
    ctx.access.forget()
    return {"revoked": 1}


async def _own_key(ctx: Context, access_key: str) -> None:
    """Raise 400/75 unless the key exists and is the caller's (an administrator may manage anybody's)."""
    key = await ctx.store.get("credential", access_key)
    if key is None or (key.get("user") != ctx.user and ctx.identity.role not in ADMINISTRATORS):
        raise ApiError(
            400,
            Subcode.UNKNOWN_CREDENTIALS,
            "Access key not found",
            "invalid user or invalid access key",
            user=ctx.user,
            access_key=access_key,
            company=ctx.company,
        )


@endpoint("auth.get_token_for_user", TokenForUserRequest, roles=ADMINISTRATORS, claim_allowed=False)
async def get_token_for_user(ctx: Context, request: TokenForUserRequest) -> dict[str, Any]:
    """Give an administrator a token of another user."""
    user = await ctx.store.get("user", request.user)
    if user is None:
        raise unknown_user(id=request.user, company=ctx.company)
    identity = ctx.access.identity_from(user, ctx.identity.credential)
    return {"token": ctx.access.mint(replace(identity, claim=None), request.expiration_sec)}


@endpoint("auth.create_user", CreateUserRequest, roles=ADMINISTRATORS, claim_allowed=False)
async def create_user(ctx: Context, request: CreateUserRequest) -> dict[str, Any]:
    """Make a user, as an administrator; `auth.get_token_for_user` lets one make keys for them."""
    return {"id": await users.make(ctx, request, role=request.role, email=request.email)}


@endpoint("auth.edit_user", EditUserRequest, roles=ADMINISTRATORS, claim_allowed=False)
async def edit_user(ctx: Context, request: EditUserRequest) -> dict[str, Any]:
    """Change a user's role; an administrator only."""
    user = request.user or ctx.user
    if request.role is None:
        return {"updated": 0, "fields": {}}
    if user == ctx.user and request.role not in ADMINISTRATORS:
        raise validation("an administrator cannot give up their own role; let another one do it")
    await users.require(ctx, user)
    transaction = ctx.store.transaction()
    transaction.set("user", user, {"role": request.role})
    await transaction.commit()
    ctx.access.forget()
    return {"updated": 1, "fields": {"role": request.role}}
