"""What the SDK says to the person who runs the script, and the promise that its own failures never break the script.

Everything goes to standard error, prefixed, once per cause. With `CLEARML_RAISE_ERRORS=1` (tests) failures are raised.
"""

from __future__ import annotations

import contextlib
import os
import sys

from clearml_sdk.errors import ClearmlError, ServerUnreachable
from clearml_sdk.fork_lock import ForkLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_said: set[str] = set()
_lock = ForkLock()


def say(text: str) -> None:
    """Print one line to standard error; a closed standard error is nobody's problem."""
    try:
        print(f"ClearML {text}", file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        return  # closed, or None in a windowed program: there is nobody to tell


def announce(text: str) -> None:
    """Print one line of news to standard output, where there is one."""
    try:
        print(text, flush=True)
    except (OSError, ValueError, AttributeError):
        return  # closed: as above


def warn_once(cause: str, text: str) -> None:
    """Print `text` the first time that `cause` comes up in this process."""
    with _lock:
        if cause in _said:
            return
        _said.add(cause)
    say(f"warning: {text}")


@contextlib.contextmanager
def harmless(doing: str) -> Iterator[None]:
    """Turn a failure of ours while `doing` something for the script into one warning per cause."""
    try:
        yield
    except Exception as error:  # the border to the user's script, which goes on whatever ours does
        if os.environ.get("CLEARML_RAISE_ERRORS") == "1":
            raise
        cause = "unreachable" if isinstance(error, ServerUnreachable) else f"{doing}: {type(error).__name__}"
        text = str(error)
        if not isinstance(error, ClearmlError | OSError):  # a defect: whoever reports it needs the place
            import traceback

            text = "".join(traceback.format_exception(error)).strip()
        warn_once(cause, f"{doing} failed: {text}")
