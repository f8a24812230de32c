"""How long a task's environment takes: beside `uv venv` and `uv pip install` alone, and when it is there already.

"new, packages at hand" has the wheels in uv's cache, "nothing at hand" has an empty one; "ready" is a second task with
the same packages, also of an environment with 20,000 files. Python's own start is the floor of a first line.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.measure import Figure, bare_interpreter, report
from clearml_agent.environments import EnvironmentRequest, PackageSettings, build, byte_compile
from clearml_agent.environments.interpreters import uv_program
from clearml_agent.environments.settings import read_indexes

LINES = ("numpy==2.3.1", "requests==2.32.4")
FIRST_LINE = "import sys; sys.stdout.write('x')"


def ours(folder: Path, cache: Path, environ: dict[str, str], *lines: str) -> float:
    """Seconds from the request to the first line of user code."""
    request = EnvironmentRequest(
        requirements=lines,
        settings=PackageSettings(indexes=read_indexes([], environ), free_space_bytes=0),
    )
    began = time.perf_counter()
    made = asyncio.run(build(request, folder, cache=cache, log=lambda line: None, environ=environ))
    subprocess.run([made.python, "-c", FIRST_LINE], env=environ | made.variables, check=True, capture_output=True)
    took = time.perf_counter() - began
    asyncio.run(byte_compile(made))
    return took


def bare(folder: Path, environ: dict[str, str], *lines: str) -> float:
    """The same by uv alone."""
    began = time.perf_counter()
    uv = uv_program()
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(folder)], env=environ, check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([uv, "pip", "install", "-q", "--python", python, *lines], env=environ, check=True)
    subprocess.run([python, "-c", FIRST_LINE], env=environ, check=True, capture_output=True)
    return time.perf_counter() - began


def ready(folder: Path, cache: Path, environ: dict[str, str], settings: PackageSettings, line: str) -> float:
    """Seconds that a cached environment takes to be ready."""
    request = EnvironmentRequest(requirements=[line], settings=settings)
    began = time.perf_counter()
    made = asyncio.run(build(request, folder, cache=cache, log=lambda line: None, environ=environ))
    took = time.perf_counter() - began
    if not made.reused:
        asyncio.run(byte_compile(made))
    return took


def large_wheel(folder: Path) -> Path:
    """A wheel with 20,000 files in 400 folders."""
    import zipfile

    path = folder / "large-1.0-py3-none-any.whl"
    info = "large-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        names = [f"large/part{number // 50}/m{number}.py" for number in range(20_000)]
        for name in names:
            archive.writestr(name, "x = 1\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: large\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*names, f"{info}/RECORD"]))
    return path


def run(title: str, *, rounds: int) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        root = Path(name)
        numbers = iter(range(10_000))

        def place(kind: str) -> Path:
            return root / f"{kind}{next(numbers)}"

        def environment(packages: Path) -> dict[str, str]:
            kept = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
            return {**kept, "UV_CACHE_DIR": str(packages)}

        def alternate(one: Callable[[], float], other: Callable[[], float]) -> tuple[list[float], list[float]]:
            pairs = [(one(), other()) for _ in range(rounds)]
            return [pair[0] for pair in pairs], [pair[1] for pair in pairs]

        at_hand = environment(root / "packages")
        ours(place("warm"), root / "warm-cache", at_hand, *LINES)
        new = alternate(
            lambda: ours(place("run"), place("cache"), at_hand, *LINES), lambda: bare(place("venv"), at_hand, *LINES)
        )
        empty = alternate(
            lambda: ours(place("run"), place("cache"), environment(place("packages")), *LINES),
            lambda: bare(place("venv"), environment(place("packages")), *LINES),
        )
        again = [ours(place("run"), root / "warm-cache", at_hand, *LINES) for _ in range(rounds)]
        indexes = msgspec.structs.replace(read_indexes([], at_hand), find_links=(str(root),))
        large_wheel(root)
        settings = PackageSettings(indexes=indexes, free_space_bytes=0)
        ready(place("run"), root / "large-cache", at_hand, settings, "large==1.0")
        large = [ready(place("run"), root / "large-cache", at_hand, settings, "large==1.0") for _ in range(rounds)]
        floor = [bare_interpreter() for _ in range(rounds)]
        shutil.rmtree(root, ignore_errors=True)
    report(
        title,
        [Figure("new, packages at hand", *new), Figure("new, nothing at hand", *empty)],
        {"known, to the first line": again, "known, 20,000 files, ready": large, "bare interpreter": floor},
    )
