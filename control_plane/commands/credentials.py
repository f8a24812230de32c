"""`clearml-server credentials`: list, make, rotate and revoke keys. A secret is printed once, when it is made."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from clearml_sdk.command_line import Parser
from control_plane.commands._accounts import ROLES, Calls, calls, seconds, show
from control_plane.commands._target import add_arguments, print_json, run
from control_plane.services import auth, credentials, setup

_COLUMNS = {
    "access_key": "access key",
    "user": "user",
    "label": "label",
    "role": "role",
    "created": "created",
    "last_used": "last used",
    "last_used_from": "from",
    "expires": "expires",
}


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    arguments = _parser().parse_args(argv)
    return run(f"clearml-server credentials {arguments.verb}", _VERBS[arguments.verb](arguments))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="clearml-server credentials", description="Keys of users, agents and scripts.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    listed = verbs.add_parser("list", help="everybody's keys, or one user's; no secrets")
    listed.add_argument("--user", metavar="USER", help="only the keys of this user (a name or an id)")

    create = verbs.add_parser("create", help="make a key and print it, with its secret, this once")
    create.add_argument("--user", metavar="USER", help="whose it is (default: the administrator's)")
    create.add_argument("--label", default="", help="what it is for")
    create.add_argument("--role", choices=ROLES, help="at most this, whatever its user may: agent for an agent's key")
    create.add_argument(
        "--expires", type=seconds, metavar="TIME", help="how long it is good: 12h, 90d, 1y (default: ever)"
    )

    rotate = verbs.add_parser("rotate", help="make a key like an old one, and revoke that")
    rotate.add_argument("access_key", metavar="KEY")
    rotate.add_argument("--keep", type=seconds, default=0, metavar="TIME", help="the old one stays good so long: 1h")

    revoke = verbs.add_parser("revoke", help="end a key and every token that was made with it")
    revoke.add_argument("access_key", metavar="KEY")
    for verb in (listed, create, rotate, revoke):
        add_arguments(verb)
    return parser


async def _list(arguments: argparse.Namespace) -> int:
    async with calls(arguments) as call:
        user = (await call.user(arguments.user))["id"] if arguments.user else None
        names = {one["id"]: one["name"] for one in await call.users()}
        keys = await credentials.listed(call.ctx.store, user)
    rows = [
        {**credentials.shown(key), "user": names.get(key["user"], key["user"]), "user_id": key["user"]} for key in keys
    ]
    if arguments.json:
        print_json({"credentials": rows})
    else:
        show(rows, _COLUMNS)
    return 0


async def _create(arguments: argparse.Namespace) -> int:
    async with calls(arguments) as call:
        user = (await call.user(arguments.user))["id"] if arguments.user else call.ctx.user
        made = await call(
            auth.create_credentials,
            user=user,
            label=arguments.label,
            role=arguments.role,
            expiration_sec=arguments.expires,
        )
    _print(made["credentials"], as_json=arguments.json)
    return 0


async def _rotate(arguments: argparse.Namespace) -> int:
    async with calls(arguments) as call:
        made = await call(auth.rotate_credentials, access_key=arguments.access_key, keep_sec=arguments.keep)
        is_servers = _keep(call, arguments.access_key, made["credentials"])
    _print(made["credentials"], as_json=arguments.json)
    if is_servers and not arguments.json:
        print("This is the server's own key: its credentials.json has the new one. Restart the server to have it used.")
    return 0


def _keep(call: Calls, old: str, made: dict[str, Any]) -> bool:
    """Write a new key into the data directory if the old one lies there; True if so."""
    path = setup.key_file(call.target.settings)
    pair = setup.read_pair(path)
    if pair is None or pair[0] != old:
        return False
    setup.keep_pair(path, (made["access_key"], made["secret_key"]))
    return True


async def _revoke(arguments: argparse.Namespace) -> int:
    async with calls(arguments) as call:
        answer = await call(auth.revoke_credentials, access_key=arguments.access_key)
    if arguments.json:
        print_json(answer)
    else:
        print("Revoked; a running server sees it within a second.")
    return 0


def _print(made: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    print(
        "api {\n"
        "  credentials {\n"
        f'    access_key: "{made["access_key"]}"\n'
        f'    secret_key: "{made["secret_key"]}"\n'
        "  }\n"
        "}\n"
        "The secret is shown this once."
    )


_VERBS = {"list": _list, "create": _create, "rotate": _rotate, "revoke": _revoke}
