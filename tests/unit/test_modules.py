"""The house stands: every module can be imported alone, and what is base install needs the base install only."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("control_plane", "clearml_agent", "clearml_sdk")
MODULES = sorted(
    ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")
    for package in PACKAGES
    for path in (PROJECT / package).rglob("*.py")
)
HEAVY = ("aiohttp", "click", "rich", "redis", "orjson", "uvloop", "numpy", "pandas", "matplotlib", "pyhocon", "git")


def python(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)


def test_every_module_imports_alone_without_a_warning() -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = dict(zip(MODULES, pool.map(lambda name: python(f"import {name}"), MODULES), strict=True))
    failed = {name: answer.stderr[-1500:] for name, answer in answers.items() if answer.returncode}
    assert not failed


@pytest.mark.parametrize("statement", ["import clearml_sdk", "from clearml import Task, Logger, OutputModel"])
def test_importing_the_sdk_loads_nothing_heavy(statement: str) -> None:
    answer = python(f"import sys; {statement}; print([m for m in {HEAVY!r} if m in sys.modules])")
    assert answer.stdout.strip() == "[]", answer.stdout + answer.stderr


def test_an_interpreter_that_does_not_use_the_sdk_does_not_load_it() -> None:
    answer = python("import sys; print(sorted(m for m in sys.modules if m.startswith(('clearml', 'msgspec'))))")
    loaded = eval(answer.stdout)
    assert set(loaded) <= {"clearml_sdk", "clearml_sdk._alias"}, loaded
