"""What `clearml-server` does around a running server: says where it is, hands out credentials, keeps its children."""

import gc
import logging
import os
import re
import resource
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import orjson

from control_plane.http.server import Running, running, stop_signals
from control_plane.services.setup import write_private
from control_plane.settings import Settings

log = logging.getLogger(__name__)

COLLECTOR = (20_000, 20, 100)
"""Objects made and not freed until the youngest are looked through; how often that until the next generation is."""
OPEN_FILES = 65_536
"""Each connection is an open file: agents that wait, and pages that follow, keep theirs."""


@dataclass(frozen=True, slots=True)
class Children:
    """The agents to run beside the server."""

    queues: list[str] | None
    """Queues of the agent; None: no agent, empty: the queue `default`."""
    services: bool


async def serve(settings: Settings, *, ready_file: Path | None, children: Children) -> int:
    """Serve until a signal; return the exit status."""
    from control_plane.http import children as supervised  # for cost: only some servers have any

    allow_open_files()
    with stop_signals() as stop, ExitStack() as files:
        async with running(settings) as server:
            facts = ready_facts(server, settings)
            # The runtime file first: who reads the ready file may start a client at once.
            files.enter_context(published(runtime_file(), facts))
            if ready_file is not None:
                files.enter_context(published(ready_file, facts))
            announce(settings, server)
            calm_collector()
            log.info(
                "serving", extra={"api": server.api_server, "web": server.web_server, "files": server.files_server}
            )
            async with supervised.running(children, facts, settings):
                await stop.wait()
    return 0


def allow_open_files() -> None:
    """Let this process have as many open files as it may, up to OPEN_FILES: by default systems allow it only 1,024."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(most, OPEN_FILES)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
        except (ValueError, OSError) as error:  # a system with another limit of its own
            log.warning("only %d files can be open at once: %s", allowed, error)


def calm_collector() -> None:
    """Look for cycles of garbage seldom, and never again among what the start has made.

    Calls that are being answered hold some ten thousand objects together, none of them garbage: with Python's own
    thresholds a collection looks through them hundreds of times a second, and now and then through everything.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR)


def ready_facts(server: Running, settings: Settings) -> dict[str, str | int]:
    """What `--ready-file` and the local server file hold: how clients reach the API, and where its data is."""
    return {
        "api_server": server.api_server,
        "web_server": server.web_server,
        "files_server": server.files_server,
        "access_key": server.key.access_key,
        "secret_key": server.key.secret_key,
        "pid": os.getpid(),
        "data_dir": str(settings.data_dir),
        "redis": settings.redis_url,
        "segments": settings.segments_url,
    }


@contextmanager
def published(path: Path, facts: dict[str, str | int]) -> Iterator[None]:
    """Write a private file, and remove it at the end if it still is ours."""
    content = orjson.dumps(facts, option=orjson.OPT_INDENT_2)
    write_private(path, content)
    try:
        yield
    finally:
        try:
            if path.read_bytes() == content:
                path.unlink()
        except FileNotFoundError:
            pass  # another server has taken the place over and is gone


def runtime_file() -> Path:
    """The file by which clients of the same user find a local server; its folder is made if need be.

    Raises OSError when the folder belongs to somebody else or is open to others: credentials go into it.
    """
    chosen = os.environ.get("CLEARML_RUNTIME_DIR")
    base = os.environ.get("XDG_RUNTIME_DIR")
    if chosen:
        folder = Path(chosen)
    elif base and Path(base).is_dir():
        folder = Path(base) / "clearml"
    else:
        folder = Path(tempfile.gettempdir()) / f"clearml-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=bool(chosen), exist_ok=True)
    facts = os.lstat(folder)
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
        raise PermissionError(f"{folder} is not a folder of this user; credentials are not written there")
    if stat.S_IMODE(facts.st_mode) & 0o077:
        folder.chmod(0o700)
    return folder / "server.json"


def announce(settings: Settings, server: Running) -> None:
    """Tell a person at a terminal where the server is, and once how to reach it."""
    if not sys.stdout.isatty():
        return
    print(f"ClearML is at {server.web_server} (API {server.api_server}, files {server.files_server})")
    if not server.key.is_new:
        return
    if is_loopback(settings.host):
        where = "Other machines cannot reach it; with --host 0.0.0.0 they can. Other users of this machine"
    else:
        where = "Other machines and users"
    print(
        f"\nOn this machine you need no configuration. {where} need this as ~/clearml.conf:\n\n"
        f"{configuration(server, settings.host)}\n\n"
        f"To log in at the page, give the same key and secret. "
        f"The secret is shown this once; it is kept in {settings.data_dir / 'credentials.json'}.\n",
        flush=True,
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that is bound to it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"


def configuration(server: Running, host: str) -> str:
    """A ready-to-paste clearml.conf. Where every address is bound (`host` 0.0.0.0), it names this machine."""

    def known_as(url: str) -> str:
        # Bound to every address, the server calls itself by the loopback's.
        return url if is_loopback(host) else re.sub(r"//(127\.0\.0\.1|\[::1\]):", f"//{socket.gethostname()}:", url)

    return (
        "api {\n"
        f"  api_server: {known_as(server.api_server)}\n"
        f"  web_server: {known_as(server.web_server)}\n"
        f"  files_server: {known_as(server.files_server)}\n"
        "  credentials {\n"
        f'    access_key: "{server.key.access_key}"\n'
        f'    secret_key: "{server.key.secret_key}"\n'
        "  }\n"
        "}"
    )
