"""Runs one of the friendly commands: errors become one line and an exit status."""

from __future__ import annotations

import os
import sys

from clearml_sdk.commands.errors import FAILED, UNREACHABLE, CommandError
from clearml_sdk.commands.table import COMMANDS

INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Run `arguments[0]` with the rest, and return the exit status."""
    name, *rest = arguments
    from importlib import import_module

    from clearml_sdk.errors import ClearmlError, ServerUnreachable

    try:
        status = import_module(f"clearml_sdk.commands.{COMMANDS[name][0]}").main(name, rest)
        sys.stdout.flush()
        return int(status or 0)
    except CommandError as error:
        return _say(name, error, error.status)
    except ServerUnreachable as error:
        return _say(name, error, UNREACHABLE)
    except (ClearmlError, ValueError) as error:
        return _say(name, error, FAILED)
    except BrokenPipeError:  # `clearml ls | head`: the reader has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED


def _say(name: str, error: BaseException, status: int) -> int:
    sys.stdout.flush()
    print(f"clearml {name}: {error}", file=sys.stderr)
    return status
