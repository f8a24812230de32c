"""`clearml-data`: datasets from the command line."""

from __future__ import annotations

import sys

from clearml_sdk.errors import ClearmlError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 for what failed or differs, 2 for a bad command line."""
    from clearml_sdk.data_cli.options import parser

    given = parser().parse_args(argv)
    if not hasattr(given, "run"):
        parser().print_help()
        return 2
    from clearml_sdk.data_cli import commands
    from clearml_sdk.data_cli.current import NoDataset

    try:
        return int(getattr(commands, given.run)(given) or 0)
    except (NoDataset, ClearmlError, OSError, ValueError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        is_upload = given.run in ("upload", "close", "sync")
        print(f"interrupted{'; `clearml-data upload` goes on' if is_upload else ''}", file=sys.stderr)
        return 130
