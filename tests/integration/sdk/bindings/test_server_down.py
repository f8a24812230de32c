"""While the server is away the frameworks go on, and what they did arrives once it is back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import Ran, Workplace

from . import environments
from .conftest import HEAD, INIT, Bench
from .environments import INSTALL_S

pytestmark = pytest.mark.timeout(INSTALL_S)

SCRIPT = f"""
import joblib, matplotlib.pyplot as plt
from tensorboardX import SummaryWriter
task = Task.init("bindings", "away", {INIT}, output_uri=True)
writer = SummaryWriter("runs")
joblib.dump("early", "early.pkl")
plt.plot([1, 2]); plt.title("early"); plt.show()
task.flush(wait_for_uploads=True)
input("READY\\n")
for step in range(100):
    writer.add_scalar("a/b", step, step)
joblib.dump("early", "early.pkl"); joblib.dump("late", "late.pkl")
plt.plot([1, 3]); plt.title("late"); plt.show()
input("SAVED\\n")
"""


def test_nothing_waits_for_a_server_that_is_away(own_server: RunningServer, tmp_path: Path) -> None:
    bench = Bench(Workplace(tmp_path, own_server), environments.small())
    with subprocess.Popen(
        [str(bench.python), str(bench.workplace.write(HEAD + SCRIPT))],
        cwd=tmp_path,
        env=bench.workplace.environment(MPLBACKEND="Agg", MPLCONFIGDIR=str(environments.OFFICIAL / "matplotlib")),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        lines: list[str] = []
        for wanted in ("READY", "SAVED"):
            while not lines or lines[-1].strip() != wanted:
                lines.append(process.stdout.readline())
                assert lines[-1], process.communicate()[1]
            if wanted == "READY":
                own_server.stop()
            else:
                own_server.restart()  # only once the script has done all of it without a server
            process.stdin.write("go\n")
            process.stdin.flush()
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    task = bench.task_of(Ran(0, "".join(lines) + out, err))
    assert len(task.curves()["a", "b"]["x"]) == 100
    assert sorted(task.models("output")) == ["early", "late"]
    assert {title for title, _, _ in task.plots()} == {"early", "late"}
