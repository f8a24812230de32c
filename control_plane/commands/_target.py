"""Which server's data a command is about, and how it is reached.

A running server is found by its file in the user's runtime directory. Its store is reached where the server reaches
it: at the given Redis, or at the socket of the embedded store. Where no server runs on a data directory, the command
starts the embedded store for itself; two stores never run on one directory, for both hold its lock.

    parser = argparse.ArgumentParser(...); add_arguments(parser)
    return run(parser.prog, main_of(parser.parse_args(argv)))

    async with located(arguments) as target, target.store() as store: ...
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from control_plane.settings import Settings, load
from control_plane.store.embedded import EmbeddedStore, running_url
from control_plane.store.errors import StoreError

if TYPE_CHECKING:
    from control_plane.store import Store

RETRY_S = 5.0
"""How long a command waits for a Redis that does not answer."""


class CommandFailed(Exception):
    """The command cannot do what was asked; the text is for the person who asked."""


@dataclass(frozen=True, slots=True)
class Target:
    """The data that a command is about."""

    settings: Settings
    """As far as they are known: those of the environment and the command line, with the data directory and the Redis of
    the server that runs."""
    url: str
    """Where the store listens."""
    embedded: EmbeddedStore | None
    """The store that this command started, None where it uses somebody else's."""
    server: Mapping[str, Any] | None
    """What the running server's file says (`api_server`, `access_key`, `pid`, ...), None where none is known."""

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        """The store, open until the block ends."""
        from control_plane.store import Store

        opened = await Store.open(self.url, retry_s=RETRY_S)
        try:
            yield opened
        finally:
            await opened.close()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--data-dir`, `--redis` and `--json`, the same for every command."""
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="the server's data directory (default: the running server's, else CLEARML_SERVER_DATA_DIR, else "
        "~/.clearml/server)",
    )
    parser.add_argument("--redis", metavar="URL", help="the server's Redis, where it does not use the embedded store")
    parser.add_argument("--json", action="store_true", help="answer with JSON on standard output")


def running_server() -> dict[str, Any] | None:
    """What the file of this user's running server says; None where there is none, or it is not running any more."""
    from control_plane.http.command import runtime_file

    try:
        facts: dict[str, Any] = json.loads(runtime_file().read_bytes())
        os.kill(int(facts["pid"]), 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return facts


def settings_of(arguments: argparse.Namespace) -> tuple[Settings, dict[str, Any] | None]:
    """The settings that the command line, the environment and the running server give; and that server's facts."""
    given = {"data_dir": arguments.data_dir, "redis_url": arguments.redis}
    settings = load(os.environ, given)
    server = running_server()
    if server is None or "data_dir" not in server:
        return settings, None
    chosen = any((*given.values(), os.environ.get("CLEARML_SERVER_DATA_DIR"), settings.redis_url))
    same = settings.redis_url == server["redis"] if settings.redis_url else str(settings.data_dir) == server["data_dir"]
    if chosen and not same:
        return settings, None
    # That server's files are the ones that belong to its store, unless others were named.
    its_own = {"data_dir": server["data_dir"], "redis_url": server["redis"], "segments": server["segments"]}
    return load(os.environ, its_own | {name: value for name, value in given.items() if value}), server


@asynccontextmanager
async def located(arguments: argparse.Namespace, *, create: bool = False) -> AsyncIterator[Target]:
    """The data that the command line means, its store running while the block runs.

    Args:
        create: a data directory without a store gets one; otherwise that is a CommandFailed.
    """
    settings, server = settings_of(arguments)
    if settings.redis_url:
        yield Target(settings, settings.redis_url, None, server)
        return
    directory = settings.data_dir / "store"
    if not create and not (directory / "lock").exists():
        raise CommandFailed(f"{settings.data_dir} holds no server's data: name it with --data-dir, or a --redis URL")
    url = running_url(directory)
    if url is not None:
        yield Target(settings, url, None, server)
        return
    async with EmbeddedStore(directory) as embedded:
        yield Target(settings, embedded.url, embedded, server)


def run(program: str, work: Coroutine[Any, Any, int]) -> int:
    """Run a command to its exit status; what it cannot do is one line on standard error and status 1."""
    try:
        return asyncio.run(work)
    except (CommandFailed, StoreError, OSError, ValueError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def print_json(value: Any) -> None:
    """The answer of a command with `--json`."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON")
