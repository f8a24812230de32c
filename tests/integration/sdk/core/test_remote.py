"""Remote runs (as an agent starts them) and handing a run over to an agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import QUIET, Workplace

Read = Callable[[str], dict[str, Any]]

SCRIPT = f"""
import argparse, sys
from clearml import Task

class Settings:
    size = 3
    name = "local"

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--steps", type=int, nargs="+", default=[1])
parser.add_argument("--needed", required=True)
early = argparse.ArgumentParser()
early.add_argument("--early", type=int, default=1)
known, _ = early.parse_known_args()
task = Task.init("sdk/remote", "remote", tags=["local"], {QUIET}, reuse_last_task_id=False)
arguments = parser.parse_known_args()[0]
extra = task.connect({{"alpha": 1, "deep": {{"flag": False, "none": None}}}}, name="Extra")
kept = task.connect({{"x": 1}}, name="Kept", ignore_remote_overrides=True)
settings = task.connect(Settings(), name="Object")
config = task.connect_configuration({{"k": 1}}, name="dict")
path = task.connect_configuration("conf.yaml", name="file")
task.add_tags("more")
print("console line")
say(id=task.id, local=task.running_locally(), lr=arguments.lr, steps=arguments.steps, needed=arguments.needed,
    early=known.early, extra=extra, kept=kept, size=settings.size, name=settings.name, config=config,
    text=open(path).read(), argv=sys.argv[1:])
