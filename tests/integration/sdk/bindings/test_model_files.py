"""joblib, XGBoost, LightGBM: saved and loaded models are models of the task, trainings are curves."""

from __future__ import annotations

import pytest

from tests.integration.sdk.core.conftest import download

from .conftest import INIT, Bench, Recorded
from .environments import INSTALL_S

pytestmark = pytest.mark.timeout(INSTALL_S)


def test_dumped_models_are_output_models_and_loaded_ones_input_models(bench: Bench) -> None:
    code = f"""
import joblib, os
from sklearn.linear_model import LogisticRegression
model = LogisticRegression().fit([[0], [1]], [0, 1])
joblib.dump(model, "before.joblib")
task = Task.init("bindings", "files", {INIT})
joblib.dump(model, "model.pkl"); joblib.dump(model, "model.pkl")
task.get_logger().report_scalar("s", "s", 1, iteration=4)
os.mkdir("sub"); joblib.dump(model, "sub/model.pkl", compress=3)
with open("handle.joblib", "wb") as file:
    joblib.dump(model, file)
joblib.load("before.joblib"); joblib.load("model.pkl")
say(listed=[one.name for one in task.models["output"]])
joblib.Memory("cache").cache(lambda x: x)(1)
task.close()
joblib.dump(model, "late.pkl")
"""
    ran = bench.run(code)
    assert "ClearML warning" not in ran.err, ran.err
    task = bench.task_of(ran)
    outputs, inputs = task.models("output"), task.models("input")
    assert list(outputs) == ["model", "model 2", "handle"], "one path is one model, two paths are two"
    assert ran.said["listed"] == ["files - model", "files - model", "files - handle"]
    folder = bench.workplace.folder
    assert outputs["model 2"]["uri"] == f"file://{folder}/sub/model.pkl"
    assert {one["framework"] for one in outputs.values()} == {"ScikitLearn"}
    assert outputs["model"]["task"] == task.id and outputs["model"]["ready"] is False
    assert inputs["before"]["uri"] == f"file://{folder}/before.joblib"
    assert inputs["model"]["id"] == outputs["model"]["id"], "what the run wrote itself"


def test_a_model_that_the_script_names_is_not_replaced_by_what_is_recorded_of_its_file(bench: Bench) -> None:
    code = f"""
import joblib, time
from clearml import OutputModel
task = Task.init("bindings", "named", output_uri=True, {INIT})
mine = OutputModel(task, name="mine", label_enumeration={{"cat": 1}})
task._run.outbox.put("being slow", lambda: time.sleep(1))  # the dump's own record waits behind it
joblib.dump(list(range(9)), "weights.pkl")
mine.update_weights("weights.pkl", auto_delete_file=False)
task.flush(wait_for_uploads=True)
say(listed=[one.name for one in task.models["output"]])
"""
    ran = bench.run(code)
    assert ran.said["listed"] == ["mine"]
    [model] = bench.task_of(ran).models("output").values()
    assert model["labels"] == {"cat": 1} and model["uri"].endswith("/weights.pkl")


def test_functions_imported_by_name_before_the_task_are_recorded_too(bench: Bench) -> None:
    task = bench.record(f"""
from joblib import dump, load as read
Task.init("bindings", "by name", {INIT})
dump([1, 2], "model.pkl")
assert read("model.pkl") == [1, 2]
""")
    assert list(task.models("output")) == ["model"] and list(task.models("input")) == ["model"]


def test_with_a_destination_each_state_of_a_file_is_stored(bench: Bench) -> None:
    task = bench.record(f"""
import joblib
task = Task.init("bindings", "stored", {INIT}, output_uri=True)
joblib.dump("first", "model.pkl")
joblib.dump("last", "model.pkl")
open("model.pkl", "wb").close()
""")
    (model,) = task.models("output").values()
    assert model["uri"].endswith(f"/bindings/stored.{task.id}/models/model.pkl")
    assert b"last" in download(bench.server, model["uri"]), "a copy: the script may change its file at once"
    assert not list(bench.workplace.folder.glob("clearml-model-*"))


@pytest.mark.rows("S2-I16", "S2-I17")
def test_wildcards_choose_the_files_that_are_models(bench: Bench) -> None:
    ran = bench.run(f"""
import joblib
for choice in (True, False, {{"joblib": ["*.keep", "*/sub*"]}}, {{"scikit": False}}, {{"pytorch": False}}):
    task = Task.init("bindings", "choice", {INIT}, auto_connect_frameworks=choice)
    joblib.dump(1, "a.keep"); joblib.dump(1, "b.pkl"); joblib.dump(1, "sub.pkl")
    task.close()
""")
    ids = [line.split("id=")[1].strip() for line in ran.out.splitlines() if "task id=" in line]
    found = [sorted(Recorded(bench.server, one).models("output")) for one in ids]
    assert found == [["a", "b", "sub"], [], ["a", "sub"], [], ["a", "b", "sub"]]


