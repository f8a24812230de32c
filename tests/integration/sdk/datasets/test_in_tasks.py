"""Datasets in scripts: made of the script's own task, used by it, chosen by its task in a remote run."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearml_sdk import Dataset
from clearml_sdk.session import Session
from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import Workplace

from .conftest import Make, content

OWN_TASK = """
import sys
from clearml import Dataset, Task
task = Task.init(sys.argv[2], "made here", auto_resource_monitoring=False)
made = Dataset.create("whatever", "anywhere", use_current_task=True, dataset_tags=["own"])
made.add_files(sys.argv[1])
made.upload(show_progress=False)
made.finalize()
task.get_logger().report_scalar("loss", "total", 1.0, 1)
say(same=made.id == task.id, id=made.id)
"""
REMOTE = """
import sys
from clearml import Dataset, Task
Task.debug_simulate_remote_task(sys.argv[1])
task = Task.init("any", "name", auto_resource_monitoring=False)
found = Dataset.get(dataset_project=sys.argv[2], dataset_name="numbers", alias="train", overridable=True)
fixed = Dataset.get(dataset_project=sys.argv[2], dataset_name="numbers", alias="other")
say(chosen=found.version, fixed=fixed.version)
"""


@pytest.mark.timeout(150)
def test_the_task_of_a_script_becomes_a_version(
    server: RunningServer, workplace: Workplace, session: Session, folder: Path, project: str
) -> None:
    ran = workplace.run(OWN_TASK, str(folder), project, timeout=120)
    assert ran.code == 0, ran.out + ran.err
    assert ran.said["same"]
    task = server.call("tasks.get_by_id", {"task": ran.said["id"]})["task"]
    assert (task["name"], task["type"], task["status"]) == ("made here", "data_processing", "completed")
    assert "dataset" in task["system_tags"] and task["tags"] == ["own"]
    assert task["script"]["entry_point"] == "script.py"
    found = Dataset.get(dataset_project=project, dataset_name="made here")
    assert found.id == task["id"] and found.version == "1.0.0"
    assert content(found.get_local_copy()) == {"one.txt": "one", "two.txt": "two", "inner/three.txt": "three"}


@pytest.mark.timeout(150)
def test_a_remote_run_uses_the_version_that_its_task_names(
    server: RunningServer, workplace: Workplace, session: Session, make: Make, folder: Path, project: str
) -> None:
    first = make(folder)
    make(None, first)
    made = server.call("tasks.create", {"name": "remote", "type": "training"})["id"]
    chosen = {"section": "Datasets", "name": "train", "value": first.id}
    server.call("tasks.edit_hyper_params", {"task": made, "hyperparams": [chosen]})
    ran = workplace.run(REMOTE, made, project, timeout=120)
    assert ran.code == 0, ran.out + ran.err
    assert ran.said == {"chosen": "1.0.0", "fixed": "1.0.1"}


def test_a_version_that_was_stopped_meanwhile_is_finished_all_the_same(
    server: RunningServer, make: Make, folder: Path
) -> None:
    made = make(folder, finish=False)
    server.call("tasks.stopped", {"task": made.id, "force": True})
    found = Dataset.get(dataset_id=made.id)
    assert found.finalize(auto_upload=True) and found.is_final()
    assert len(content(found.get_local_copy())) == 3
