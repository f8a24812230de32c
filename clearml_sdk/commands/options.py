"""The command line of one command: a parser with what all of them have."""

from __future__ import annotations

import argparse

from clearml_sdk.command_line import Parser
from clearml_sdk.commands.table import COMMANDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

TASK_HELP = "id, the beginning of an id, `project/name`, or a part of one; the newest one of that exact name"


def parser(name: str, *, json: bool = True, task: bool = False) -> argparse.ArgumentParser:
    """A parser for the command; task: it takes one."""
    what = COMMANDS[name][1]
    made = Parser(prog=f"clearml {name}", description=f"{what[0].upper()}{what[1:]}.")
    if task:
        made.add_argument("task", metavar="TASK", help=TASK_HELP)
    if json:
        made.add_argument("--json", action="store_true", help="print JSON")
    return made


def at_least(least: int) -> Callable[[str], int]:
    """The type of an option that takes a whole number, this one or more."""

    def read(text: str) -> int:
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"{number} is too small: {least} or more")
        return number

    read.__name__ = "whole number"  # what argparse calls it for a text that is none
    return read
