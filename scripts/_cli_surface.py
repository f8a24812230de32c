"""Compare the command lines of ours with what is recorded of the official ones (tests/cli_surface.json).

An option counts when ours takes the same: so many values, of the type, out of the choices, required or not.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent.parent
PARSERS = {
    "clearml-task": "clearml_sdk.task_cli.options",
    "clearml-data": "clearml_sdk.data_cli.options",
    "clearml-init": "clearml_sdk.setup_wizard",
    "clearml-param-search": "clearml_sdk.param_search.options",
}
FLAGS = (argparse._StoreTrueAction, argparse._HelpAction, argparse._VersionAction)


def main() -> int:
    """Exit code 1 when anything is missing."""
    parser = argparse.ArgumentParser(prog="scripts/cli-surface", description=__doc__)
    parser.add_argument("--missing", action="store_true", help="only what is missing or different")
    arguments = parser.parse_args()
    faults = 0
    total = 0
    for program, command, flag, fault in compare(json.loads((PROJECT / "tests/cli_surface.json").read_text("utf-8"))):
        total += 1
        faults += bool(fault)
        if fault or not arguments.missing:
            print(f"{' '.join(part for part in (program, command, flag) if part):60} {fault or 'ok'}")
    print(f"{total - faults} of {total} commands and options: {100 * (total - faults) / total:.2f}%")
    return int(bool(faults))


def compare(surface: dict[str, dict[str, dict[str, Any]]]) -> Iterator[tuple[str, str, str, str]]:
    """(program, command, flag, what is wrong or "") of each command and option that is recorded."""
    for program, commands in sorted(surface.items()):
        ours = import_module(PARSERS[program]).parser()
        below = subcommands(ours)
        for command, flags in commands.items():
            known = below.get(command) if command else ours
            yield program, command, "", "" if known is not None else "there is no such command"
            for flag, facts in sorted(flags.items()):
                action = options(known).get(flag) if known is not None else None
                yield program, command, flag, difference(action, facts)


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of a program's commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def options(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """The options of a parser by each of their flags."""
    return {flag: action for action in parser._actions for flag in action.option_strings}


def difference(action: argparse.Action | None, facts: dict[str, Any]) -> str:
    """What an option of ours does not take as the recorded one does; "" for nothing."""
    if action is None:
        return "there is no such option"
    is_flag = facts.get("action") == "store_true"
    if is_flag != isinstance(action, FLAGS):
        return "a flag" if is_flag else "takes a value"
    if is_flag:
        return ""
    if facts.get("nargs") != action.nargs:
        return f"takes {facts.get('nargs') or 'one'} values, ours {action.nargs or 'one'}"
    kinds = {"int": int, "float": float}
    if "type" in facts and kinds[facts["type"]] is not action.type:
        return f"is of type {facts['type']}"
    if "type" not in facts and action.type is not None:
        return f"is a text, ours {action.type}"
    if not set(facts.get("choices") or ()) <= set(action.choices or facts.get("choices") or ()):
        return f"has the choices {facts['choices']}"
    if action.required and not facts.get("required"):
        return "is not required"
    if "type" in facts and "default" in facts and action.default != facts["default"]:
        return f"has the default {facts['default']}, ours {action.default}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
