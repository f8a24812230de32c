"""How long a training script waits for `from clearml import Task` and `Task.init`, online."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Figure, bare_interpreter, report
from tests.compat.official import official_environment, sdk_environment
from tests.conftest import running_server

SCRIPT = """
import time
began = time.perf_counter()
from clearml import Task
imported = time.perf_counter()
task = Task.init("benchmarks", "init", reuse_last_task_id=False, auto_connect_frameworks=False)
done = time.perf_counter()
import json
print(json.dumps({"import": imported - began, "init": done - imported, "sdk": Task.__module__}), flush=True)
input()
"""


def once(python: Path | str, env: dict[str, str], folder: Path) -> dict[str, float]:
    """One script in a process group of its own, killed once it has said its times: closing is not measured here."""
    script = folder / "train.py"
    script.write_text(SCRIPT)
    env = {name: value for name, value in env.items() if name != "PYTHONDONTWRITEBYTECODE"}  # as users run
    process = subprocess.Popen(
        [str(python), str(script)],
        cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        start_new_session=True, text=True,
    )  # fmt: skip
    assert process.stdout
    try:
        for line in process.stdout:
            if line.startswith('{"import"'):
                return dict(json.loads(line))
        raise RuntimeError(f"{python} ended without its times: exit {process.wait()}")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def run(title: str, *, rounds: int) -> None:
    official_python = sdk_environment() / "python"
    with running_server() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours_env = server.environment(CLEARML_JOURNAL_DIR=str(folder / "journal"))
        official_env = official_environment(server, folder, official_python.parent)
        ours, official, bare = [], [], []
        for warm_up in (True, *[False] * rounds):
            ours_once = once(sys.executable, ours_env, folder)
            official_once = once(official_python, official_env, folder)
            if not warm_up:
                ours.append(ours_once)
                official.append(official_once)
                bare.append(bare_interpreter())
    figures = [
        Figure("import", [r["import"] for r in ours], [r["import"] for r in official]),
        Figure("Task.init", [r["init"] for r in ours], [r["init"] for r in official]),
        Figure("both", [r["import"] + r["init"] for r in ours], [r["import"] + r["init"] for r in official]),
    ]
    report(title, figures, {"bare interpreter, whole process": bare})
