"""PyTorch and what stands on it, Keras, CatBoost and Gradio: too large to install for every run of the tests."""

from __future__ import annotations

import json

import pytest

from tests.integration.sdk.core.conftest import download

from .conftest import INIT, Bench
from .environments import INSTALL_S

pytestmark = [pytest.mark.full, pytest.mark.timeout(2 * INSTALL_S)]

TORCH = f"""
import io, os, torch
model = torch.nn.Linear(2, 2)
torch.save(model.state_dict(), "before.pt")
task = Task.init("bindings", "torch", {INIT}, output_uri=True)
torch.save(model.state_dict(), "model.pt"); torch.save(model.state_dict(), "model.pt")
os.makedirs("sub"); torch.save(model.state_dict(), "sub/model.pt")
with open("handle.bin", "wb") as file:
    torch.save(model.state_dict(), file)
torch.save(model, io.BytesIO())
torch.jit.script(model).save("script.pt")
torch.load("before.pt"); torch.load("model.pt"); torch.jit.load("script.pt")
"""

EVENTS = f"""
import numpy as np, matplotlib.pyplot as plt, torch
from torch.utils.tensorboard import SummaryWriter
task = Task.init("bindings", "events", {INIT})
writer = SummaryWriter("runs/one")
for step in range(3):
    writer.add_scalar("a/b", step, step)
    writer.add_scalar("new", step, step, new_style=True)
writer.add_scalars("group", {{"x": 1, "y": 2}}, 5)
writer.add_image("im/g", np.ones((3, 8, 8)), 1)
writer.add_histogram("layer/w", torch.arange(100.0), 1)
writer.add_text("txt", "hello", 2)
writer.add_pr_curve("pr", torch.tensor([0, 1, 1, 0]), torch.tensor([0.1, 0.9, 0.8, 0.3]), 4)
writer.add_hparams({{"lr": 0.1, "name": "n"}}, {{"hparam/acc": 0.5}})
writer.add_audio("aud", torch.zeros(1, 100), 1, sample_rate=8000)
figure = plt.figure(); plt.plot([1, 2]); writer.add_figure("fig", figure, 3)
writer.add_graph(torch.nn.Linear(2, 2), torch.zeros(1, 2))
writer.close()
"""

LIGHTNING = f"""
import lightning, torch
task = Task.init("bindings", "lightning", {INIT})

class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
    def training_step(self, batch, number):
        loss = self.layer(batch[0]).pow(2).mean()
        self.log("train_loss", loss)
        return loss
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.rand(40, 1)), batch_size=4)
quiet = dict(enable_progress_bar=False, enable_model_summary=False, accelerator="cpu")
trainer = lightning.Trainer(max_epochs=2, log_every_n_steps=2, **quiet)
trainer.fit(Module(), data)
trainer.save_checkpoint("last.ckpt")
Module.load_from_checkpoint("last.ckpt")
"""

KERAS = f"""
import keras, numpy as np
task = Task.init("bindings", "keras", {INIT})
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
saving = keras.callbacks.ModelCheckpoint("checkpoint.keras")
model.fit(np.ones((16, 2)), np.ones((16, 1)), epochs=2, verbose=0, callbacks=[saving])
model.save("model.keras"); model.save_weights("model.weights.h5")
keras.models.load_model("model.keras"); model.load_weights("model.weights.h5")
"""

CATBOOST = f"""
import catboost, numpy as np
task = Task.init("bindings", "catboost", {INIT})
x = np.random.default_rng(0).random((80, 3)); y = (x[:, 0] > 0.5).astype(int)
model = catboost.CatBoostClassifier(iterations=4, verbose=False, allow_writing_files=False)
model.fit(x, y, eval_set=[(x, y)])
model.save_model("model.cbm")
catboost.CatBoostClassifier().load_model("model.cbm")
"""

FASTAI = f"""
import torch
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import Learner
task = Task.init("bindings", "fastai", {INIT})
x = torch.rand(40, 1)
data = DataLoader(list(zip(x, 2 * x)), bs=4)
loss = torch.nn.functional.mse_loss
learner = Learner(DataLoaders(data, data), torch.nn.Linear(1, 1), loss_func=loss, metrics=[torch.nn.functional.l1_loss])
learner.fit(2)
learner.save("model")
"""

TENSORFLOW = f"""
import numpy as np, tensorflow as tf
task = Task.init("bindings", "tensorflow", {INIT}, output_uri=True)
model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
model.compile("sgd", "mse")
board = tf.keras.callbacks.TensorBoard("logs", histogram_freq=1)
model.fit(np.ones((16, 2)), np.ones((16, 1)), validation_split=0.5, epochs=2, verbose=0, callbacks=[board])
with tf.summary.create_file_writer("mine").as_default():
    tf.summary.scalar("a/b", 0.5, step=3)
    tf.summary.image("im", np.ones((1, 4, 4, 3), dtype=np.float32), step=3)
    tf.summary.histogram("h", tf.range(100), step=3)
    tf.summary.text("txt", "hello", step=3)
    from tensorboard.plugins.hparams import api
    api.hparams({{"lr": 0.1, "n": "x"}})
    tf.function(lambda: tf.summary.scalar("graph", 1.0, step=1))()
model.save("model.keras")
tf.saved_model.save(model, "folder")
tf.saved_model.load("folder")
"""

