"""The report of the acceptance checklist: which test proves which row."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
CONTRACT = PROJECT.parent / "shared/contract/seed_checklist.md"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(PROJECT / "scripts/_rows.py"))


def report(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROJECT / "scripts/_rows.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_every_kind_of_mark_is_found(script: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(
        "import pytest\n"
        'pytestmark = [pytest.mark.slow, pytest.mark.rows("S1-001")]\n'
        '@pytest.mark.rows("S3-001", "S3-002")\n'
        "def test_one() -> None: ...\n"
        '@pytest.mark.rows("S3-003")\n'
        "class TestMany:\n"
        '    @pytest.mark.parametrize("x", [1, pytest.param(2, marks=pytest.mark.rows("S3-004"))])\n'
        "    async def test_two(self, x: int) -> None: ...\n"
        "def helper() -> None: ...\n"
    )
    script["marked"].__globals__["PROJECT"] = tmp_path
    try:
        found = dict(script["marked"](tmp_path))
    finally:
        script["marked"].__globals__["PROJECT"] = PROJECT
    assert found == {
        "test_some.py::test_one": ["S1-001", "S3-001", "S3-002"],
        "test_some.py::TestMany::test_two": ["S1-001", "S3-003", "S3-004"],
    }


def test_rows_that_do_not_exist_and_too_many_at_once_are_faults(script: dict[str, Any]) -> None:
    proofs = [("a::test_a", ["S3-001", "S9-999"]), ("b::test_b", ["S3-001", "S3-002", "S3-003", "S3-004"])]
    wrong = script["faults"](script["read_checklist"](), proofs)
    assert wrong == ["a::test_a: there is no row S9-999", "b::test_b names more than 3 rows"]


def test_report_lists_rows_with_their_tests_and_this_project_has_no_fault() -> None:
    done = report("S3", "--json")
    assert done.returncode == 0, done.stderr
    rows = {item["row"]: item["tests"] for item in json.loads(done.stdout)}
    assert len(rows) == 98 and all(row.startswith("S3-") for row in rows)
    missing = report("S3", "--missing", "--json")
    lacking = {item["row"] for item in json.loads(missing.stdout)}
    assert lacking == {row for row, tests in rows.items() if not tests}
    assert missing.returncode == bool(lacking)
    assert f"{98 - len(lacking)} of 98 rows have a test" in report("S3").stdout


@pytest.mark.skipif(not CONTRACT.exists(), reason="the contract is not beside this project")
def test_list_is_that_of_the_contract(script: dict[str, Any]) -> None:
    lines = [line.split(" | ") for line in CONTRACT.read_text().splitlines() if line.startswith("| S")]
    assert {cells[0].removeprefix("| "): cells[2] for cells in lines} == script["read_checklist"]()
