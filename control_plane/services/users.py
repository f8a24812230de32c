"""`users.*`: who works with this server, and what their page remembers."""

from typing import Any

from control_plane.schema.auth import (
    CreateUserWithIdRequest,
    PreferencesRequest,
    UpdateUserRequest,
    UserRequest,
    UsersRequest,
)
from control_plane.schema.base import Empty
from control_plane.services import accounts, listing
from control_plane.services.context import Context
from control_plane.services.errors import forbidden, validation
from control_plane.services.registry import endpoint
from control_plane.services.roles import ADMINISTRATORS, DOOR
from control_plane.store import GuardFailed, project
from control_plane.store.errors import InvalidQuery
from control_plane.store.layout import encode
from control_plane.store.patterns import compile_pattern

GETTING_STARTED = {
    "agentName": "clearml",
    "configure": "clearml-init",
    "install": "pip install clearml",
    "packageName": "clearml",
}
PREFERENCES_BYTES = 1024 * 1024
"""Largest preferences of one user."""
RACES = 50
"""How often a change of preferences starts again because another one was faster."""


def _shown(user: dict[str, Any]) -> dict[str, Any]:
    """What others may see of a user."""
    return {name: value for name, value in user.items() if name not in ("email", "preferences")}


@endpoint("users.get_current_user", Empty)
async def get_current_user(ctx: Context, request: Empty) -> dict[str, Any]:
    """Say who is calling."""
    user = await accounts.require(ctx, ctx.user)
    shown = {name: user.get(name) for name in ("id", "name", "given_name", "family_name", "avatar", "created")}
    company = {"id": ctx.company, "name": ctx.settings.company_name}
    return {
        "user": {**shown, "role": ctx.identity.role, "company": company},
        "getting_started": GETTING_STARTED,
        "settings": {"max_download_items": 50_000},
    }


@endpoint("users.get_by_id", UserRequest)
async def get_by_id(ctx: Context, request: UserRequest) -> dict[str, Any]:
    """Return one user; of the caller also the preferences, as JSON text (so do official servers)."""
    user = await accounts.require(ctx, request.user)
    if request.user != ctx.user:
        return {"user": _shown(user)}
    return {"user": {**_shown(user), "preferences": encode(user.get("preferences") or {}).decode()}}


async def _listed(ctx: Context, request: UsersRequest) -> list[dict[str, Any]]:
    if request.page < 0 or request.page_size < 1:
        raise validation("page must be >=0 and page_size >0", field="page")
    ids = set(request.id or await ctx.store.ids("user"))
    if request.active_in_projects is not None:
        ids &= await _active(ctx, request.active_in_projects)
    found = [_shown(user) for user in await ctx.store.get_many("user", sorted(ids)) if user is not None]
    if ctx.identity.role == DOOR:  # an administrator is nobody to pick
        found = [{"id": user["id"], "name": user["name"]} for user in found if user.get("role") not in ADMINISTRATORS]
    if request.name:
        try:
            pattern = compile_pattern(request.name)
            found = [user for user in found if pattern.is_in(user["name"])]
        except InvalidQuery as error:
            raise listing.explained(error) from None
    order = [request.order_by] if isinstance(request.order_by, str) else request.order_by or ["name"]
    for field in reversed(listing.few("order_by", order)):
        found.sort(key=lambda user: str(user.get(field.lstrip("-")) or ""), reverse=field.startswith("-"))
    first = request.page * request.page_size
    shown = listing.few("only_fields", request.only_fields or ())
    return [project(user, shown) for user in found[first : first + request.page_size]]


async def _active(ctx: Context, projects: list[str]) -> set[str]:
    """Who made a task in one of these projects or below them; in any, when none is named."""
    return await listing.distinct(ctx, "task", "user", **({"project": projects} if projects else {}))


@endpoint("users.get_all", UsersRequest)
async def get_all(ctx: Context, request: UsersRequest) -> dict[str, Any]:
    """List the users; of named fields only those, without the id that other lists always have (as official servers)."""
    found = await _listed(ctx, request)
    wanted = request.only_fields
    if wanted and "id" not in wanted and not all(path.startswith("-") for path in wanted):
        found = [{name: value for name, value in user.items() if name != "id"} for user in found]
    return {"users": found}


@endpoint("users.get_all_ex", UsersRequest)
async def get_all_ex(ctx: Context, request: UsersRequest) -> dict[str, Any]:
    """List the users."""
    return {"users": await _listed(ctx, request)}


@endpoint("users.create", CreateUserWithIdRequest)
async def create(ctx: Context, request: CreateUserWithIdRequest) -> dict[str, Any]:
    """Make a user under a given id."""
    facts = {name: getattr(request, name) for name in ("name", "given_name", "family_name", "avatar")}
    await accounts.make(ctx, facts, role="user", id=request.id)
    return {}


@endpoint("users.delete", UserRequest)
async def delete(ctx: Context, request: UserRequest) -> dict[str, Any]:
    """Remove a user and their keys; their sessions end. Their tasks stay."""
    await accounts.delete(ctx, request.user)
    return {}


@endpoint("users.update", UpdateUserRequest)
async def update(ctx: Context, request: UpdateUserRequest) -> dict[str, Any]:
    """Change what is known of a user: of oneself, or of anybody as an administrator."""
    fields = {
        name: value
        for name in ("name", "given_name", "family_name", "avatar")
        if (value := getattr(request, name)) is not None
    }
    if request.user != ctx.user and ctx.identity.role not in ADMINISTRATORS:
        if await ctx.store.get("user", request.user, ["id"]) is not None:
            raise forbidden("only an administrator changes another user", user=request.user)
        return {"updated": 0, "fields": fields}
    if not fields or await ctx.store.get("user", request.user, ["id"]) is None:
        return {"updated": 0, "fields": fields}
    await accounts.edit(ctx, request.user, fields)
    return {"updated": 1, "fields": fields}


@endpoint("users.get_preferences", Empty)
async def get_preferences(ctx: Context, request: Empty) -> dict[str, Any]:
    """Return what the page remembers of the caller."""
    user = await ctx.store.get("user", ctx.user, ["preferences"])
    return {"preferences": (user or {}).get("preferences") or {}}


@endpoint("users.set_preferences", PreferencesRequest)
async def set_preferences(ctx: Context, request: PreferencesRequest) -> dict[str, Any]:
    """Change what the page remembers of the caller: what is named, objects inside objects likewise."""
    for _ in range(RACES):
        user = await ctx.store.get("user", ctx.user, ["preferences", "_revision"]) or {}
        merged = merge(user.get("preferences") or {}, request.preferences)
        if len(encode(merged)) > PREFERENCES_BYTES:
            raise validation("the preferences of a user are at most 1 MiB", field="preferences")
        transaction = ctx.store.transaction()
        transaction.expect("user", ctx.user, {"_revision": user.get("_revision")})
        transaction.set("user", ctx.user, {"preferences": merged})
        transaction.increment("user", ctx.user, "_revision")
        try:
            await transaction.commit()
        except GuardFailed as error:
            if error.guard.kind == "equals":
                continue  # another page of the same user was faster: neither's change is lost
            raise
        return {"updated": 1, "fields": {"preferences": merged}}
    raise validation("other pages of this user change the preferences all the time; try again", field="preferences")


def merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """`old` with what `new` names; objects are merged, everything else is replaced."""
    merged = dict(old)
    for name, value in new.items():
        below = merged.get(name)
        merged[name] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
