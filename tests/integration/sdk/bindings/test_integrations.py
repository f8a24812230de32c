"""What integrations of other libraries (YOLO's, Ignite's, Transformers') call: things by their official names."""

from __future__ import annotations

import json

import pytest

from .conftest import INIT, Bench
from .environments import INSTALL_S

pytestmark = pytest.mark.timeout(INSTALL_S)

CODE = f"""
import matplotlib.pyplot as plt, numpy as np
from clearml.binding.frameworks import WeightsFileHandler
from clearml.binding.frameworks.pytorch_bind import PatchPyTorchModelIO
from clearml.binding.frameworks.tensorflow_bind import PatchTensorflowModelIO, WeightsGradientHistHelper
from clearml.binding.matplotlib_bind import PatchedMatplotlib
PatchedMatplotlib.update_current_task(None)  # before there is a run this is nothing
task = Task.init("bindings", "integrations", {INIT})

def draw(title):
    plt.plot([1, 2]); plt.title(title); plt.savefig("figure.png"); plt.close("all")

draw("before")
for binding in (PatchPyTorchModelIO, PatchTensorflowModelIO, PatchedMatplotlib):
    binding.update_current_task(None)
draw("meanwhile")
PatchedMatplotlib.update_current_task(task)
draw("again")
helper = WeightsGradientHistHelper(logger=task.get_logger(), report_freq=1)
for step in range(3):
    helper.add_histogram(title="grads", series="layer", step=step, hist_data=np.arange(10.0).reshape(2, 5) + step)
helper.add_histograms([dict(title="grads", series="counts", step=0, hist_data={{0.5: 2, 1.5: 3}})])
"""


def test_bindings_are_turned_off_by_their_official_names(bench: Bench) -> None:
    task = bench.record(CODE)
    plots = task.plots()
    titles = {title for title, _, _ in plots}
    assert {"before", "again", "grads"} <= titles and "meanwhile" not in titles
    layers = {step: figure for (title, series, step), figure in plots.items() if series == "layer"}
    assert set(layers) == {0, 1, 2}, "the last when the run ends"
    surface = json.loads(layers[2])["data"][0]
    assert len(surface["z"]) == 3 and sum(map(sum, surface["z"])) == pytest.approx(30)
    counts = json.loads(plots["grads", "counts", 0])["data"][0]["z"]
    assert sum(map(sum, counts)) == pytest.approx(5)


CHECKPOINTS = f"""
import joblib
from clearml.binding.frameworks import WeightsFileHandler
task = Task.init("bindings", "checkpoints", {INIT})

def save(name, value):  # as Ignite's saver does: callbacks are there while the file is written
    def before(action, info):
        assert action == WeightsFileHandler.CallbackType.save
        info.upload_filename = "best_0.pkl"
        info.local_model_id = "slot 0"
        return info

    def after(action, info):
        info.model.name = f"{{info.task.name}}: {{name}}"
        info.model.comment = (info.model.comment or "") + "\\nCheckpoint Metadata: basename=best"
        return info

    first, last = WeightsFileHandler.add_pre_callback(before), WeightsFileHandler.add_post_callback(after)
    joblib.dump(value, name)
    assert WeightsFileHandler.remove_pre_callback(first) and WeightsFileHandler.remove_post_callback(last)

save("best_loss=2.pkl", [1])
task.flush(wait_for_uploads=True)
save("best_loss=1.pkl", [2])
"""


def test_checkpoints_that_take_turns_are_one_model(bench: Bench) -> None:
    models = bench.record(CHECKPOINTS).models("output")
    assert len(models) == 1
    model = next(iter(models.values()))
    assert model["name"] == "checkpoints: best_loss=1.pkl" and "basename=best" in model["comment"]
    assert model["uri"].endswith("/best_loss=1.pkl")


HYPERPARAMETERS = f"""
import clearml
task = Task.init("bindings", "hyperparameters", {INIT})
given = {{"optim": {{"lr": 0.1}}, "betas": [1, 2], "limit": None, "kwargs": {{}}}}
flat = clearml.utilities.proxy_object.flatten_dictionary(given)
assert list(flat) == ["optim/lr", "betas", "limit", "kwargs"], flat
task.set_parameter("Transformers/ignore", True, value_type=bool)
task._arguments.copy_from_dict(flat, prefix="Transformers")  # as Transformers does, in a section of its own
assert clearml.model.Model is clearml.Model
"""


def test_transformers_writes_its_training_arguments(bench: Bench) -> None:
    recorded = bench.record(HYPERPARAMETERS).parameters("Transformers")
    assert recorded == {"ignore": "True", "optim/lr": "0.1", "betas": "[1, 2]", "limit": "", "kwargs": "{}"}
