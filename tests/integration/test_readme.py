"""The example of the README, run as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import RunningServer

PROJECT = Path(__file__).resolve().parents[2]


def run(server: RunningServer, folder: Path, name: str, code: str) -> str:
    (folder / name).write_text(code)
    answer = subprocess.run(
        [sys.executable, name],
        cwd=folder, env=server.environment(HOME=str(folder)), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def test_the_readmes_example_records_a_task_and_its_clone_waits_in_the_queue(
    server: RunningServer, tmp_path: Path
) -> None:
    text = (PROJECT / "README.md").read_text()
    first, second = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    shown = re.search(r"\$ python train.py\n(.*?)```", text, re.DOTALL)
    assert shown
    said = run(server, tmp_path, "train.py", first)
    found = re.search(r"task id=([0-9a-f]{32})", said)
    assert found
    # What the README shows is what is printed, ids and addresses apart.
    plain = [re.sub(r"[0-9a-f]{32}|http://[\d.:]+", "*", output).splitlines() for output in (said, shown[1])]
    assert plain[0] == plain[1]

    task = server.call("tasks.get_by_id", {"task": found[1]})["task"]
    assert (task["status"], task["hyperparams"]["General"]["lr"]["value"]) == ("completed", "0.1")
    curve = server.call("events.scalar_metrics_iter_histogram", {"task": found[1]})["loss"]["train"]
    assert curve["x"] == [0, 1, 2]

    run(server, tmp_path, "again.py", re.sub(r"[0-9a-f]{32}", found[1], second))
    clone = server.call("tasks.get_all", {"name": "^first, again$", "order_by": ["-created"]})["tasks"][0]
    assert (clone["status"], clone["parent"]) == ("queued", found[1])
    assert clone["hyperparams"]["General"]["lr"]["value"] == "0.5"
    server.call("tasks.dequeue", {"task": clone["id"]})
