"""The house stands: every module can be imported alone, and what is base install needs the base install only."""

from __future__ import annotations

import json
import subprocess
import sys
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


EACH_ALONE = """
import json, os, sys, traceback
import aiohttp.web, argon2, click, fsspec, msgspec, numpy, orjson, psutil, pyhocon, redis.asyncio, rich.table, uvloop

# A child a module: what others import is loaded here once, of ours there is nothing in any of them.
failed = {}
for name in json.loads(sys.argv[1]):
    end, other = os.pipe()
    child = os.fork()
    if not child:
        try:
            __import__(name)
        except BaseException:
            os.write(other, traceback.format_exc()[-1500:].encode() or b"failed")
        os._exit(0)
    os.close(other)
    with os.fdopen(end) as said:
        if text := said.read():
            failed[name] = text
    os.waitpid(child, 0)
print(json.dumps(failed))
"""


@pytest.mark.timeout(420)
@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_imports_alone_without_a_warning(package: str) -> None:
    names = [name for name in MODULES if name.partition(".")[0] == package]
    command = [sys.executable, "-W", "error", "-c", EACH_ALONE, json.dumps(names)]
    answer = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=400, check=False)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout) == {}


@pytest.mark.parametrize("statement", ["import clearml_sdk", "from clearml import Task, Logger, OutputModel"])
def test_importing_the_sdk_loads_nothing_heavy(statement: str) -> None:
    answer = python(f"import sys; {statement}; print([m for m in {HEAVY!r} if m in sys.modules])")
    assert answer.stdout.strip() == "[]", answer.stdout + answer.stderr


def test_an_interpreter_that_does_not_use_the_sdk_does_not_load_it() -> None:
    answer = python("import sys; print(sorted(m for m in sys.modules if m.startswith(('clearml', 'msgspec'))))")
    loaded = eval(answer.stdout)
    assert set(loaded) <= {"clearml_sdk", "clearml_sdk._alias"}, loaded
