"""Whole runs of the official SDK in processes of their own: recorded, continued, reused, offline and imported.

`Task.close` waits ten seconds when the reporter is a thread, so the runs go on side by side, once for this module.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer

from .helpers import Api, shown
from .official import WITHOUT_FORK, official_environment, run_sdk

LIMIT_S = 60

RUNS = {
    "recorded": """
        import argparse, json, sys
        from clearml import Task
        sys.argv = ["train.py", "--epochs", "3", "--rate", "0.5"]
        task = Task.init(project_name="official runs", task_name="recorded", tags=["one"], output_uri=True)
        parser = argparse.ArgumentParser()
        parser.add_argument("--epochs", type=int, default=1)
        parser.add_argument("--rate", type=float, default=0.1)
        args = parser.parse_args()
        settings = task.connect({"depth": 2, "nested": {"on": True}}, name="Net")
        text = task.connect_configuration({"layers": [1, 2]}, name="layout")
        for n in range(args.epochs):
            task.get_logger().report_scalar("loss", "train", 1.0 / (n + 1), n)
            print("epoch", n)
        task.upload_artifact("summary", {"epochs": args.epochs})
        task.close()
        out = {"id": task.id, "depth": settings["depth"]}
    """,
    "continued": """
        import json
        from clearml import Task
        first = Task.init(project_name="official runs", task_name="continued", auto_resource_monitoring=False)
        for n in range(3):
            first.get_logger().report_scalar("loss", "train", float(n), n)
        first.close()
        again = Task.init(
            project_name="official runs", task_name="continued", continue_last_task=first.id,
            auto_resource_monitoring=False,
        )
        offset = again.get_initial_iteration()
        for n in range(3):
            again.get_logger().report_scalar("loss", "train", 10.0 + n, n)
        again.close()
        out = {"first": first.id, "again": again.id, "offset": offset}
    """,
    "reused": """
        import json
        from clearml import Task
        first = Task.init(project_name="official runs", task_name="reused", auto_resource_monitoring=False)
        first.get_logger().report_scalar("old", "run", 1.0, 0)
        first.close()
        second = Task.init(project_name="official runs", task_name="reused", auto_resource_monitoring=False)
        second.upload_artifact("kept", {"a": 1}, wait_on_upload=True)
        second.close()
        third = Task.init(project_name="official runs", task_name="reused", auto_resource_monitoring=False)
        third.close()
        out = {"first": first.id, "second": second.id, "third": third.id}
    """,
    "offline": """
        import json
        from clearml import Task
        Task.set_offline(True)
        task = Task.init(project_name="official runs", task_name="offline", auto_resource_monitoring=False)
        task.connect({"rate": 0.25}, name="Net")
        for n in range(3):
            task.get_logger().report_scalar("loss", "train", float(n), n)
        task.get_logger().report_text("written offline")
        task.upload_artifact("result", {"a": 1})
        folder = task.get_offline_mode_folder()
        task.close()
        Task.set_offline(False)
        out = {"offline": task.id, "imported": Task.import_offline_session(str(folder) + ".zip")}
    """,
    "pipeline": """
        import json
        from clearml import PipelineController, Task
        base = Task.create(project_name="official runs", task_name="base step")
        pipe = PipelineController(name="the pipeline", project="official runs", version="1.2.3")
        pipe.set_default_execution_queue("default")
        pipe.add_parameter("rate", 0.5)
        pipe.add_step(name="first", base_task_id=base.id)
        pipe.add_step(name="second", base_task_id=base.id, parents=["first"])
        pipe.create_draft()
        out = {"id": pipe.id, "base": base.id}
    """,
    "failed": """
        import json
        from clearml import Task
        task = Task.init(project_name="official runs", task_name="failed", auto_resource_monitoring=False)
        with open("answer.json", "w") as answer:
            json.dump({"id": task.id}, answer)
        raise RuntimeError("went wrong on purpose")
    """,
}


def run(name: str, python: Path, env: dict[str, str], folder: Path) -> dict[str, Any]:
    """Run one of `RUNS` as a script of its own; what it leaves in `out`, and how the process ended."""
    body = "\n".join(line.removeprefix("        ") for line in RUNS[name].splitlines())
    script = folder / "train.py"
    watch = f"import faulthandler; faulthandler.dump_traceback_later({LIMIT_S - 10})"
    script.write_text(f"{watch}\n{body}\nwith open('answer.json', 'w') as answer:\n    json.dump(out, answer)\n")
    try:
        ended = run_sdk([str(python), str(script)], folder, env, limit_s=LIMIT_S)
    except subprocess.TimeoutExpired as late:
        text = b"".join(part for part in (late.stdout, late.stderr) if part).decode(errors="replace")
        pytest.fail(f"{name} has not ended after {LIMIT_S} s:\n{text[-6000:]}")
    answer = folder / "answer.json"
    assert answer.exists(), ended.stdout[-2000:] + ended.stderr[-4000:]
    return {**json.loads(answer.read_text()), "exit": ended.returncode}


@pytest.fixture(scope="module")
def runs(
    server: RunningServer, official_sdk: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[dict[str, Any]]]]:
    with ThreadPoolExecutor(len(RUNS)) as pool:
        started = {}
        for name in RUNS:
            folder = tmp_path_factory.mktemp(name)
            env = official_environment(server, folder, official_sdk) | WITHOUT_FORK
            started[name] = pool.submit(run, name, official_sdk / "python", env, folder)
        yield started


Runs = dict[str, Future[dict[str, Any]]]


@pytest.mark.timeout(360)
def test_run_is_recorded_whole(runs: Runs, call: Api) -> None:
    answer = runs["recorded"].result()
    assert answer["exit"] == 0
    found = shown(call, answer["id"])
    assert (found["name"], found["status"], found["tags"]) == ("recorded", "completed", ["one"])
    arguments = {name: item["value"] for name, item in found["hyperparams"]["Args"].items()}
    assert (arguments["epochs"], arguments["rate"]) == ("3", "0.5")
    net = {name: item["value"] for name, item in found["hyperparams"]["Net"].items()}
    assert net == {"depth": "2", "nested/on": "True"}
    assert "layers" in found["configuration"]["layout"]["value"]
    assert found["script"]["entry_point"] == "train.py"
    assert "clearml" in str(found["script"]["requirements"])
    assert [item["key"] for item in found["execution"]["artifacts"]] == ["summary"]
    assert found["output"]["destination"]
    curves = call("events.scalar_metrics_iter_histogram", {"task": answer["id"]})
    assert curves["loss"]["train"]["x"] == [0, 1, 2]
    log = call("events.get_task_log", {"task": answer["id"], "batch_size": 100, "order": "asc"})["events"]
    assert "epoch 2" in "".join(event["msg"] for event in log)


@pytest.mark.timeout(360)
def test_continued_task_goes_on_after_its_last_iteration(runs: Runs, call: Api) -> None:
    answer = runs["continued"].result()
    assert answer["exit"] == 0
    assert answer["again"] == answer["first"]
    curve = call("events.scalar_metrics_iter_histogram", {"task": answer["first"]})["loss"]["train"]
    assert answer["offset"] == 3
    assert curve["x"] == list(range(6))
    assert curve["y"] == [0.0, 1.0, 2.0, 10.0, 11.0, 12.0]


@pytest.mark.timeout(360)
def test_task_is_reused_until_it_holds_an_artifact(runs: Runs, call: Api) -> None:
    answer = runs["reused"].result()
    assert answer["exit"] == 0
    assert answer["second"] == answer["first"]
    assert answer["third"] != answer["second"]
    kept = shown(call, answer["second"])
    assert [item["key"] for item in kept["execution"]["artifacts"]] == ["kept"]
    assert "old" not in call("events.scalar_metrics_iter_histogram", {"task": answer["second"]})


@pytest.mark.timeout(360)
def test_offline_session_is_imported_whole(runs: Runs, call: Api) -> None:
    answer = runs["offline"].result()
    assert answer["exit"] == 0
    found = shown(call, answer["imported"])
    assert found["name"].startswith("offline")
    assert found["status"] == "completed"
    assert found["hyperparams"]["Net"]["rate"]["value"] == "0.25"
    assert [item["key"] for item in found["execution"]["artifacts"]] == ["result"]
    curve = call("events.scalar_metrics_iter_histogram", {"task": answer["imported"]})["loss"]["train"]
    assert (curve["x"], curve["y"]) == ([0, 1, 2], [0.0, 1.0, 2.0])
    log = call("events.get_task_log", {"task": answer["imported"], "batch_size": 100, "order": "asc"})["events"]
    assert "written offline" in "".join(event["msg"] for event in log)


@pytest.mark.timeout(360)
def test_exception_fails_the_task(runs: Runs, call: Api) -> None:
    answer = runs["failed"].result()
    assert answer["exit"] != 0
    found = shown(call, answer["id"])
    assert found["status"] == "failed"
    log = call("events.get_task_log", {"task": answer["id"], "batch_size": 100, "order": "asc"})["events"]
    assert "went wrong on purpose" in "".join(event["msg"] for event in log)


@pytest.mark.timeout(360)
def test_pipeline_draft_is_a_controller_in_a_hidden_project(runs: Runs, call: Api) -> None:
    answer = runs["pipeline"].result()
    assert answer["exit"] == 0
    found = shown(call, answer["id"])
    assert (found["type"], found["status"]) == ("controller", "created")
    assert found["hyperparams"]["properties"]["version"]["value"] == "1.2.3"
    assert "pipeline" in found["system_tags"]
    assert found["hyperparams"]["Args"]["rate"]["value"] == "0.5"
    assert answer["base"] in found["configuration"]["Pipeline"]["value"]
    project = call("projects.get_by_id", {"project": found["project"]})["project"]
    assert project["name"] == "official runs/.pipelines/the pipeline"
    assert set(project["system_tags"]) >= {"hidden", "pipeline"}