GRADIO = f"""
import gradio
task = Task.init("bindings", "gradio", {INIT})
with gradio.Blocks() as page:
    gradio.Markdown("x")
page.launch(prevent_thread_lock=True, quiet=True)
say(id=task.id, root=page.root_path, port=page.server_port)
page.close()
"""


def test_saved_and_loaded_torch_files_are_models(large_bench: Bench) -> None:
    task = large_bench.record(TORCH)
    outputs, inputs = task.models("output"), task.models("input")
    assert list(outputs) == ["model", "model 2", "handle", "script"] and list(inputs) == ["before", "model", "script"]
    assert {one["framework"] for one in outputs.values()} == {"PyTorch"}
    assert download(large_bench.server, outputs["model"]["uri"]).startswith(b"PK")
    assert outputs["model 2"]["uri"].endswith(f"torch.{task.id}/models/model%202.pt")
    assert inputs["model"]["id"] == outputs["model"]["id"]


def test_what_torch_writes_for_tensorboard_is_reported(large_bench: Bench) -> None:
    task = large_bench.record(EVENTS)
    curves = task.curves()
    assert set(curves) == {("a", "b"), ("new", "new"), ("group", "x"), ("group", "y"), ("hparam", "acc")}
    assert curves["new", "new"]["y"] == curves["a", "b"]["y"] == [0, 1, 2]
    assert task.parameters("TB_hparams") == {"lr": "0.1", "name": "n"}
    names = {("im", "g", 1), ("txt", "text_summary", 2), ("Audio", "aud", 1), ("Images", "fig", 3)}
    assert set(task.samples()) == names
    plots = task.plots()
    assert set(plots) == {("layer", "w", 1), ("pr", "", 4)}
    assert sum(json.loads(plots["layer", "w", 1])["data"][0]["z"][0]) == pytest.approx(100)


def test_lightnings_checkpoints_are_models_and_its_log_is_curves(large_bench: Bench) -> None:
    task = large_bench.record(LIGHTNING)
    assert list(task.models("output")) == ["epoch=0-step=10", "epoch=1-step=20", "last"]
    assert list(task.models("input")) == ["last"]
    assert len(task.curves()["train_loss", "train_loss"]["x"]) == 10


def test_keras_models_and_weights_are_models_with_their_design(large_bench: Bench) -> None:
    task = large_bench.record(KERAS, KERAS_BACKEND="torch")
    outputs = task.models("output")
    assert list(outputs) == ["checkpoint", "model", "model.weights"]
    assert {one["framework"] for one in outputs.values()} == {"Keras"}
    assert "Dense" in outputs["model"]["design"]["design"]
    assert sorted(task.models("input")) == ["model", "model.weights"]


def test_catboost_trainings_are_curves(large_bench: Bench) -> None:
    task = large_bench.record(CATBOOST)
    assert set(task.curves()) == {("learn", "Logloss"), ("validation", "Logloss")}
    assert list(task.models("output")) == ["model"] == list(task.models("input"))


def test_fastais_losses_and_metrics_are_curves(large_bench: Bench) -> None:
    task = large_bench.record(FASTAI)
    curves = task.curves()
    assert set(curves) == {("metrics", "train_loss"), ("metrics", "valid_loss"), ("metrics", "l1_loss")}
    assert len(curves["metrics", "train_loss"]["x"]) == 20 and curves["metrics", "l1_loss"]["x"] == [10, 20]
    assert list(task.models("output")) == ["model"]


def test_what_tensorflow_writes_is_reported_and_its_models_are_models(tensorflow_bench: Bench) -> None:
    task = tensorflow_bench.record(TENSORFLOW)
    curves = task.curves()
    assert {("a", "b"), ("epoch_loss", "epoch_loss"), ("epoch_loss", "validation: epoch_loss")} <= set(curves)
    assert curves["a", "b"]["y"] == [0.5] and curves["epoch_loss", "epoch_loss"]["x"] == [0, 1]
    assert task.parameters("TB_hparams") == {"lr": "0.1", "n": "x"}
    assert {("Images", "im", 3), ("Text", "txt", 3)} <= set(task.samples())
    plots = task.plots()
    assert ("Histograms", "h", 3) in plots and ("sequential_dense_kernel", "histogram", 1) in plots
    outputs = task.models("output")
    assert {name: one["framework"] for name, one in outputs.items()} == {"model": "Keras", "folder": "TensorFlow"}
    assert outputs["folder"]["uri"].endswith("/models/folder.zip") and "package" in outputs["folder"]["system_tags"]
    assert list(task.models("input")) == ["folder"]


def test_gradio_is_a_service_in_a_run_by_an_agent(large_bench: Bench) -> None:
    task = large_bench.record(GRADIO)
    assert "external_service" not in task.document["system_tags"]
    said = large_bench.run_edited(GRADIO, task, {}).said
    assert (said["root"].strip("/"), said["port"]) == (f"service/{said['id']}", 7860)
    found = large_bench.server.call("tasks.get_by_id", {"task": said["id"]})["task"]
    assert "external_service" in found["system_tags"]
    assert (found["runtime"]["_SERVICE"], found["runtime"]["_PORT"]) == ("EXTERNAL", "7860")
    assert found["runtime"]["_ADDRESS"]
