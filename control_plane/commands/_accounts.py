"""What `credentials` and `users` share: calls of the handler table over a store, and how people name users and times.

The handlers are those of the API, called as the server itself: the same rules and the same lines in the log. A server
that runs meanwhile sees a change within a second.
"""

from __future__ import annotations

import argparse
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, get_args

import msgspec

from clearml_sdk.commands.output import print_table
from control_plane.commands._target import CommandFailed, Target, located
from control_plane.schema.auth import Role
from control_plane.services.access import Access
from control_plane.services.context import Context, Identity
from control_plane.services.errors import ApiError
from control_plane.services.registry import Endpoint
from control_plane.services.setup import administrator_id

ROLES: tuple[str, ...] = get_args(Role)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
_TIME = re.compile(r"(\d+)\s*([smhdwy])", re.ASCII)


class Calls:
    """The API's handlers, called as the server itself."""

    def __init__(self, ctx: Context, target: Target) -> None:
        self.ctx, self.target = ctx, target

    async def __call__(self, row: Endpoint[Any], /, **fields: Any) -> dict[str, Any]:
        """Call an endpoint; what it refuses is a CommandFailed with its words."""
        try:
            answer = await row.handler(self.ctx, msgspec.convert(fields, row.request))
        except ApiError as error:
            raise CommandFailed(error.message) from None
        except msgspec.ValidationError as error:
            raise CommandFailed(str(error)) from None
        return dict(answer) if isinstance(answer, dict) else {}

    async def users(self) -> list[dict[str, Any]]:
        """Every user, by name, with whether they have a password."""
        store = self.ctx.store
        facts = [*("name", "given_name", "family_name", "email", "role", "created"), "_password"]
        found = await store.get_many("user", await store.ids("user"), facts)
        users = [{**user, "password": bool(user.pop("_password", None))} for user in found if user is not None]
        return sorted(users, key=lambda user: (str(user.get("name")).casefold(), user["id"]))

    async def user(self, wanted: str) -> dict[str, Any]:
        """The user of an id or a name; CommandFailed where there is none, or more than one."""
        users = await self.users()
        for user in users:
            if user["id"] == wanted:
                return user
        named = [user for user in users if str(user.get("name")).casefold() == wanted.casefold()]
        if len(named) == 1:
            return named[0]
        if not named:
            raise CommandFailed(f"there is no user {wanted!r}")
        raise CommandFailed(
            f"several users are called {wanted!r}: give one of the ids " + ", ".join(u["id"] for u in named)
        )


@asynccontextmanager
async def calls(arguments: argparse.Namespace) -> AsyncIterator[Calls]:
    """The API's handlers over the store that the command line means."""
    async with located(arguments) as target, target.store() as store:
        settings = target.settings
        identity = Identity(
            user=administrator_id(settings.company), company=settings.company, role="system", user_name="command line"
        )
        # No token is made here, so the key that signs them is not needed.
        access = Access(store, secrets.token_bytes(32), settings, lambda: datetime.now(UTC))
        yield Calls(Context(store=store, settings=settings, identity=identity, access=access), target)


def seconds(text: str) -> int:
    """`90d`, `12h`, `30m` as seconds; for argparse."""
    found = _TIME.fullmatch(text.strip().lower())
    if found is None or not int(found[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 30m, 12h, 90d, 1y")
    return int(found[1]) * _UNITS[found[2]]


def show(rows: list[dict[str, Any]], columns: dict[str, str]) -> None:
    """A table on standard output; `columns`: field -> heading."""
    cells = [[_text(row.get(field)) for field in columns] for row in rows]
    print_table([heading.upper() for heading in columns.values()], cells)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    text = "" if value is None else str(value)
    return text[:19].replace("T", " ") if re.match(r"\d{4}-\d\d-\d\dT", text) else text
