"""Command lines as users of the reference write them, in the form that click reads. Pure, but for `@file`.

Options that take several words (`--queue a b`) become repeated ones, and `@file` is replaced by the file's lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from clearml_agent.errors import UsageError

MANY: Mapping[str, str] = {
    "--queue": "--queue",
    "--child-report-tags": "--child-report-tags",
    "--uptime": "--uptime",
    "--downtime": "--downtime",
    "--stop": "--stop-worker",
    "--docker": "--container-word",
    "--podman": "--container-word",
}
"""Option with any number of words -> the option that stands before each of them."""
ALONE = {"--stop", "--docker", "--podman"}
"""Of these, those that mean something without any word, and stay in the command line."""
QUOTED = {"--docker", "--podman"}
"""Of these, those whose words may begin with a dash, when there is a space in them (`--docker IMAGE "-v /a:/b"`)."""


def normalise(arguments: Sequence[str]) -> list[str]:
    """The arguments with files expanded and lists repeated. Raises UsageError for an unreadable file."""
    words = [word for argument in arguments for word in expand(argument)]
    found: list[str] = []
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        option, separator, first = word.partition("=")
        if option not in MANY:
            found.append(word)
            continue
        values = [first] if separator else []
        while index < len(words) and (
            not words[index].startswith("-") or (option in QUOTED and " " in words[index].strip())
        ):
            values.append(words[index])
            index += 1
        if option in ALONE or not values:
            found.append(option)
        for value in values:
            found += [MANY[option], value]
    return found


def expand(argument: str) -> list[str]:
    """`@file`: one argument a line."""
    if not argument.startswith("@") or len(argument) == 1:
        return [argument]
    try:
        return Path(argument[1:]).read_text().splitlines()
    except OSError as error:
        raise UsageError(f"{argument}: {error.strerror}") from error
