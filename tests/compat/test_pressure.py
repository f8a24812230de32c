"""The official SDK while the server takes no reports: the run goes on, and what is reported afterwards is stored."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest

from tests.conftest import running_server
from tests.integration.events.reports import new_task
from tests.integration.events.test_pressure import LIMIT, fill, until_taken

from .official import WITHOUT_FORK, official_environment

pytestmark = [pytest.mark.one_server, pytest.mark.embedded]

RUN = """
import sys
from clearml import Task

task = Task.init("pressure", "official", auto_connect_frameworks=False, auto_resource_monitoring=False)
print("id", task.id, flush=True)
sys.stdin.readline()
for step in range(50):
    task.get_logger().report_scalar("loss", "refused", value=1.0 / (step + 1), iteration=step)
task.flush()
print("reported", flush=True)
sys.stdin.readline()
for step in range(50):
    task.get_logger().report_scalar("loss", "taken", value=1.0 / (step + 1), iteration=step)
task.flush(wait_for_uploads=True)
task.close()
print("closed", flush=True)
"""


def test_the_official_sdk_survives_a_full_store(official_sdk: Path, tmp_path: Path) -> None:
    env = {"CLEARML_SERVER_STORE_MEMORY_BYTES": str(LIMIT), "CLEARML_SERVER_SEAL_PERIOD_S": "0"}
    with running_server(env=env) as server:
        seen = official_environment(server, tmp_path, official_sdk) | WITHOUT_FORK
        log = tmp_path / "official.log"
        with (
            log.open("w") as errors,
            subprocess.Popen(
                [str(official_sdk / "python"), "-c", RUN],
                env=seen, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            ) as process,
            contextlib.ExitStack() as stack,
        ):  # fmt: skip
            stack.callback(process.kill)  # before it is waited for, also when it hangs
            assert process.stdin is not None
            assert process.stdout is not None
            said = iter(process.stdout.readline, "")
            task = next(line.split()[1] for line in said if line.startswith("id "))
            full, _ = fill(server)
            process.stdin.write("\n")
            process.stdin.flush()
            assert any(line == "reported\n" for line in said)
            assert server.call("events.scalar_metrics_iter_histogram", {"task": task}) == {}
            server.call("events.delete_for_task", {"task": full})
            until_taken(server, new_task(server))
            process.stdin.write("\n")
            process.stdin.flush()
            assert any(line == "closed\n" for line in said), log.read_text()
            assert process.wait(120) == 0, log.read_text()
        curves = server.call("events.scalar_metrics_iter_histogram", {"task": task})["loss"]
        assert curves["taken"]["x"] == list(range(50))
        # Its client sends batches as GET, which its retries cover: what was refused comes once it is taken.
        assert curves["refused"]["x"] == list(range(50))
        assert server.call("tasks.get_by_id", {"task": task})["task"]["status"] == "completed"
