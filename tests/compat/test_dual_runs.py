"""Every example, unchanged, with the official SDK and with ours: the recorded tasks are the same, field by field.

What differs on purpose is listed in `dual_differences.toml`, each with its reason; anything else fails.
"""

from __future__ import annotations

import concurrent.futures
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer

from . import dual, dual_table
from .official import SDK_VERSION, TORN, WITHOUT_FORK, environment_with, sdk_environment

QUICK = (
    "tasks/first_task.py",
    "parameters/dictionary.py",
    "parameters/configurations.py",
    "reporting/scalars.py",
)
"""What the landing suite runs: with nothing but numpy, and soon over."""

COMPARED = ("artifacts", "models", "offline", "parameters", "processes", "remote", "reporting", "storage", "tasks")
"""Folders of examples that begin, record and end by themselves. Those of `frameworks` are compared beside the bindings
(`test_same_as_official.py`), the others are run by the tests of their parts."""

TRIES = 6
"""The official SDK hangs at the end of some runs, and in some two of its threads use one connection at once."""

EXAMPLES = sorted(
    f"{folder}/{path.name}" for folder in COMPARED for path in (dual.EXAMPLES / folder).glob("*.py")
)  # fmt: skip


def facts_of(server: RunningServer, example: str, python: Path | str, home: Path, **env: str) -> dict[str, Any]:
    """What the server has of one run of an example; tried again when it hangs."""
    for number in range(TRIES):
        user, process = dual.start(server, example, python, home / str(number), **env)
        try:
            code = process.wait(120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)
            continue
        out = (home / str(number) / "out").read_text(errors="replace")
        if TORN.search(out):
            continue
        print(f"--- {home.name}\n{out[-4000:]}")
        return dual.recorded(server, dual.Ran(user, home / str(number), code))
    raise AssertionError(f"{example} did not end in {TRIES} tries")


def both(server: RunningServer, example: str, folder: Path, official: Path, ours: Path | str) -> list[dict[str, Any]]:
    """What the server has of an example's run with the official SDK, and of that with ours; both at the same time."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(facts_of, server, example, official, folder / "official", **WITHOUT_FORK),
            pool.submit(facts_of, server, example, ours, folder / "ours"),
        ]
        return [run.result() for run in runs]


@pytest.mark.timeout(900)
def test_short_examples_are_recorded_the_same(server: RunningServer, tmp_path: Path) -> None:
    official = sdk_environment() / "python"
    with concurrent.futures.ThreadPoolExecutor(len(QUICK)) as pool:  # the official SDK mostly waits
        found = list(
            pool.map(lambda one: both(server, one, tmp_path / Path(one).stem, official, sys.executable), QUICK)
        )
    rows = dual_table.read()
    problems = {one: dual_table.compare(one, *facts, rows) for one, facts in zip(QUICK, found, strict=True)}
    assert problems == {one: [] for one in QUICK}, "\n".join(line for lines in problems.values() for line in lines)


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_recorded_the_same(example: str, server: RunningServer, tmp_path: Path) -> None:
    from tests.integration.sdk.bindings.environments import SMALL, small

    name = f"bindings-official-{SDK_VERSION}"
    official = environment_with(name, f"clearml=={SDK_VERSION}", *SMALL, compiled=False) / "python"
    theirs, ours = both(server, example, tmp_path, official, small())
    problems = dual_table.compare(example, theirs, ours, dual_table.read())
    assert not problems, "\n".join(problems)


def test_the_table_names_examples_that_exist_and_gives_reasons() -> None:
    for row in dual_table.read():
        assert len(row.reason) > 20
        assert row.example == "*" or row.example in EXAMPLES
    assert len(EXAMPLES) >= 25
    assert set(QUICK) <= set(EXAMPLES)


def test_an_unlisted_difference_and_an_idle_row_are_found() -> None:
    rows = [dual_table.Row("a.py", "task x/only theirs", "a reason"), dual_table.Row("a.py", "task x/same", "a reason")]
    theirs = {"task x/only theirs": 1, "task x/same": 2, "task x/other": 0.1 + 0.2}
    ours = {"task x/same": 2, "task x/other": 0.3, "task x/new": 1}
    found = dual_table.compare("a.py", theirs, ours, rows)
    assert [line.partition("\n")[0] for line in found] == [
        "task x/new", "listed, but the same now: task x/same (a reason)"
    ]  # fmt: skip
    assert dual_table.compare("b.py", {"c/console": ["x", "SDK says"]}, {"c/console": ["x"]}, []) != []
    line = dual_table.Row("*", "*/console", "a reason", line="^SDK")
    assert dual_table.compare("b.py", {"c/console": ["x", "SDK says"]}, {"c/console": ["x"]}, [line]) == []
