"""The examples of datasets say the same with the official SDK and with ours."""

from __future__ import annotations

import concurrent.futures
import sys
from pathlib import Path

import pytest

from tests.conftest import RunningServer

from . import dual
from .official import WITHOUT_FORK, run_sdk, sdk_environment

EXAMPLES = sorted((dual.EXAMPLES / "datasets").glob("*.py"))
QUICK = ("external_files",)


def said(server: RunningServer, example: Path, python: Path | str, home: Path, **env: str) -> list[str]:
    """The lines that an example prints itself."""
    home.mkdir(parents=True)
    variables = {"HOME": str(home), "CLEARML_CACHE_DIR": str(home / "cache"), "CLEARML_JOURNAL_DIR": str(home / "j")}
    base = {"CLEARML__SDK__STORAGE__CACHE__DEFAULT_BASE_DIR": str(home / "cache")}
    answer = run_sdk([str(python), str(example)], home, server.environment(**variables, **base, **env), limit_s=120)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    own = [line.split('print("')[1].split('"')[0] for line in example.read_text().splitlines() if 'print("' in line]
    return [line for line in answer.stdout.splitlines() if line.startswith(tuple(own))]


@pytest.mark.timeout(500)
@pytest.mark.parametrize(
    "example",
    [pytest.param(one, marks=() if one.stem in QUICK else pytest.mark.full, id=one.stem) for one in EXAMPLES],
)
def test_an_example_says_the_same_with_both(example: Path, server: RunningServer, tmp_path: Path) -> None:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        theirs = pool.submit(said, server, example, sdk_environment() / "python", tmp_path / "theirs", **WITHOUT_FORK)
        ours = pool.submit(said, server, example, sys.executable, tmp_path / "ours")
        assert theirs.result() == ours.result() != []