task.get_logger().report_scalar("a", "b", 1, 1)
"""


@pytest.fixture
def recorded(workplace: Workplace) -> dict[str, Any]:
    (workplace.folder / "conf.yaml").write_text("local: true\n")
    ran = workplace.run(SCRIPT, "--lr", "0.2", "--needed", "n")
    assert ran.code == 0, ran.err
    return ran.said


def remote_env(workplace: Workplace, task_id: str) -> dict[str, str]:
    """What an agent gives its child: a token in place of the credentials."""
    return {
        "CLEARML_TASK_ID": task_id,
        "CLEARML_AUTH_TOKEN": workplace.server.login(),
        "CLEARML_API_ACCESS_KEY": "",
        "CLEARML_API_SECRET_KEY": "",
        "CLEARML_LOG_TASK_TO_BACKEND": "0",
    }


def test_a_local_run_uses_its_own_values(recorded: dict[str, Any]) -> None:
    assert recorded["local"] is True and recorded["lr"] == 0.2 and recorded["early"] == 1
    assert recorded["config"] == {"k": 1} and recorded["text"] == "local: true\n"


@pytest.mark.rows("S1-033", "S2-009", "S2-010")
def test_a_remote_run_takes_its_values_from_the_server(
    workplace: Workplace, recorded: dict[str, Any], read: Read
) -> None:
    call = workplace.server.call
    clone = call("tasks.clone", {"task": recorded["id"], "new_task_name": "the clone"})["id"]
    edited = {
        "Args/lr": "7",
        "Args/steps": "[5, 6]",
        "Args/needed": "edited",
        "Args/early": "9",
        "Extra/alpha": "2",
        "Extra/deep/flag": "true",
        "Extra/added": "new",
        "Kept/x": "5",
        "Object/size": "4",
    }
    items = [{"section": k.split("/", 1)[0], "name": k.split("/", 1)[1], "value": v} for k, v in edited.items()]
    call("tasks.edit_hyper_params", {"task": clone, "hyperparams": items})
    configuration = read(clone)["configuration"]
    configuration["dict"]["value"] = "k = 2\nmore { x = [1] }"
    configuration["file"]["value"] = "edited: true\n"
    call("tasks.edit", {"task": clone, "configuration": configuration, "tags": ["mine"]})
    call("tasks.started", {"task": clone, "force": True})
    before = read(clone)
    ran = workplace.run(SCRIPT, **remote_env(workplace, clone))
    assert ran.code == 0, ran.err
    said = ran.said
    assert said["id"] == clone and said["local"] is False
    assert (said["lr"], said["steps"], said["needed"], said["early"]) == (7.0, [5, 6], "edited", 9)
    assert said["extra"] == {"alpha": 2, "deep": {"flag": True, "none": None}, "added": "new"}
    assert (said["kept"], said["size"], said["name"]) == ({"x": 1}, 4, "local")
    assert said["config"] == {"k": 2, "more": {"x": [1]}} and said["text"] == "edited: true\n"
    task = read(clone)
    assert task["status"] == "in_progress", "the agent decides how it ended"
    assert (task["name"], task["tags"], task["script"]) == ("the clone", ["mine"], before["script"])
    assert task["hyperparams"]["Extra"]["alpha"]["value"] == "2"
    log = call("events.get_task_log", {"task": clone})["events"]
    assert log == [], "the agent reads the console itself"
    assert call("events.scalar_metrics_iter_histogram", {"task": clone})["a"]["b"]["y"] == [1.0]


@pytest.mark.rows("S2-G04")
def test_a_remote_run_that_fails_leaves_the_status_to_the_agent(
    workplace: Workplace, recorded: dict[str, Any], read: Read
) -> None:
    workplace.server.call("tasks.started", {"task": recorded["id"], "force": True})
    code = f"from clearml import Task\nTask.init('x/yyy', 'zzz', {QUIET})\nraise SystemExit(4)"
    ran = workplace.run(code, **remote_env(workplace, recorded["id"]))
    assert ran.code == 4 and read(recorded["id"])["status"] == "in_progress", ran.err


def test_an_unknown_task_is_named(workplace: Workplace) -> None:
    code = f"from clearml import Task\nTask.init('x/yyy', 'zzz', {QUIET})"
    ran = workplace.run(code, **remote_env(workplace, "0" * 32))
    assert ran.code == 1 and "0" * 32 in ran.err


HAND_OVER = f"""
from clearml import Task
task = Task.init("sdk/remote", "handed over", {QUIET}, reuse_last_task_id=False)
task.connect({{"a": 1}})
say(id=task.id)
print("before")
"""


@pytest.mark.rows("S1-069", "S1-079", "S1-080")
def test_a_run_is_handed_over_to_a_queue(workplace: Workplace, read: Read) -> None:
    call = workplace.server.call
    queue = call("queues.create", {"name": "hand over"})["id"]
    ran = workplace.run(HAND_OVER + "task.execute_remotely('hand over')\nsay(after=True)")
    assert ran.code == 0 and "after" not in ran.said, ran.err
    task = read(ran.said["id"])
    assert (task["status"], task["execution"]["queue"]) == ("queued", queue)
    assert task["hyperparams"]["General"]["a"]["value"] == "1", "the parameters are what the agent's run begins with"
    assert "clearml" in task["script"]["requirements"]["pip"] and task["script"]["entry_point"] == "script.py"
    entries = [entry["task"] for entry in call("queues.get_by_id", {"queue": queue})["queue"]["entries"]]
    assert entries == [task["id"]]
    call("tasks.dequeue", {"task": task["id"]})


@pytest.mark.rows("S2-022")
def test_a_clone_is_handed_over_and_the_run_goes_on(workplace: Workplace, read: Read) -> None:
    code = "copy = task.execute_remotely(clone=True, exit_process=False)\nsay(copy=copy.id)"
    ran = workplace.run(HAND_OVER + code)
    assert ran.code == 0, ran.err
    assert read(ran.said["copy"])["status"] == "created" and read(ran.said["copy"])["parent"] == ran.said["id"]
    assert read(ran.said["id"])["status"] == "completed"


def test_a_run_without_queue_becomes_a_draft(workplace: Workplace, read: Read) -> None:
    ran = workplace.run(HAND_OVER + "task.execute_remotely()\nsay(after=True)")
    assert ran.code == 0 and "after" not in ran.said and read(ran.said["id"])["status"] == "created"


def test_an_unknown_queue_is_refused_before_anything_changes(workplace: Workplace, read: Read) -> None:
    code = "try:\n    task.execute_remotely('no such queue')\nexcept ValueError as error:\n    say(error=str(error))"
    ran = workplace.run(HAND_OVER + code)
    assert "no such queue" in ran.said["error"] and read(ran.said["id"])["status"] == "completed"
    both = (
        "\ntry:\n    task.execute_remotely(exit_process=False)\nexcept ValueError as error:\n    say(error=str(error))"
    )
    assert "clone=True" in workplace.run(HAND_OVER + both).said["error"]


def test_handing_over_does_nothing_in_a_remote_run(workplace: Workplace, recorded: dict[str, Any]) -> None:
    workplace.server.call("tasks.started", {"task": recorded["id"], "force": True})
    code = HAND_OVER + "task.execute_remotely('no such queue')\nsay(after=True)"
    ran = workplace.run(code, **remote_env(workplace, recorded["id"]))
    assert ran.said.get("after") is True, ran.err


@pytest.mark.rows("S2-015")
def test_a_remote_run_can_be_simulated(workplace: Workplace, recorded: dict[str, Any]) -> None:
    call = workplace.server.call
    clone = call("tasks.clone", {"task": recorded["id"]})["id"]
    items = [{"section": "Extra", "name": "alpha", "value": "77"}]
    call("tasks.edit_hyper_params", {"task": clone, "hyperparams": items})
    code = f"""
from clearml import Task
Task.debug_simulate_remote_task("{clone}")
task = Task.init("sdk/remote", "remote", {QUIET})
say(id=task.id, extra=task.connect({{"alpha": 1}}, name="Extra"))
"""
    ran = workplace.run(code)
    assert ran.said["id"] == clone and ran.said["extra"]["alpha"] == 77, ran.err
