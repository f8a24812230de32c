"""Storing and reading artifacts, beside the official SDK in the same run; the scripts are in `training`."""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import os
import socket
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.goals import Goals
from benchmarks.measure import timed
from benchmarks.sdk import Side, sides
from tests.conftest import RunningServer

MB = 100
SMALL, SMALL_BYTES = 100, 1000
LARGE_MB = 1000
GOAL_RATIO, GOAL_EXTRA_MB = 20, 33.6  # 32 MiB


def run(title: str, *, rounds: int) -> None:
    goals = Goals(title, beside="official")
    with sides() as (server, ours, official):
        limits(goals, server, rounds)
        stored = storing(goals, ours, official, rounds)
        reading(goals, ours, official, stored, rounds)
        many(goals, ours, official, rounds)
        large(goals, server, ours)
    goals.show()


def limits(goals: Goals, server: RunningServer, rounds: int) -> None:
    """What the machine itself does with as many bytes."""
    content = os.urandom(MB * 1_000_000)
    does: dict[str, Callable[[], float]] = {
        "hashed in one thread (sha256)": lambda: timed(lambda: hashlib.sha256(content)),
        "written to the server's disk, and synced": lambda: synced(server.data_dir / "synced", content),
        "sent to a bare asyncio receiver, which drops them": lambda: received(content),
    }
    for what, do in does.items():
        goals.note(f"limit: {MB} MB {what}", [MB / do() for _ in range(rounds)], "MB/s")


def storing(goals: Goals, ours: Side, official: Side, rounds: int) -> dict[str, Any]:
    """An array, waited for; returns what one of our rounds said."""
    theirs = official.run("artifact", megabytes=MB)
    mine = [ours.run("artifact", megabytes=MB) for _ in range(rounds)]
    ratios = [theirs["seconds"] / one["seconds"] for one in mine]
    goals.at_least(
        f"an array of {MB} MB as artifact, to official", ratios, "x", GOAL_RATIO, f"{MB / theirs['seconds']:.1f} MB/s"
    )
    goals.note("the same", [MB / one["seconds"] for one in mine], "MB/s")
    goals.at_most(
        "its peak memory, beside the array",
        [one["extra"] for one in mine],
        "MB",
        GOAL_EXTRA_MB,
        f"{theirs['extra']:.0f} MB",
    )
    theirs_behind = official.run("artifact", megabytes=MB, waits=False)
    behind = [ours.run("artifact", megabytes=MB, waits=False) for _ in range(rounds)]
    goals.note(
        "not waited for: until the call returns", ms(behind, "returned"), "ms", f"{theirs_behind['returned']:.1f} s"
    )
    goals.note("until it is stored", ms(behind, "seconds"), "ms", f"{theirs_behind['seconds']:.1f} s")
    for reader, writer in ((official, mine[0]), (ours, theirs), (ours, behind[0])):
        found = reader.run("read", task=writer["task"])
        if found["sum"] != writer["sum"] or found["bytes"] != MB * 1_000_000:
            raise RuntimeError(f"another array is read than was stored: {found}, not {writer}")
    return mine[0]


def reading(goals: Goals, ours: Side, official: Side, stored: dict[str, Any], rounds: int) -> None:
    """The array that is stored: as a local copy, then as the object."""
    theirs = official.run("read", task=stored["task"])
    mine = [ours.run("read", task=stored["task"]) for _ in range(rounds)]
    if any(one["sum"] != stored["sum"] for one in mine):
        raise RuntimeError("another array was read than was stored")
    for key, what in (("copied", "its local copy, downloaded"), ("decoded", "the array, of the copy")):
        goals.note(what, [MB / one[key] for one in mine], "MB/s", f"{MB / theirs[key]:.0f} MB/s")


def many(goals: Goals, ours: Side, official: Side, rounds: int) -> None:
    """Small artifacts, one after another, then waited for."""
    theirs = official.run("handful", count=SMALL, size_bytes=SMALL_BYTES)
    mine = [ours.run("handful", count=SMALL, size_bytes=SMALL_BYTES) for _ in range(rounds)]
    goals.note(f"{SMALL} artifacts of 1 KB, stored", ms(mine, "seconds"), "ms", f"{theirs['seconds']:.1f} s")
    goals.note("until the last call returns", ms(mine, "returned"), "ms", f"{theirs['returned']:.1f} s")


def large(goals: Goals, server: RunningServer, ours: Side) -> None:
    """One upload of a file of 1 GB, and what it adds to the server's memory at most."""
    before = peak_mb(server.process.pid, resets=True)
    said = ours.run("file", megabytes=LARGE_MB)
    goals.note(f"a file of {LARGE_MB} MB as artifact", [LARGE_MB / said["seconds"]], "MB/s")
    goals.note("what it adds to the server's memory, at most", [peak_mb(server.process.pid) - before], "MB")
    goals.note("and to the script's", [said["extra"]], "MB")


def ms(said: list[dict[str, Any]], key: str) -> list[float]:
    return [one[key] * 1e3 for one in said]


def synced(path: Path, content: bytes) -> float:
    """Seconds that `content` takes to the disk, as a plain file."""
    began = time.perf_counter()
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - began
    path.unlink()
    return seconds


def received(content: bytes) -> float:
    """Seconds until another process has received all of `content`, over the loopback."""
    near, far = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=drop, args=(far, len(content)))
    process.start()
    try:
        with socket.create_connection(("127.0.0.1", near.recv())) as sock:
            began = time.perf_counter()
            sock.sendall(content)
            near.recv()
            return time.perf_counter() - began
    finally:
        process.join()


def drop(told: Connection, size_bytes: int) -> None:
    """Receive so many bytes with asyncio's own loop, into one buffer."""

    class Receiver(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer, self.left = bytearray(1 << 20), size_bytes
            self.is_over = asyncio.Event()

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            self.left -= nbytes
            if not self.left:
                self.is_over.set()

    async def serve() -> None:
        receiver = Receiver()
        server = await asyncio.get_running_loop().create_server(lambda: receiver, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await receiver.is_over.wait()
        told.send(None)
        server.close()

    asyncio.run(serve())


def peak_mb(pid: int, *, resets: bool = False) -> float:
    """Most resident memory of a process; `resets`: of now on."""
    if resets:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("the kernel does not tell a process's peak memory")
