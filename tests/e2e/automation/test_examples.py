"""The examples of pipelines and searches run and say what they promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import RunningServer

EXAMPLES = Path(__file__).parents[3] / "examples"

SAID = {
    "pipelines/copies_of_a_task.py": "total 16",
    "pipelines/decorated.py": "good 16\nreturned 16",
    "pipelines/functions.py": "successful: True",
    "optimization/grid.py": "{'General/x': '3', 'General/kind': 'plain'} 0.0",
}


@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    "example",
    [name if name == "pipelines/decorated.py" else pytest.param(name, marks=pytest.mark.full) for name in sorted(SAID)],
)
def test_example_says_what_it_promises(server: RunningServer, tmp_path: Path, example: str) -> None:
    script = tmp_path / Path(example).name
    script.write_text((EXAMPLES / example).read_text())
    done = subprocess.run(
        [sys.executable, str(script)],
        env=server.environment(HOME=str(tmp_path)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert SAID[example] in done.stdout


def test_every_example_is_run() -> None:
    there = {
        f"{path.parent.name}/{path.name}"
        for kind in ("pipelines", "optimization")
        for path in EXAMPLES.glob(f"{kind}/*.py")
    }
    assert there == set(SAID)
