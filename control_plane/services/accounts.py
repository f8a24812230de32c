"""Users as accounts: making and deleting them, their roles, passwords and sessions.

    user     id, company, name, given_name, family_name, avatar, email, role, created, preferences
             _password (a hash, with a password only), _epoch (how often all sessions were ended)

A user with a password owns their name (whatever its case): it is what they log in with. Others may share one.
There is always an administrator: the last one keeps role and account, whoever asks at the same time.
"""

import logging
from typing import Any
from uuid import uuid4

from control_plane.services import credentials, passwords
from control_plane.services.access import login_name
from control_plane.services.context import Context
from control_plane.services.errors import ApiError, duplicate, unknown_user, validation
from control_plane.services.roles import ADMINISTRATORS
from control_plane.services.setup import administrator_id
from control_plane.store import GuardFailed, Transaction

log = logging.getLogger(__name__)

FACTS = ("name", "role", "_password", "_epoch")


async def require(ctx: Context, user: str) -> dict[str, Any]:
    """The user's document, without what only the server reads; raise 400/301 where there is none."""
    document = await ctx.store.get("user", user)
    if document is None:
        raise unknown_user(id=user, company=ctx.company)
    return document


async def make(ctx: Context, facts: dict[str, Any], *, role: str, id: str | None = None) -> str:
    """Write a new user and return the id; raise 400/801 when the id is taken."""
    user = id or uuid4().hex
    name = str(facts["name"]).strip()
    if not name:
        raise validation("a user needs a name", field="name")
    document: dict[str, Any] = {
        "id": user,
        "company": ctx.company,
        "name": name,
        "given_name": facts.get("given_name") or "",
        "family_name": facts.get("family_name") or "",
        "avatar": facts.get("avatar"),
        "email": facts.get("email"),
        "role": role,
        "created": ctx.now_iso,
        "preferences": {},
    }
    transaction = ctx.store.transaction()
    transaction.create("user", user, document)
    try:
        await transaction.commit()
    except GuardFailed:
        raise duplicate(id=user) from None
    _audit(ctx, "user made", user, role=role)
    return user


async def edit(ctx: Context, user: str, fields: dict[str, Any]) -> None:
    """Change what is known of a user; a user with a password takes the name they log in with along."""
    transaction = ctx.store.transaction()
    if "name" in fields:
        fields["name"] = str(fields["name"]).strip()
        if not fields["name"]:
            raise validation("a user needs a name", field="name")
        known = await _facts(ctx, user)
        if known.get("_password"):
            _accept_login_name(fields["name"])
            transaction.expect("user", user, {"name": known["name"]})
            if login_name(known["name"]) != login_name(fields["name"]):
                transaction.release_name("user", ctx.company, login_name(known["name"]), user)
                transaction.claim_name("user", ctx.company, login_name(fields["name"]), user)
    transaction.set("user", user, fields)
    await _commit_names(transaction, str(fields.get("name")))


async def set_role(ctx: Context, user: str, role: str) -> None:
    """Give a user another role; raise 400/12 for the last administrator."""
    known = await _facts(ctx, user)
    transaction = ctx.store.transaction()
    if role not in ADMINISTRATORS:
        await _leave_an_administrator(ctx, transaction, user, known)
    transaction.set("user", user, {"role": role})
    await _commit_with_administrator(transaction)
    ctx.access.forget()
    _audit(ctx, "role given", user, role=role)


async def delete(ctx: Context, user: str) -> None:
    """Remove a user and their keys; their sessions end. What they made stays, and names them by id."""
    known = await _facts(ctx, user)
    if user == ctx.user:
        raise validation("nobody can delete themselves")
    if user == administrator_id(ctx.settings.company):
        raise validation("this user is the server's own; give it another role instead", user=user)
    transaction = ctx.store.transaction()
    await _leave_an_administrator(ctx, transaction, user, known)
    for key in await ctx.store.get_many("credential", await ctx.store.ids("credential"), ["user"]):
        if key is not None and key.get("user") == user:
            transaction.delete("credential", key["id"])
    if known.get("_password"):
        transaction.release_name("user", ctx.company, login_name(known["name"]), user)
    transaction.delete("user", user)
    await _commit_with_administrator(transaction)
    ctx.access.forget()
    _audit(ctx, "user deleted", user)


