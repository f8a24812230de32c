"""`clearml-server retention`: how long the curves of a project's ended tasks stay at full resolution."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import msgspec

from clearml_sdk.command_line import Parser
from clearml_sdk.commands.output import print_table
from control_plane.commands._target import CommandFailed, add_arguments, located, print_json, run
from control_plane.store import Query, Store
from control_plane.store.retention import Retention, Rule


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    arguments = _parser().parse_args(argv)
    return run(f"clearml-server retention {arguments.verb}", _main(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="clearml-server retention",
        description="Rules by project: scalar curves of tasks that ended so many days ago are thinned, for good. A "
        "rule is about its project and those below it that have none of their own. Servers apply the rules each hour.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listed = verbs.add_parser("list", help="every rule")
    chosen = verbs.add_parser("set", help="give a project a rule")
    chosen.add_argument("project", metavar="PROJECT", help="its name or id")
    chosen.add_argument("--days", type=float, required=True, metavar="N", help="days at full resolution after the end")
    chosen.add_argument(
        "--samples",
        type=int,
        default=1000,
        metavar="N",
        help="intervals of a curve of which first, last, least and greatest point stay (default: 1000)",
    )
    chosen.add_argument("--drop-console", action="store_true", help="remove their console as well")
    cleared = verbs.add_parser("clear", help="take a project's rule away")
    cleared.add_argument("project", metavar="PROJECT", help="its name or id")
    for verb in (listed, chosen, cleared):
        add_arguments(verb)
    return parser


async def _main(arguments: argparse.Namespace) -> int:
    async with located(arguments) as target, target.store() as store:
        rules, names = Retention(store.connection), await _names(store)
        if arguments.verb == "set":
            if arguments.days < 0 or arguments.samples < 2:
                raise CommandFailed("--days must not be negative, and --samples not below 2")
            rule = Rule(arguments.days, arguments.samples, arguments.drop_console)
            await rules.set(_project(arguments.project, names), rule)
        elif arguments.verb == "clear":
            # The rule of a project that is gone is named by its id.
            project = arguments.project if arguments.project in await rules.rules() else None
            if not await rules.clear(project or _project(arguments.project, names)):
                raise CommandFailed(f"{arguments.project} has no rule")
        found = await rules.rules()
    rows = [
        {"project": names.get(project, ""), "id": project, **msgspec.structs.asdict(rule)}
        for project, rule in found.items()
    ]
    rows.sort(key=lambda row: str(row["project"]))
    if arguments.json:
        print_json({"rules": rows})
    else:
        _print(rows)
    return 0


async def _names(store: Store) -> dict[str, str]:
    return dict(await store.values("project", Query.from_request("project", {"search_hidden": True}), ["name"]))


def _project(given: str, names: dict[str, str]) -> str:
    if given in names:
        return given
    for id, name in names.items():
        if name == given:
            return id
    raise CommandFailed(f"there is no project {given!r}")


def _print(rows: Sequence[dict[str, object]]) -> None:
    print_table(
        ("PROJECT", "ID", "DAYS", "SAMPLES", "DROPS CONSOLE"),
        [
            (row["project"] or "(gone)", row["id"], f"{row['days']:g}", row["samples"], row["drops_console"] and "yes")
            for row in rows
        ],
        right=("DAYS", "SAMPLES"),
    )
