"""`clearml explain`: why a task waits or failed. The agent knows how to say it."""

from __future__ import annotations

from clearml_sdk.commands import lookup
from clearml_sdk.commands.options import parser
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(name: str, arguments: Sequence[str]) -> int:
    """Run the command."""
    from clearml_sdk.cli import run

    given = parser(name, task=True).parse_args(arguments)
    task = str(lookup.find(Session.default(), given.task)["id"])
    return run("clearml-agent", ["explain", task, *(["--json"] if given.json else [])])
