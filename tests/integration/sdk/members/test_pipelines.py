"""`PipelineController` and jobs over the real server: what is stored, found, copied and enqueued; nothing runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer

pytestmark = pytest.mark.timeout(120)

MAKE = """
import sys
from clearml import PipelineController, Task
base = Task.create(project_name="members", task_name="base step", packages=[])
base.set_parameters({"Args/lr": "0.1"})
pipe = PipelineController(name="draft", project="members", add_pipeline_tags=True)
pipe.add_parameter("lr", 0.5, description="speed", param_type="float")
pipe.add_step("first", base_task_id=base.id, parameter_override={"Args/lr": "${pipeline.lr}"}, execution_queue="q")
pipe.add_step("second", base_task_project="members", base_task_name="base step", parents=["first"])
pipe.add_tags(["mine"])
config = pipe.connect_configuration({"a": 1}, name="more")
pipe.create_draft()
print("id", pipe.id)
"""

USE = """
import sys
from clearml import PipelineController, Task
from clearml.automation import ClearmlJob
from clearml.automation.job import RunningJob, BaseJob
found = PipelineController.get(pipeline_project="members", pipeline_name="draft")
assert found.id == sys.argv[1], found.id
assert found.version == "1.0.0" and "mine" in found.tags
assert found.get_parameters() == {"lr": 0.5}
assert list(found.get_pipeline_dag()) == ["first", "second"]
assert not found.is_running() and not found.get_running_nodes()
copy = PipelineController.clone(found, name="another", version="2.0")
assert copy.version == "2.0" and copy.task.get_status() == "created"
Task._session().call("queues.create", {"name": "members"})
PipelineController.enqueue(copy, queue_name="members")
assert copy.task.get_status() == "queued"
copy.stop(mark_aborted=True)
for wrong in ({"pipeline_project": "members", "pipeline_name": "other"}, {}):
    try:
        PipelineController.get(**wrong)
    except ValueError:
        pass
    else:
        raise AssertionError(wrong)
base = found.get_pipeline_dag()["first"].base_task_id
job = ClearmlJob(base, parameter_override={"Args/lr": 0.7}, task_overrides={"script.branch": "dev"}, tags=["t"],
                 configuration_overrides={"c": {"k": 1}}, parent=found.id, task_name="a job")
assert job.is_pending() and not job.started() and job.worker() is None and job.elapsed() < 0
assert job.launch("members") and job.status(force=True) == "queued" and job.started()
job.abort()
assert job.is_stopped() and job.is_aborted(), job.status(force=True)
assert job.wait(timeout=0.1)
job.task.mark_started(force=True)
job.task.get_logger().report_scalar("m", "v", 3.0, 1)
job.task.get_logger().report_scalar("m", "v", 1.0, 2)
job.task.get_logger().flush()
job.task.mark_completed(force=True)
BaseJob.update_status_batch([job])
assert job.is_completed()
import time
while job.get_metric("m", "v")[0] is None: time.sleep(0.05)
assert job.get_metric("m", "v") == (1.0, 3.0, 1.0), job.get_metric("m", "v")
same = ClearmlJob(base, parameter_override={"Args/lr": 0.7}, task_overrides={"script.branch": "dev"},
                  configuration_overrides={"c": {"k": 1}}, allow_caching=True)
assert same.is_cached_task() and same.task_id() == job.task_id() and not same.launch("members")
other = ClearmlJob(base, parameter_override={"Args/lr": 0.8}, allow_caching=True)
assert not other.is_cached_task() and other.delete()
assert RunningJob(job.task_id()).is_completed()
print("job", job.task_id())
"""


def run(server: RunningServer, folder: Path, code: str, *arguments: str) -> str:
    script = folder / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        env=server.environment(HOME=str(folder)),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def task(server: RunningServer, identifier: str) -> dict[str, Any]:
    return dict(server.call("tasks.get_by_id", {"task": identifier})["task"])


def test_draft_is_stored_found_copied_and_its_steps_are_jobs(server: RunningServer, tmp_path: Path) -> None:
    identifier = run(server, tmp_path, MAKE).split("id ")[-1].strip()
    found = task(server, identifier)
    assert found["status"] == "created"
    assert found["system_tags"] == ["pipeline"]
    steps = json.loads(found["configuration"]["Pipeline"]["value"])
    assert steps["second"]["parents"] == ["first"]
    assert steps["first"]["queue"] == "q"
    assert found["hyperparams"]["Args"]["lr"]["description"] == "speed"
    assert found["configuration"]["more"]["value"] == "a = 1"
    project = server.call("projects.get_by_id", {"project": found["project"]})["project"]
    assert project["name"] == "members/.pipelines/draft"
    assert {"hidden", "pipeline"} <= set(project["system_tags"])
    job = task(server, run(server, tmp_path, USE, identifier).split("job ")[-1].strip())
    assert (job["name"], job["parent"], job["script"]["branch"]) == ("a job", identifier, "dev")
    assert job["hyperparams"]["Args"]["lr"]["value"] == "0.7"
    assert job["configuration"]["c"]["value"] == "k = 1"
    assert job["tags"] == ["t"]
