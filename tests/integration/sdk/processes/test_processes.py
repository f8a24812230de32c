"""Processes of every kind report to the task, end as they would without us, and lose and double nothing."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import Workplace

from . import matrix

ROUNDS = 50


@pytest.fixture
def workplace(server: RunningServer, tmp_path: Path) -> Workplace:
    return Workplace(tmp_path, server)


@pytest.mark.timeout(300)  # longer than the script may take
@pytest.mark.parametrize("end", ["return", "os._exit", "SIGTERM", "Ctrl-C"])
def test_children_of_every_kind_under_every_end(workplace: Workplace, end: str) -> None:
    matrix.play(workplace, matrix.ENDS[end])


def test_several_tasks_in_one_process(workplace: Workplace) -> None:
    matrix.play_tasks(workplace)


def test_the_ranks_of_a_job_share_its_task(workplace: Workplace) -> None:
    matrix.play_ranks(workplace)


@pytest.mark.full
@pytest.mark.timeout(4 * 3600)
def test_fifty_rounds(server: RunningServer, tmp_path: Path) -> None:
    """All of the above again and again; the seconds that the ends took are in `ends.json`."""
    took: dict[str, list[float]] = {}
    for number in range(ROUNDS):
        for name, end in matrix.ENDS.items():
            folder = tmp_path / f"{number} {name}"
            folder.mkdir()
            took.setdefault(name, []).append(matrix.play(Workplace(folder, server), end))
        for name, play in (("tasks", matrix.play_tasks), ("ranks", matrix.play_ranks)):
            folder = tmp_path / f"{number} {name}"
            folder.mkdir()
            took.setdefault(name, []).append(play(Workplace(folder, server)))
        (tmp_path / "ends.json").write_text(json.dumps(took))
    print({name: (round(statistics.median(values), 2), round(max(values), 2)) for name, values in took.items()})
    assert all(len(values) == ROUNDS for values in took.values())