def test_callbacks_rename_skip_and_see_models_and_their_errors_are_theirs(bench: Bench) -> None:
    code = f"""
import joblib
from clearml.binding.frameworks import WeightsFileHandler
task = Task.init("bindings", "callbacks", {INIT}, output_uri=True)
seen = []

def before(operation, info):
    if info.local_model_path.endswith("broken.pkl"):
        raise RuntimeError("in the callback")
    if info.local_model_path.endswith("skipped.pkl"):
        return None
    info.upload_filename = "renamed.pkl"
    return info

def after(operation, info):
    seen.append((operation, info.model.id, info.framework))
    return info
handle = WeightsFileHandler.add_pre_callback(before)
WeightsFileHandler.add_post_callback(after)
for name in ("skipped", "broken", "broken", "kept"):
    joblib.dump(name, name + ".pkl")
task.flush(wait_for_uploads=True)
say(seen=seen, removed=WeightsFileHandler.remove_pre_callback(handle))
"""
    ran = bench.run(code)
    (model,) = bench.task_of(ran).models("output").values()
    assert model["uri"].endswith("/models/renamed.pkl")
    assert ran.said == {"seen": [["save", model["id"], "ScikitLearn"]], "removed": True}
    assert ran.err.count("recording a model dumped by joblib failed") == 1, "one warning, which names the binding"


def test_xgboost_trainings_are_curves_and_boosters_models(bench: Bench) -> None:
    task = bench.record(f"""
import numpy as np, xgboost
task = Task.init("bindings", "xgboost", {INIT})
random = np.random.default_rng(0)
x = random.random((50, 3)); y = (x[:, 0] > 0.5).astype(int)
data = xgboost.DMatrix(x, y)
result = {{}}
first = xgboost.train({{"eval_metric": ["logloss", "auc"]}}, data, 4, evals=[(data, "train")], evals_result=result)
first.save_model("first.json")
xgboost.Booster().load_model("first.json")
xgboost.XGBRegressor(n_estimators=3).fit(x, y, eval_set=[(x, y)], verbose=False).save_model("second.ubj")
assert len(result["train"]["auc"]) == 4
""")
    curves = task.curves()
    assert set(curves) == {("train", "logloss"), ("train", "auc"), ("validation_0 - 1", "rmse")}
    losses = curves["train", "logloss"]
    assert losses["x"] == [0, 1, 2, 3] and losses["y"] == sorted(losses["y"], reverse=True)
    assert {name: one["framework"] for name, one in task.models("output").items()} == {
        "first": "XGBoost",
        "second": "XGBoost",
    }
    assert list(task.models("input")) == ["first"]


@pytest.mark.full
def test_lightgbm_trainings_are_curves_and_their_parameters_can_be_edited(bench: Bench) -> None:
    code = f"""
import numpy as np, lightgbm
task = Task.init("bindings", "lightgbm", {INIT})
task.connect({{"learning_rate": 0.5}})
random = np.random.default_rng(0)
x = random.random((80, 3)); y = (x[:, 0] > 0.5).astype(int)
data = lightgbm.Dataset(x, y)
settings = {{"objective": "binary", "metric": ["auc"], "verbose": -1, "num_leaves": 5}}
model = lightgbm.train(settings, data, 4, valid_sets=[data], valid_names=["train"])
model.save_model("model.txt")
lightgbm.Booster(model_file="model.txt")
say(leaves=model.params["num_leaves"], given=settings["num_leaves"], other="learning_rate" in model.params)
"""
    task = bench.record(code)
    assert task.parameters("General") == {
        "objective": "binary",
        "metric": "['auc']",
        "verbose": "-1",
        "num_leaves": "5",
        "learning_rate": "0.5",
    }
    assert set(task.curves()) == {("train", "auc")} and task.curves()["train", "auc"]["x"] == [0, 1, 2, 3]
    assert list(task.models("output")) == ["model"] == list(task.models("input"))
    assert bench.run_edited(code, task, {"General/num_leaves": "9"}).said == {"leaves": 9, "given": 5, "other": False}


def test_forked_processes_record_to_the_same_task(bench: Bench) -> None:
    task = bench.record(f"""
import joblib, multiprocessing
from tensorboardX import SummaryWriter
task = Task.init("bindings", "forks", {INIT})

def work(number):
    joblib.dump(number, f"child{{number}}.pkl")
    with SummaryWriter(f"runs/{{number}}") as writer:
        writer.add_scalar(f"a/{{number}}", number, number)
children = [multiprocessing.get_context("fork").Process(target=work, args=(number,)) for number in range(2)]
for child in children: child.start()
for child in children: child.join()
""")
    assert sorted(task.models("output")) == ["child0", "child1"]
    assert set(task.curves()) == {("a", "0"), ("a", "1")}
