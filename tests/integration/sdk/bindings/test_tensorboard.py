"""TensorBoard through tensorboardX: what it writes to files is reported, under the official names."""

from __future__ import annotations

import json

import pytest

from tests.integration.sdk.core.conftest import download

from .conftest import INIT, Bench
from .environments import INSTALL_S

pytestmark = pytest.mark.timeout(INSTALL_S)

EVENTS = f"""
import numpy as np
from tensorboardX import SummaryWriter
task = Task.init("bindings", "events", {INIT})
writer = SummaryWriter("runs/one")
for step in range(3):
    for tag in ("plain", "a/b", "a/b/c", "with space/loss_x"):
        writer.add_scalar(tag, step / 2, step)
writer.add_scalars("group", {{"x": 1, "y": 2}}, 5)
for tag in ("img", "im/g", "i/m/g", "a/i/m/g/h"):
    writer.add_image(tag, np.ones((3, 8, 8)), 1)
for step in range(5):
    writer.add_histogram("hist", np.arange(100.0) % (step + 2), step)
    writer.add_histogram("a/layer/w", np.arange(10.0), step)
writer.add_text("txt", "hello *world*", 2)
writer.add_pr_curve("pr", np.array([0, 1, 1, 0]), np.array([0.1, 0.9, 0.8, 0.3]), 4)
writer.add_hparams({{"lr": 0.1, "name": "n"}}, {{"acc": 0.5}})
other = SummaryWriter("runs/two")
other.add_scalar("plain", 9, 0)
other.add_scalar("only/two", 9, 1)
writer.close(); other.close(); task.close()
SummaryWriter("runs/late").add_scalar("late", 1, 1)
"""


def test_events_are_reported_under_their_official_names(bench: Bench) -> None:
    task = bench.record(EVENTS)
    curves = task.curves()
    assert set(curves) == {
        ("plain", "plain"),
        ("plain", "two: plain"),
        ("a", "b"),
        ("a_b", "c"),
        ("with_space", "loss_x"),
        ("group", "x"),
        ("group", "y"),
        ("only", "two"),
        ("acc", "acc"),
    }
    assert curves["a", "b"]["x"] == [0, 1, 2] and curves["a", "b"]["y"] == [0, 0.5, 1]
    assert task.parameters("TB_hparams") == {"lr": "0.1", "name": "n"}
    samples = task.samples()
    pictures = {("Images", "img", 1), ("im", "g", 1), ("i", "m_g", 1), ("a_i", "m_g_h", 1)}
    assert set(samples) == {*pictures, ("txt", "text_summary", 2)}
    assert download(bench.server, samples["Images", "img", 1]).startswith(b"\x89PNG")
    assert download(bench.server, samples["txt", "text_summary", 2]) == b"hello *world*"
    plots = task.plots()
    surface = json.loads(plots["Histograms", "hist", 4])["data"][0]["z"]
    assert len(surface) == 5 and all(abs(sum(row) - 100) < 1e-6 for row in surface), "all values of each step"
    assert ("a_layer", "w", 4) in plots and ("pr", "", 4) in plots
    curve = json.loads(plots["pr", "", 4])
    assert curve["layout"]["xaxis"]["title"] == "recall" and max(curve["data"][0]["y"]) == 1


@pytest.mark.rows("S2-I18")
def test_hyperparameters_can_be_left_out_and_scalars_grouped(bench: Bench) -> None:
    code = f"""
import sys
from clearml import Logger
from tensorboardX import SummaryWriter
task = Task.init("bindings", "options", {INIT}, auto_connect_frameworks={{"tensorboard": {{"report_hparams": False}}}})
if sys.argv[1] == "group":
    Logger.tensorboard_auto_group_scalars(True)
else:
    Logger.tensorboard_single_series_per_graph(True)
for name in ("one", "two"):
    with SummaryWriter("runs/" + name) as writer:
        writer.add_scalar("plain", 1, 1)
        writer.add_scalar("a/b", 1, 1)
        if name == "one":
            writer.add_hparams({{"lr": 0.1}}, {{"a/m": 1}})
"""
    grouped = bench.record(code, "group")
    assert grouped.parameters("TB_hparams") == {}
    assert set(grouped.curves()) == {
        ("Scalars", "plain"),
        ("Scalars", "two: plain"),
        ("a", "b"),
        ("a", "two: b"),
        ("a", "m"),
    }
    single = bench.record(code, "single")
    assert set(single.curves()) == {("plain", "plain"), ("plain two", "plain"), ("a", "b"), ("a two", "b"), ("a", "m")}


def test_the_event_files_are_the_same_as_without(bench: Bench) -> None:
    code = f"""
import glob
from tensorboardX import SummaryWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import RecordWriter
import struct

def tags(folder):
    data, found = open(glob.glob(folder + "/*")[0], "rb").read(), []
    while data:
        (length,) = struct.unpack("Q", data[:8])
        event = Event.FromString(data[12 : 12 + length])
        found += [(value.tag, value.simple_value, event.step) for value in event.summary.value]
        data = data[16 + length :]
    return found

def write(folder):
    with SummaryWriter(folder) as writer:
        for step in range(20):
            writer.add_scalar("a/b", step, step)
    return tags(folder)
before = write("before")
Task.init("bindings", "files", {INIT})
say(same=write("after") == before, count=len(before))
"""
    assert bench.run(code).said == {"same": True, "count": 20}
