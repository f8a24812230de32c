"""`clearml-server doctor`: what is wrong or risky about a server and its data, in plain words."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import stat
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from clearml_sdk.command_line import Parser
from control_plane.commands._target import (
    CommandFailed,
    Target,
    add_arguments,
    located,
    print_json,
    run,
    settings_of,
)
from control_plane.services.persistence import judge
from control_plane.settings import Settings
from control_plane.store import health, keys
from control_plane.store.connection import Connection
from control_plane.store.embedded import OLDEST_MAJOR
from control_plane.store.errors import StoreError

CLOCK_S = 2.0
"""Deadlines and tokens of different machines begin to disagree."""
WATCH_S = 120.0
LOW_DISK_BYTES = 1 << 30
LOW_DISK_SHARE = 0.05
HIGH_MEMORY_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Literal["ok", "warning", "error"]
    about: str
    text: str


def main(argv: Sequence[str]) -> int:
    """Run the command; 1 when anything is wrong."""
    parser = Parser(
        prog="clearml-server doctor",
        description="Say what is wrong or risky about a server, its settings and its data. Changes nothing. "
        "Exit status 1 when something is wrong.",
    )
    parser.add_argument("--deep", action="store_true", help="also read every byte of every segment")
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    return run(parser.prog, _main(arguments))


async def _main(arguments: argparse.Namespace) -> int:
    settings, server = settings_of(arguments)
    findings = [*_directory(settings), *_ports(settings, running=server is not None)]
    try:
        async with located(arguments) as target:
            findings += _server(target)
            findings += await _store(target)
            if not any(finding.about == "data" and finding.level != "ok" for finding in findings):
                findings += await _segments(target, deep=arguments.deep)
    except (StoreError, CommandFailed, OSError) as error:
        findings.append(Finding("error", "store", str(error)))
    if arguments.json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print(findings)
    return 1 if any(finding.level == "error" for finding in findings) else 0


def _directory(settings: Settings) -> Iterator[Finding]:
    """The data directory, what lies in it and the disk it is on."""
    folder = settings.data_dir
    if not folder.is_dir():
        return  # what is missing is said of the store
    facts = folder.stat()
    if facts.st_uid != os.getuid():
        yield Finding("error", "data directory", f"{folder} belongs to user {facts.st_uid}, not to you ({os.getuid()})")
    elif stat.S_IMODE(facts.st_mode) & 0o077:
        yield Finding("warning", "data directory", f"others may look into {folder}: chmod 700 {folder}")
    else:
        yield Finding("ok", "data directory", f"{folder} is yours alone")
    for name in ("credentials.json", "secret"):
        path = folder / name
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            yield Finding("error", "secrets", f"others may read {path}: chmod 600 {path}")
    files = settings.files_dir
    if files.exists() and not os.access(files, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("error", "files", f"{files} cannot be read and written: uploads fail")
    disk = shutil.disk_usage(folder)
    share = disk.free / disk.total
    text = f"{_size(disk.free)} of {_size(disk.total)} free where {folder} is"
    low = disk.free < LOW_DISK_BYTES or share < LOW_DISK_SHARE
    yield Finding("warning" if low else "ok", "disk", text + ("; when it is full, nothing is stored" if low else ""))


def _ports(settings: Settings, *, running: bool) -> Iterator[Finding]:
    """Whether a server could be started now."""
    if running:
        return
    for port in (settings.api_port, settings.web_port, settings.files_port):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.host, port))
            except OSError as error:
                yield Finding(
                    "warning",
                    "ports",
                    f"{settings.host}:{port}: {os.strerror(error.errno or 0)}; a server cannot start",
                )


def _server(target: Target) -> Iterator[Finding]:
    """The running server, by its own address."""
    if target.server is None:
        yield Finding("ok", "server", "none of yours runs on this data")
        return
    address = str(target.server["api_server"])
    try:
        with urllib.request.urlopen(f"{address}/debug.ping", timeout=5) as answer:
            answer.read()
        with urllib.request.urlopen(f"{address}/metrics", timeout=5) as answer:
            metrics = dict(
                line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#")
            )
    except OSError as error:
        yield Finding("error", "server", f"{address} does not answer: {error}")
        return
    yield Finding("ok", "server", f"answers at {address}")
    fenced = int(float(metrics.get("clearml_fenced_writes_total", 0)))
    if fenced:
        yield Finding(
            "warning",
            "fenced writes",
            f"{fenced} since the server started: agents went on with tasks that had been given to others",
        )


async def _store(target: Target) -> list[Finding]:
    findings = []
    connection = Connection(target.url, retry_s=5.0)
    try:
        found = await health.nodes(connection)
        kind = {
            "single": "one node",
            "sentinel": "a primary named by Sentinels",
            "cluster": f"a Cluster of {len(found)}",
        }
        where = "embedded" if not target.settings.redis_url else kind[connection.topology.kind]
        findings.append(Finding("ok", "store", f"{where}, {found[0].version}, answers"))
        for number, node in enumerate(found, 1):
            about = "store" if len(found) == 1 else f"node {number}"
            findings += _node(node, about, is_embedded=not target.settings.redis_url)
        findings += await _data(connection)
    finally:
        await connection.close()
    return findings


def _node(node: health.Node, about: str, *, is_embedded: bool) -> Iterator[Finding]:
    major = int("".join(node.version.split()[1:])[:2].rstrip("."))
    if major < OLDEST_MAJOR:
        yield Finding("error", about, f"{node.version} is too old: {OLDEST_MAJOR} or newer is needed")
    policy = node.settings.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        yield Finding("error", about, f"maxmemory-policy is {policy}: experiments are dropped when memory runs out")
    kept = judge(node.settings)
    level: Literal["ok", "warning", "error"] = "ok" if kept.survives_power_cut else "warning"
    if kept.survives_crash is False:
        level = "error"
    yield Finding(level, f"{about}: persistence", kept.text)
    if not node.append_only_ok:
        yield Finding("error", about, "its last write to disk failed: look into its log, and at the disk it is on")
    used, limit = node.memory_bytes, node.memory_limit_bytes
    if limit and used > HIGH_MEMORY_SHARE * limit:
        yield Finding("warning", f"{about}: memory", f"{_size(used)} of {_size(limit)}: when it is full, writes fail")
    else:
        yield Finding("ok", f"{about}: memory", _size(used) + (f" of {_size(limit)}" if limit else ""))
    if abs(node.seconds_ahead) > CLOCK_S:
        yield Finding(
            "warning", f"{about}: clock", f"{node.seconds_ahead:+.1f} s against this machine: synchronise the clocks"
        )
    if node.used_by_others and not is_embedded:
        yield Finding("warning", about, "others keep keys here too: they share its memory, and FLUSHALL")


async def _data(connection: Connection) -> list[Finding]:
    version, restoring = await health.layout(connection)
    if restoring is not None:
        return [Finding("error", "data", f"a restore began at {restoring} and did not finish: empty it, restore again")]
    if version is None:
        return [Finding("ok", "data", "none yet")]
    if version != keys.SCHEMA_VERSION:
        newer = version > keys.SCHEMA_VERSION
        text = f"of layout {version}, this version reads {keys.SCHEMA_VERSION}: "
        text += "use the one that wrote it" if newer else "it is migrated when a server starts"
        return [Finding("error" if newer else "warning", "data", text)]
    findings = [Finding("ok", "data", f"of layout {version}")]
    now_ms = int(time.time() * 1000)
    stuck = await health.stuck_in_flight(connection, now_ms)
    if stuck:
        findings.append(
            Finding(
                "warning", "queues", f"{stuck} entries were taken and never started nor returned: no server watches"
            )
        )
    watched = await health.last_watch_ms(connection)
    if watched is not None and now_ms - watched > WATCH_S * 1000:
        ago = (now_ms - watched) // 1000
        findings.append(Finding("warning", "watchdog", f"last looked {ago} s ago: while no server runs nobody does"))
    return findings


async def _segments(target: Target, *, deep: bool) -> list[Finding]:
    from control_plane.commands._segments import lines  # for cost: numpy comes with it

    async with target.store() as store:
        return [Finding(*line) async for line in lines(target, store, deep=deep)]


def _size(count: int) -> str:
    from rich.filesize import decimal

    return decimal(count)


def _print(findings: Sequence[Finding]) -> None:
    from rich.console import Console  # for cost: not with --json
    from rich.text import Text

    console = Console(soft_wrap=True)
    style = {"ok": "green", "warning": "yellow", "error": "bold red"}
    for finding in findings:
        line = Text.assemble(
            (f"{finding.level:<8}", style[finding.level]), (f"{finding.about}: ", "bold"), finding.text
        )
        console.print(line)
