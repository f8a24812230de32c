"""argparse as every command of ours uses it: examples in the help, and mistakes told in two lines.

parser = Parser(prog="clearml-data", description="...", examples=("clearml-data search",))
"""

from __future__ import annotations

import argparse
import shutil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, NoReturn

MAX_WIDTH = 100
"""Columns of a help text on a terminal that is wider."""


def meant(word: str, known: Iterable[str]) -> str:
    """` Did you mean 'ls'?` for a word that is nearly one of those known; else the empty text."""
    from difflib import get_close_matches  # for cost: only a mistake needs it

    bare = {name.lstrip("-"): name for name in known}
    found = get_close_matches(word.lstrip("-"), bare, n=1)
    return f" Did you mean {bare[found[0]]!r}?" if found else ""


def columns() -> int:
    """How wide a help text may be."""
    return min(shutil.get_terminal_size().columns, MAX_WIDTH) - 2


def listed(commands: Mapping[str, str], width: int = 0) -> str:
    """Names and what they do, in two columns, the first at least so wide; long texts go on in the second."""
    from textwrap import fill

    width = max(width, *(len(name) + 4 for name in commands))
    return "\n".join(
        fill(what, columns(), initial_indent=f"  {name}".ljust(width), subsequent_indent=" " * width)
        for name, what in commands.items()
    )


class Parser(argparse.ArgumentParser):
    """A parser that refuses at once what it does not know, and says what was probably meant.

    examples: command lines for the end of the help. commands: name -> what it does, of commands that are looked up
    before this parser is asked: it lists them in the help.
    """

    def __init__(
        self,
        *,
        description: str | None = None,
        examples: Iterable[str] = (),
        commands: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        text = f"{description[0].upper()}{description[1:]}" if description else None
        kwargs.setdefault("formatter_class", Help)
        super().__init__(description=text if not text or text.endswith(".") else f"{text}.", **kwargs)
        self.examples, self.commands = tuple(examples), commands or {}

    def format_help(self) -> str:
        """The help, with the commands and the examples after the options."""
        parts = [super().format_help()]
        if self.commands:
            parts.append(f"commands ({self.prog} COMMAND --help says more):\n{listed(self.commands)}\n")
        if self.examples:
            parts.append("examples:\n" + "\n".join(f"  {example}" for example in self.examples) + "\n")
        return "\n".join(parts)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where more is said, and exit with 2. The usage can be twenty lines: the help has it."""
        self.exit(2, f"{self.prog}: {message}\n{self.prog} --help says more.\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Every argument is known: an option that a command does not have is told by that command, not by the whole."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            is_option = unknown[0].startswith("-")
            known = self._option_string_actions if is_option else self.commands
            hint = meant(unknown[0].partition("=")[0], known)
            self.error(f"unrecognized arguments: {' '.join(unknown)}.{hint}")
        return found, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError:
            hint = meant(str(value), map(str, action.choices or ()))
            if not hint:
                raise
            raise argparse.ArgumentError(action, f"invalid choice: {value!r}.{hint}") from None


class Help(argparse.HelpFormatter):
    """Lines of a width that can be read."""

    def __init__(self, prog: str, **kwargs: Any) -> None:
        kwargs.setdefault("width", columns())
        super().__init__(prog, **kwargs)