async def set_password(ctx: Context, user: str, password: str | None) -> None:
    """Give a user a password, or take it away; their sessions end either way. Keys and their tokens stay good."""
    known = await _facts(ctx, user)
    transaction = ctx.store.transaction()
    name = login_name(known["name"])
    if password is not None:
        accept_login(known["name"], password)
        transaction.claim_name("user", ctx.company, name, user)
    elif known.get("_password"):
        transaction.release_name("user", ctx.company, name, user)
    hashed = await ctx.access.passwords.hash(password) if password is not None else None
    transaction.expect("user", user, {"name": known["name"]})
    transaction.set("user", user, {"_password": hashed})
    transaction.increment("user", user, "_epoch", 1)
    await _commit_names(transaction, known["name"])
    ctx.access.forget()
    _audit(ctx, "password changed", user)


async def has_password(ctx: Context, user: str, password: str) -> bool:
    """True when this is the user's password, or they have none; raise 429 when it was guessed too often."""
    known = await _facts(ctx, user)
    if not known.get("_password"):
        return True
    name, session = login_name(known["name"]), f"session {ctx.identity.session or ctx.identity.credential}"
    guesses = ctx.access.guesses
    guesses.check(name, session)
    is_right = await ctx.access.passwords.is_right(
        known["_password"], password, admit=lambda: guesses.check(name, session)
    )
    if not is_right:
        guesses.wrong(name, session)
    return is_right


async def end_sessions(ctx: Context, user: str) -> None:
    """End every session of a user that was begun with a password or picked by name."""
    await _facts(ctx, user)
    transaction = ctx.store.transaction()
    transaction.increment("user", user, "_epoch", 1)
    await transaction.commit()
    ctx.access.forget()
    _audit(ctx, "sessions ended", user)


async def _facts(ctx: Context, user: str) -> dict[str, Any]:
    document = await ctx.store.get("user", user, FACTS)
    if document is None:
        raise unknown_user(id=user, company=ctx.company)
    return document


def accept_login(name: str, password: str) -> None:
    """Raise 400/12 for a name and a password that nobody could log in with."""
    passwords.accept(password)
    _accept_login_name(name)


def _accept_login_name(name: str) -> None:
    """Raise 400/12 for a name that nobody could log in with."""
    if ":" in name or credentials.looks_like_key(name):
        raise validation("a user with a password needs a name without a colon that does not look like a key", name=name)


async def _leave_an_administrator(ctx: Context, transaction: Transaction, user: str, known: dict[str, Any]) -> None:
    """Have the transaction fail unless an administrator is left without this one."""
    if known.get("role") not in ADMINISTRATORS:
        return
    for other in await ctx.store.get_many("user", sorted(await ctx.store.ids("user")), ["role"]):
        if other is not None and other["id"] != user and other.get("role") in ADMINISTRATORS:
            transaction.expect("user", other["id"], {"role": other["role"]})
            return
    raise validation("this is the last administrator; make another one first", user=user)


async def _commit_with_administrator(transaction: Transaction) -> None:
    try:
        await transaction.commit()
    except GuardFailed:
        raise _changed() from None


async def _commit_names(transaction: Transaction, name: str) -> None:
    try:
        await transaction.commit()
    except GuardFailed as error:
        if error.guard.kind == "name":
            raise duplicate("another user logs in with this name", name=name) from None
        raise _changed() from None


def _changed() -> ApiError:
    return validation("another call changed this user, or the administrator who would be left, first; try again")


def _audit(ctx: Context, event: str, user: str, **facts: Any) -> None:
    log.info(event, extra={"user": user, "by": ctx.identity.actor or ctx.user, **facts})
