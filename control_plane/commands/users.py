"""`clearml-server users`: list, make, change and remove users. Passwords come from the terminal or standard input."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Sequence
from typing import Any

from clearml_sdk.command_line import Parser
from control_plane.commands._accounts import ROLES, calls, show
from control_plane.commands._target import CommandFailed, add_arguments, print_json, run
from control_plane.services import accounts, auth, passwords, users
from control_plane.services.errors import ApiError

_COLUMNS = {
    "name": "name",
    "role": "role",
    "password": "password",
    "given_name": "given name",
    "family_name": "family name",
    "created": "created",
    "id": "id",
}


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    arguments = _parser().parse_args(argv)
    return run(f"clearml-server users {arguments.verb}", _VERBS[arguments.verb](arguments))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="clearml-server users", description="Who may use this server, and as what.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    listed = verbs.add_parser("list", help="every user")
    create = verbs.add_parser("create", help="make a user; without a password they can use keys only")
    create.add_argument("name", metavar="NAME")
    create.add_argument("--role", choices=ROLES, default="user", help="(default: user)")
    for name in ("given-name", "family-name", "email"):
        create.add_argument(f"--{name}")
    _password_arguments(create.add_mutually_exclusive_group())

    role = verbs.add_parser("set-role", help="give a user another role; it counts within a second")
    role.add_argument("user", metavar="USER", help="a name or an id")
    role.add_argument("role", choices=ROLES)

    password = verbs.add_parser("set-password", help="give a user a password; their sessions end, their keys stay good")
    password.add_argument("user", metavar="USER", help="a name or an id")
    how = password.add_mutually_exclusive_group()
    _password_arguments(how)
    how.add_argument("--remove", action="store_true", help="take the password away")

    sessions = verbs.add_parser("end-sessions", help="end what a user began by logging in; keys stay good")
    sessions.add_argument("user", metavar="USER", help="a name or an id")

    delete = verbs.add_parser("delete", help="remove a user and their keys; what they made stays")
    delete.add_argument("user", metavar="USER", help="a name or an id")
    for verb in (listed, create, role, password, sessions, delete):
        add_arguments(verb)
    return parser


def _password_arguments(group: Any) -> None:
    group.add_argument("--password", action="store_true", help="ask for the password, or read a line of standard input")
    group.add_argument("--generate", action="store_true", help="make a password and print it this once")


async def _list(arguments: argparse.Namespace) -> int:
    async with calls(arguments) as call:
        found = await call.users()
    if arguments.json:
        print_json({"users": found})
    else:
        show(found, _COLUMNS)
    return 0


async def _create(arguments: argparse.Namespace) -> int:
    password = _password(arguments) if arguments.password or arguments.generate else None
    if password is not None:
        try:
            accounts.accept_login(arguments.name, password)
        except ApiError as error:  # before anything is made
            raise CommandFailed(error.message) from None
    async with calls(arguments) as call:
        if any(str(user.get("name")).casefold() == arguments.name.strip().casefold() for user in await call.users()):
            raise CommandFailed(f"there is a user {arguments.name!r} already")
        made = await call(
            auth.create_user,
            name=arguments.name,
            role=arguments.role,
            given_name=arguments.given_name,
            family_name=arguments.family_name,
            email=arguments.email,
        )
        if password is not None:
            await call(auth.set_password, user=made["id"], password=password)
    _tell(arguments, f"Made user {arguments.name} ({arguments.role}).", {"id": made["id"]}, password)
    return 0


async def _set_role(arguments: argparse.Namespace) -> int:
    async with calls(arguments) as call:
        user = await call.user(arguments.user)
        answer = await call(auth.edit_user, user=user["id"], role=arguments.role)
    _tell(arguments, f"{user['name']} is {arguments.role} now.", answer, None)
    return 0


async def _set_password(arguments: argparse.Namespace) -> int:
    password = None if arguments.remove else _password(arguments)
    async with calls(arguments) as call:
        user = await call.user(arguments.user)
        # As the administrator's own password too: whoever can reach the store needs no current one.
        await call(auth.set_password, user=user["id"], password=password)
    what = "has no password any more" if password is None else f"logs in as {user['name']!r} with the new password"
    _tell(arguments, f"{user['name']} {what}; earlier sessions are over.", {"id": user["id"]}, password)
    return 0


async def _end_sessions(arguments: argparse.Namespace) -> int:
    async with calls(arguments) as call:
        user = await call.user(arguments.user)
        answer = await call(auth.revoke_sessions, user=user["id"])
    _tell(arguments, f"The sessions of {user['name']} are over.", answer, None)
    return 0


async def _delete(arguments: argparse.Namespace) -> int:
    async with calls(arguments) as call:
        user = await call.user(arguments.user)
        await call(users.delete, user=user["id"])
    _tell(arguments, f"Removed {user['name']} and their keys.", {"deleted": user["id"]}, None)
    return 0


def _password(arguments: argparse.Namespace) -> str:
    """A new password: made, typed twice, or a line of standard input."""
    if arguments.generate:
        return passwords.generated()
    if not sys.stdin.isatty():
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise CommandFailed("standard input holds no password")
        return line
    first = getpass.getpass("New password: ")
    if getpass.getpass("Again: ") != first:
        raise CommandFailed("the two passwords differ")
    return first


def _tell(arguments: argparse.Namespace, text: str, facts: dict[str, Any], password: str | None) -> None:
    shown = password if arguments.verb in ("create", "set-password") and arguments.generate else None
    if arguments.json:
        print_json({**facts, **({"password": shown} if shown else {})})
        return
    print(text)
    if shown:
        print(f"Password, shown this once: {shown}")


_VERBS = {
    "list": _list,
    "create": _create,
    "set-role": _set_role,
    "set-password": _set_password,
    "end-sessions": _end_sessions,
    "delete": _delete,
}
