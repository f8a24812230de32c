"""While the server is away a task can be changed, and has models: the server learns of it later, once and in order."""

from __future__ import annotations

from typing import Any

from tests.integration.sdk.core.conftest import Workplace

from .conftest import Paused, sync

CHANGES = """
values = task.connect({"lr": 0.1, "depth": 2})
task.set_progress(10)
task.get_user_properties()
pause("ready")
began = time.monotonic()
values["lr"] = 0.5
values["added"] = "yes"
for depth in range(20):
    values["depth"] = depth
task.set_parameter("General/by hand", 1)
task.set_parameter("General/by hand", 2)
task.connect_configuration({"k": 1}, name="conf")
task.add_tags(["kept", "gone"])
task.set_tags([tag for tag in task.get_tags() if tag != "gone"])
task.set_progress(70)
task.rename("another name")
task.connect_label_enumeration({"cat": 1})
say(read=task.get_parameters(), tags=task.get_tags(), name=task.name, seconds=time.monotonic() - began)
say(ended=time.time())
"""
MODELS = """
from clearml import InputModel, OutputModel
Path("weights.pt").write_bytes(b"first")
early = OutputModel(task, name="early", framework="PyTorch")
early.update_weights("weights.pt", async_enable=False, auto_delete_file=False)
base = InputModel.import_model("https://elsewhere.test/base.pt", name="base")
pause("ready")
Path("weights.pt").write_bytes(b"second")
early.update_weights("weights.pt", upload_uri=task._record.session.settings.files_server, auto_delete_file=False)
late = OutputModel(task, name="late", tags=["t"])
late.update_labels({"a": 1})
late.set_metadata("key", "value")
for step in range(3):
    late.report_scalar("quality", "test", step / 2, step)
late.report_single_value("best", 0.5)
late.report_table("table", "t", table_plot=[["a"], [1]])
Path("late.pt").write_bytes(b"late")
late.update_weights("late.pt", upload_uri=task._record.session.settings.files_server, auto_delete_file=False)
InputModel.import_model("https://elsewhere.test/base.pt").connect(task, name="known")
InputModel.import_model("https://elsewhere.test/new.pt", name="new").connect(task, name="unknown")
say(ended=time.time(), base=base.id, early=early.id)
"""


def task_of(workplace: Workplace, task_id: str) -> dict[str, Any]:
    return workplace.server.call("tasks.get_by_id", {"task": task_id})["task"]  # type: ignore[no-any-return]


def test_changes_wait_for_the_server_and_the_script_does_not(away: Workplace) -> None:
    script = Paused(away, CHANGES)
    script.until("ready")
    away.server.kill()
    script.go_on("ready")
    ran = script.end()
    assert ran.code == 0 and ran.err.count("Traceback") == 0, ran.err
    assert ran.said["read"]["General/by hand"] == "2" and ran.said["read"]["General/depth"] in {"2", "19"}
    assert (ran.said["tags"], ran.said["name"]) == (["kept"], "another name")
    away.server.restart()
    task_id = ran.said["id"]
    away.server.call("tasks.edit", {"task": task_id, "force": True, "runtime": {"others": "wrote this"}})
    sync(away)
    for _ in range(2):
        task = task_of(away, task_id)
        general = {name: entry["value"] for name, entry in task["hyperparams"]["General"].items()}
        assert general == {"lr": "0.5", "depth": "19", "added": "yes", "by hand": "2"}
        assert task["configuration"]["conf"]["value"] == "k = 1"
        assert (task["tags"], task["name"], task["execution"]["model_labels"]) == (["kept"], "another name", {"cat": 1})
        assert task["runtime"]["progress"] == "70" and task["runtime"]["others"] == "wrote this"
        assert task["status"] == "completed"
        sync(away)  # nothing is left to do


def test_models_are_registered_once_the_server_is_back(away: Workplace) -> None:
    script = Paused(away, MODELS)
    script.until("ready")
    away.server.kill()
    script.go_on("ready")
    ran = script.end()
    assert ran.code == 0 and ran.err.count("Traceback") == 0, ran.err
    away.server.restart()
    sync(away)
    task = task_of(away, ran.said["id"])
    outputs = {entry["name"]: entry["model"] for entry in task["models"]["output"]}
    inputs = {entry["name"]: entry["model"] for entry in task["models"]["input"]}
    assert set(outputs) == {"weights", "late"} and outputs["weights"] == ran.said["early"]
    assert set(inputs) == {"known", "unknown"} and inputs["known"] == ran.said["base"]
    models = {model["id"]: model for model in away.server.call("models.get_all", {"task": [ran.said["id"]]})["models"]}
    late = models[outputs["late"]]
    assert (late["name"], late["tags"], late["labels"]) == ("late", ["t"], {"a": 1})
    assert late["metadata"]["key"]["value"] == "value"
    asked = {"task": late["id"], "model_events": True}
    curve = away.server.call("events.scalar_metrics_iter_histogram", asked)["quality"]["test"]
    assert (curve["x"], curve["y"]) == ([0, 1, 2], [0.0, 0.5, 1.0])
    plots = away.server.call("events.get_task_plots", asked)["plots"]
    assert [(plot["metric"], plot["variant"]) for plot in plots] == [("table", "t")]
    assert len([model for model in models.values() if model["name"] in {"early", "late"}]) == 2
    read = away.run(
        "from clearml import Model\n"
        + "\n".join(
            f"say({name}=open(Model({model_id!r}).get_local_copy(), 'rb').read().decode())"
            for name, model_id in (("early", outputs["weights"]), ("late", outputs["late"]))
        )
    )
    assert (read.said["early"], read.said["late"]) == ("second", "late"), read.err


def test_the_process_itself_makes_its_calls_when_the_server_returns(away: Workplace) -> None:
    script = Paused(
        away,
        """
task.set_parameter("General/a", 1)
pause("ready")
task.set_parameter("General/a", 2)
from clearml import OutputModel
model = OutputModel(task, name="while away")
model.update_labels({"a": 1})
pause("changed")
while task._record.session.outage._reporter.calls_wait():
    time.sleep(0.02)
task.set_parameter("General/a", 3)
model.update_labels({"a": 2})
say(model=model.id, a=task.get_parameter("General/a"))
""",
    )
    script.until("ready")
    away.server.kill()
    script.go_on("ready")
    script.until("changed")
    away.server.restart()
    script.go_on("changed")
    ran = script.end()
    assert ran.code == 0 and ran.said["a"] == "3", ran.err
    assert task_of(away, ran.said["id"])["hyperparams"]["General"]["a"]["value"] == "3"
    model = away.server.call("models.get_by_id", {"model": ran.said["model"]})["model"]
    assert (model["name"], model["labels"]) == ("while away", {"a": 2})
