"""`clearml-server`: the command line around `http.server.running`."""

import argparse
import asyncio
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from clearml_sdk.command_line import Parser
from control_plane import __version__
from control_plane.commands import COMMANDS
from control_plane.settings import abouts, load

# What a person sets on the command line; the rest is for the environment and for code.
_FLAGS = (
    "host",
    "api_port",
    "web_port",
    "files_port",
    "data_dir",
    "redis_url",
    "segments",
    "durability",
    "log_level",
)
_NAMES = {"redis_url": "--redis"}


def parser() -> argparse.ArgumentParser:
    """The command line, its help made from the settings."""
    made = Parser(
        prog="clearml-server",
        description="Serve ClearML's API, files and web page from one process, until SIGTERM or Ctrl-C.",
        commands=COMMANDS,
        examples=(
            "clearml-server",
            "clearml-server --with-agent default --with-services",
            "clearml-server --host 0.0.0.0 --data-dir /srv/clearml",
            "clearml-server --redis redis://redis.example:6379",
        ),
    )
    made.add_argument("--version", action="version", version=f"clearml-server {__version__}")
    for name, default, about in abouts():
        if name not in _FLAGS:
            continue
        text = about.text + (f" (default: {default})" if default != "" else "")
        if about.env:
            text += f" [{about.env}]"
        choices = ("always", "process") if name == "durability" else None
        made.add_argument(
            _NAMES.get(name, "--" + name.replace("_", "-")),
            dest=name,
            type=int if isinstance(default, int) else str,
            choices=choices,
            metavar=None if choices else name.rpartition("_")[2].upper(),
            help=text,
        )
    made.add_argument("--web-origin", action="append", dest="web_origins", metavar="ORIGIN", help=_about("web_origins"))
    made.add_argument(
        "--ready-file", type=Path, metavar="FILE", help="write addresses and credentials here once it answers"
    )
    made.add_argument(
        "--with-agent",
        nargs="*",
        metavar="QUEUE",
        help="also run an agent for these queues (default: default), stopped with the server",
    )
    made.add_argument("--with-services", action="store_true", help="also run a services agent for the queue `services`")
    return made


def _about(name: str) -> str:
    return next(about.text for setting, _, about in abouts() if setting == name)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 after a stop, 1 when it cannot start, 2 for a wrong command line.

    With the name of one of `COMMANDS` first: run that one instead.
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in COMMANDS:
        return int(import_module(f"control_plane.commands.{argv[0].replace('-', '_')}").main(argv[1:]))
    arguments = vars(parser().parse_args(argv))
    ready_file, with_agent = arguments.pop("ready_file"), arguments.pop("with_agent")
    with_services = arguments.pop("with_services")
    try:
        settings = load(os.environ, arguments)
    except ValueError as error:
        print(f"clearml-server: {error}", file=sys.stderr)
        return 2
    # Imported late: a wrong command line is told at once. Without the collector, for there is nothing to collect yet:
    # it would walk every new module several times, and again at each full collection while the server runs.
    gc.disable()
    from control_plane import logs
    from control_plane.http.command import Children, serve
    from control_plane.store.errors import StoreError

    gc.freeze()
    gc.enable()
    logs.configure(settings.log_level)
    children = Children(queues=with_agent, services=with_services)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(serve(settings, ready_file=ready_file, children=children))
    except (OSError, StoreError, ValueError) as error:
        print(f"clearml-server: {error}", file=sys.stderr)
        return 1


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main())
