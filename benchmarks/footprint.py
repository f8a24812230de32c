"""What an idle server costs: memory of server and embedded store together, and how soon the first call is answered.

The time runs from the start of the process to the answer of `debug.ping`, on a data directory that was used before: a
first start also makes the administrator's key. Goals: 90 MiB, 0.8 s.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from rich.table import Table

from benchmarks.measure import bare_interpreter, console, timed
from control_plane.store.embedded import find_binary
from tests.conftest import start_server

MEMORY_GOAL_MIB = 90
START_GOAL_S = 0.8
LIMIT_S = 20.0


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def first_answer(data: Path, runtime: Path) -> float:
    """Seconds from the start of `clearml-server` to its first answered call."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "clearml_sdk.cli", "clearml-server", "--web-port=0", "--files-port=0"),
        *(f"--api-port={port}", "--data-dir", str(data)),
    ]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLEARML_")}
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**kept, "CLEARML_RUNTIME_DIR": str(runtime)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
            with suppress(ConnectionError):
                connection.request("GET", "/debug.ping")
                assert connection.getresponse().status == 200
                return time.perf_counter() - began
            if time.perf_counter() - began > LIMIT_S or process.poll() is not None:
                raise RuntimeError(f"clearml-server does not answer on port {port}")
            connection.close()
            time.sleep(0.002)  # nothing tells when another process begins to listen
    finally:
        process.terminate()
        process.wait(LIMIT_S)


def store_start(folder: Path) -> float:
    """Seconds from the start of the bare store to its first answer."""
    socket_path = folder / "bare.sock"
    options = ("--port", "0", "--unixsocket", str(socket_path), "--save", "", "--loglevel", "warning")
    began = time.perf_counter()
    process = subprocess.Popen([str(find_binary()), *options], cwd=folder, stdout=subprocess.DEVNULL)
    while not socket_path.exists():
        time.sleep(0.001)  # as above
    took = time.perf_counter() - began
    process.terminate()
    process.wait(LIMIT_S)
    return took


def resident_mib(pid: int) -> float:
    """Memory of a process and its children."""
    process = psutil.Process(pid)
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / 2**20


def run(title: str, *, rounds: int) -> None:
    memory: list[float] = []
    start: list[float] = []
    limits: dict[str, list[float]] = {"python -c pass": [], "import aiohttp": [], "the bare store": []}
    folder = Path(tempfile.mkdtemp(prefix="cl-"))
    try:
        server = start_server(folder / "data", folder / "run")
        for _ in range(rounds):
            time.sleep(1.0)  # idle is what is measured
            memory.append(resident_mib(server.process.pid))
        server.stop()
        for _ in range(rounds):
            start.append(first_answer(folder / "data", folder / "run"))
            limits["python -c pass"].append(bare_interpreter())
            limits["import aiohttp"].append(
                timed(lambda: subprocess.run([sys.executable, "-c", "import aiohttp.web"], check=True))
            )
            limits["the bare store"].append(store_start(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    table = Table(title=title, title_justify="left")
    for column in ("what", "measured", "goal", ""):
        table.add_column(column, justify="left" if column == "what" else "right")
    table.add_row("memory, idle, with the store", _spread(memory, "MiB", 1), *_goal(memory, MEMORY_GOAL_MIB, "MiB"))
    table.add_row("start to first answer", _spread(start, "s", 3), *_goal(start, START_GOAL_S, "s"))
    for name, values in limits.items():
        table.add_row(f"limit: {name}", _spread(values, "s", 3))
    console.print(table)


def _spread(values: Sequence[float], unit: str, digits: int) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} {unit} [{low:.{digits}f}..{high:.{digits}f}]"


def _goal(values: Sequence[float], goal: float, unit: str) -> tuple[str, str]:
    return f"{goal:g} {unit}", "holds" if statistics.median(values) <= goal else "no"
