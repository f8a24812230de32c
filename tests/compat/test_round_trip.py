"""One experiment, recorded and run by every pairing of official and our packages, reads back the same."""

from __future__ import annotations

import sys
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from examples.repository import make_repository
from tests.conftest import RunningServer

from .official import WITHOUT_FORK, official_environment, run_sdk

EPOCHS = 4
ENDED = ("completed", "failed", "stopped", "published", "closed")


@dataclass
class Experiment:
    """What a reader of the server sees of one run."""

    status: str
    parameters: dict[str, str]
    scalars: dict[str, list[float]]
    plots: list[str]
    console: str
    artifact: bytes
    weights: bytes
    commit: str
    diff: str


def download(server: RunningServer, url: str) -> bytes:
    assert url.startswith(server.files), url
    path = urllib.parse.quote(urllib.parse.unquote(url[len(server.files) :]))
    request = urllib.request.Request(server.files + path, headers={"Authorization": f"Bearer {server.login()}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


def read_back(server: RunningServer, task_id: str) -> Experiment:
    task = server.call("tasks.get_by_id", {"task": task_id})["task"]
    log = server.call("events.get_task_log", {"task": task_id, "batch_size": 5000, "order": "asc"})["events"]
    scalars = server.call("events.scalar_metrics_iter_histogram", {"task": task_id})
    artifacts = {a["key"]: a for a in task["execution"]["artifacts"]}
    console = "".join(e["msg"] if e["msg"].endswith("\n") else e["msg"] + "\n" for e in log)
    if task["status"] != "completed":
        pytest.fail(f"the task {task['status']}: {task.get('status_reason')}\n{console[-4000:]}")
    model = server.call("models.get_by_id", {"model": task["models"]["output"][0]["model"]})["model"]
    return Experiment(
        status=task["status"],
        parameters={n: p["value"] for n, p in task["hyperparams"]["Args"].items()},
        scalars={
            f"{m}/{v}": series["y"] for m, vs in scalars.items() if not m.startswith(":") for v, series in vs.items()
        },
        plots=[p["variant"] for p in server.call("events.get_task_plots", {"task": task_id})["plots"]],
        console=console,
        artifact=download(server, artifacts["result"]["uri"]),
        weights=download(server, model["uri"]),
        commit=task["script"]["version_num"],
        diff=task["script"]["diff"],
    )


def record(server: RunningServer, python: Path | str, env: dict[str, str], folder: Path) -> str:
    """Run the example as its author would; it also says which SDK it runs with. Returns the task's id."""
    clone = make_repository(folder)
    script = clone / "train.py"
    script.write_text(
        script.read_text().replace("    task.close()", '    print("sdk:", Task.__module__)\n    task.close()')
    )
    answer = run_sdk([str(python), "train.py", "--epochs", str(EPOCHS)], clone, env)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    newest = {"name": "^three classes$", "order_by": ["-created"], "page": 0, "page_size": 1}
    return str(server.call("tasks.get_all", newest)["tasks"][0]["id"])


def run_clone(server: RunningServer, task: str, queue: str, limit_s: float = 300) -> str:
    clone = str(server.call("tasks.clone", {"task": task, "new_task_name": f"clone on {queue}"})["id"])
    server.call("tasks.enqueue", {"task": clone, "queue_name": queue})
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = server.call("tasks.get_all", {"id": [clone], "only_fields": ["status"]})["tasks"][0]["status"]
        if found in ENDED:
            return clone
        time.sleep(0.2)  # the status is what a user polls for
    log = server.call("events.get_task_log", {"task": clone, "batch_size": 500, "order": "asc"})["events"]
    pytest.fail(f"the clone is still {found} after {limit_s:.0f} s\n" + "\n".join(e["msg"] for e in log[-40:]))


def check_same(server: RunningServer, recorded: str, ran: str) -> tuple[Experiment, Experiment]:
    first, second = read_back(server, recorded), read_back(server, ran)
    assert len(first.scalars["loss/train"]) == EPOCHS
    assert second.parameters == first.parameters
    assert second.parameters["epochs"] == str(EPOCHS)
    assert second.scalars == first.scalars
    assert second.plots == first.plots == ["points"]
    assert second.artifact == first.artifact
    assert second.weights == first.weights
    assert len(first.weights) > 200
    assert (second.commit, second.diff.strip()) == (first.commit, first.diff.strip())
    for line in (*(f"epoch {n}: loss" for n in range(EPOCHS)), "done, with the uncommitted change"):
        assert line in first.console
        assert line in second.console
    return first, second


def sdk_of(experiment: Experiment) -> str:
    line = next(line for line in experiment.console.splitlines() if line.startswith("sdk:"))
    return line.split()[1].split(".")[0]


@pytest.fixture(scope="module")
def recorded_by_official(server: RunningServer, official_sdk: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("official-record")
    env = official_environment(server, folder, official_sdk) | WITHOUT_FORK
    return record(server, official_sdk / "python", env, folder)


@pytest.fixture(scope="module")
def recorded_by_ours(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    return record(server, sys.executable, server.environment(), tmp_path_factory.mktemp("our-record"))


@pytest.mark.timeout(900)
def test_official_sdk_records_and_our_agent_runs_with_the_official_sdk(
    server: RunningServer, recorded_by_official: str, our_worker: str
) -> None:
    _, second = check_same(server, recorded_by_official, run_clone(server, recorded_by_official, our_worker))
    assert sdk_of(second) == "clearml"


@pytest.mark.timeout(900)
def test_official_sdk_records_and_official_agent_runs(
    server: RunningServer, recorded_by_official: str, official_worker: str
) -> None:
    _, second = check_same(server, recorded_by_official, run_clone(server, recorded_by_official, official_worker))
    assert sdk_of(second) == "clearml"


@pytest.mark.timeout(900)
def test_our_sdk_records_and_our_agent_runs_with_our_sdk(
    server: RunningServer, recorded_by_ours: str, our_worker: str
) -> None:
    first, second = check_same(server, recorded_by_ours, run_clone(server, recorded_by_ours, our_worker))
    assert sdk_of(first) == sdk_of(second) == "clearml_sdk"


@pytest.mark.timeout(900)
def test_our_sdk_records_and_official_agent_runs_with_the_official_sdk(
    server: RunningServer, recorded_by_ours: str, official_worker: str
) -> None:
    first, second = check_same(server, recorded_by_ours, run_clone(server, recorded_by_ours, official_worker))
    assert (sdk_of(first), sdk_of(second)) == ("clearml_sdk", "clearml")
