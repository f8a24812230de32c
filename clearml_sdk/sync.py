"""`clearml sync`: deliver the reports and final statuses that processes left behind, not only at the next start."""

from __future__ import annotations

import sys
import time

from clearml_sdk import unsent
from clearml_sdk.command_line import Parser
from clearml_sdk.config import load_settings
from clearml_sdk.errors import ClearmlError
from clearml_sdk.journal import deliver
from clearml_sdk.journal.folder import default_root
from clearml_sdk.offline import fallback
from clearml_sdk.session import Session


def main(argv: list[str] | None = None) -> int:
    """Deliver the journals of this user, say what was done, and return 0 when nothing is left, else 1."""
    parser = Parser(prog="clearml sync", description="Deliver reports that did not reach the server.")
    parser.add_argument("--dir", metavar="FOLDER", help="folder of the journals (default: this user's)")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="S", help="give up after S s without progress")
    arguments = parser.parse_args(argv)
    root = arguments.dir or default_root(create=False)
    try:
        session = Session.default()
        session.log_in(deadline=time.monotonic() + arguments.timeout)
    except ClearmlError as error:
        print(f"clearml sync: {error}", file=sys.stderr)
        return 1
    done = deliver(root, session, only_own_server=True, give_up_s=arguments.timeout)
    print(f"delivered {done.events} reports of {done.journals} journals in {root}")
    try:
        told = unsent.deliver(session)
        runs = fallback.deliver(session, session.config or load_settings())
    except ClearmlError as error:
        print(f"clearml sync: {error}", file=sys.stderr)
        return 1
    if told:
        print(f"set the final status of {told} tasks")
    if runs:
        print(f"imported {runs} runs that were recorded while the server was away")
    if done.in_use:
        print(f"{done.in_use} journals belong to processes that still run")
    for path in done.left:
        print(f"not delivered, the server did not take it: {path}")
    return 1 if done.left else 0
