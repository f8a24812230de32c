"""`users.*`: who works with this server, and what their page remembers."""

import re
from typing import Any
from uuid import uuid4

from control_plane.schema.auth import (
    CreateUserRequest,
    CreateUserWithIdRequest,
    PreferencesRequest,
    UpdateUserRequest,
    UserRequest,
    UsersRequest,
)
from control_plane.schema.base import Empty
from control_plane.services.context import Context
from control_plane.services.errors import forbidden, unknown_user, validation
from control_plane.services.registry import ADMINISTRATORS, endpoint
from control_plane.store import project

GETTING_STARTED = {
    "agentName": "clearml",
    "configure": "clearml-init",
    "install": "pip install clearml",
    "packageName": "clearml",
}


async def require(ctx: Context, user: str) -> dict[str, Any]:
    """The user's document; raise 400/301 where there is none."""
    document = await ctx.store.get("user", user)
    if document is None:
        raise unknown_user(id=user, company=ctx.company)
    return document


async def make(
    ctx: Context,
    request: CreateUserRequest | CreateUserWithIdRequest,
    *,
    role: str,
    id: str | None = None,
    email: str | None = None,
) -> str:
    """Write a new user and return the id."""
    user = id or uuid4().hex
    document: dict[str, Any] = {
        "id": user,
        "company": ctx.company,
        "name": request.name.strip(),
        "given_name": request.given_name or "",
        "family_name": request.family_name or "",
        "avatar": request.avatar,
        "email": email,
        "role": role,
        "created": ctx.now_iso,
        "preferences": {},
    }
    transaction = ctx.store.transaction()
    transaction.create("user", user, document)
    await transaction.commit()
    return user


def _shown(user: dict[str, Any]) -> dict[str, Any]:
    """What others may see of a user."""
    hidden = ("role", "email", "preferences")
    return {name: value for name, value in user.items() if name not in hidden}


@endpoint("users.get_current_user", Empty)
async def get_current_user(ctx: Context, request: Empty) -> dict[str, Any]:
    """Say who is calling."""
    user = await require(ctx, ctx.user)
    shown = {name: user.get(name) for name in ("id", "name", "given_name", "family_name", "avatar", "created")}
    company = {"id": ctx.company, "name": ctx.settings.company_name}
    return {
        "user": {**shown, "role": ctx.identity.role, "company": company},
        "getting_started": GETTING_STARTED,
        "settings": {"max_download_items": 50_000},
    }


@endpoint("users.get_by_id", UserRequest)
async def get_by_id(ctx: Context, request: UserRequest) -> dict[str, Any]:
    """Return one user."""
    return {"user": _shown(await require(ctx, request.user))}


async def _listed(ctx: Context, request: UsersRequest) -> list[dict[str, Any]]:
    if request.page < 0 or request.page_size < 1:
        raise validation("page must be >=0 and page_size >0", field="page")
    ids = request.id if request.id else sorted(await ctx.store.ids("user"))
    found = [_shown(user) for user in await ctx.store.get_many("user", ids) if user is not None]
    if request.name:
        try:
            pattern = re.compile(request.name)
        except re.error as error:
            raise validation(f"name is not a regular expression: {error}") from None
        found = [user for user in found if pattern.search(user["name"])]
    order = request.order_by or ["name"]
    for field in reversed([order] if isinstance(order, str) else order):
        found.sort(key=lambda user: str(user.get(field.lstrip("-")) or ""), reverse=field.startswith("-"))
    first = request.page * request.page_size
    return [project(user, request.only_fields) for user in found[first : first + request.page_size]]


@endpoint("users.get_all", UsersRequest)
async def get_all(ctx: Context, request: UsersRequest) -> dict[str, Any]:
    """List the users."""
    return {"users": await _listed(ctx, request)}


@endpoint("users.get_all_ex", UsersRequest)
async def get_all_ex(ctx: Context, request: UsersRequest) -> dict[str, Any]:
    """List the users."""
    return {"users": await _listed(ctx, request)}


@endpoint("users.create", CreateUserWithIdRequest, roles=ADMINISTRATORS, claim_allowed=False)
async def create(ctx: Context, request: CreateUserWithIdRequest) -> dict[str, Any]:
    """Make a user under a given id."""
    await make(ctx, request, role="user", id=request.id)
    return {}


@endpoint("users.delete", UserRequest, roles=ADMINISTRATORS, claim_allowed=False)
async def delete(ctx: Context, request: UserRequest) -> dict[str, Any]:
    """Remove a user and their keys; their tokens end."""
    await require(ctx, request.user)
    if request.user == ctx.user:
        raise validation("nobody can delete themselves")
    transaction = ctx.store.transaction()
    for key in await ctx.store.get_many("credential", await ctx.store.ids("credential"), ["user"]):
        if key is not None and key.get("user") == request.user:
            transaction.delete("credential", key["id"])
    transaction.delete("user", request.user)
    await transaction.commit()
    ctx.access.forget()
    return {}


@endpoint("users.update", UpdateUserRequest, claim_allowed=False)
async def update(ctx: Context, request: UpdateUserRequest) -> dict[str, Any]:
    """Change what is known of a user: of oneself, or of anybody as an administrator."""
    fields = {
        name: value
        for name in ("name", "given_name", "family_name", "avatar")
        if (value := getattr(request, name)) is not None
    }
    if request.user != ctx.user and ctx.identity.role not in ADMINISTRATORS:
        raise forbidden("only an administrator changes another user", user=request.user)
    if not fields or await ctx.store.get("user", request.user, ["id"]) is None:
        return {"updated": 0, "fields": fields}
    transaction = ctx.store.transaction()
    transaction.set("user", request.user, fields)
    await transaction.commit()
    return {"updated": 1, "fields": fields}


@endpoint("users.get_preferences", Empty)
async def get_preferences(ctx: Context, request: Empty) -> dict[str, Any]:
    """Return what the page remembers of the caller."""
    user = await require(ctx, ctx.user)
    return {"preferences": user.get("preferences") or {}}


@endpoint("users.set_preferences", PreferencesRequest)
async def set_preferences(ctx: Context, request: PreferencesRequest) -> dict[str, Any]:
    """Replace what the page remembers of the caller."""
    transaction = ctx.store.transaction()
    transaction.set("user", ctx.user, {"preferences": request.preferences})
    await transaction.commit()
    return {"updated": 1, "fields": {"preferences": request.preferences}}
