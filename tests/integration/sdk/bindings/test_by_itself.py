"""One run with console, logging, figures, TensorBoard, a model and the machine: all of it is in the task."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import Workplace, download

from .conftest import Bench, Recorded
from .environments import INSTALL_S, small

pytestmark = pytest.mark.timeout(INSTALL_S)

CODE = """
import io, logging, sys, time, wave
import joblib, matplotlib.pyplot as plt, numpy as np
from clearml_sdk.reporting.resources import ResourceMonitor
from tensorboardX import SummaryWriter

class Quick(ResourceMonitor):
    first_report_s = 0.2
    def __init__(self, reporter):
        super().__init__(reporter, sample_s=0.1, report_s=0.2)

joblib.dump("made before", "before.joblib")
task = Task.init("bindings", "by itself", reuse_last_task_id=False, auto_resource_monitoring=Quick)
print("printed")
print("to stderr", file=sys.stderr)
logging.getLogger("trainer").warning("logged")
logger = task.get_logger()
with SummaryWriter("runs/one") as writer:
    for step in range(3):
        writer.add_scalar("loss/train", 1 / (step + 1), step)
        writer.add_histogram("weights", np.arange(20.0) % (step + 2), step)
    writer.add_image("img", np.ones((3, 8, 8)), 1)
    writer.add_text("note", "a note", 1)
logger.report_scalar("accuracy", "by hand", value=0.5, iteration=2)
plt.plot([1, 2, 3], [3, 1, 2]); plt.title("a line"); plt.show(); plt.close("all")
plt.imshow(np.eye(4)); plt.title("a matrix"); plt.show(); plt.close("all")
logger.report_media("page", "html", iteration=1, stream=io.StringIO("<p>hello</p>"), file_extension=".html")
sound = io.BytesIO()
with wave.open(sound, "wb") as file:
    file.setnchannels(1); file.setsampwidth(1); file.setframerate(8000); file.writeframes(bytes(80))
logger.report_media("sound", "by hand", iteration=1, stream=io.BytesIO(sound.getvalue()), file_extension="wav")
joblib.load("before.joblib")
joblib.dump({"weights": [1, 2]}, "model.pkl")
deadline = time.monotonic() + 30
while not any(title.startswith(":monitor") for title in task.get_reported_scalars()) and time.monotonic() < deadline:
    logger.flush(); time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def run(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder: Path = tmp_path_factory.mktemp("by-itself")
    return Bench(Workplace(folder, server), small()).record(CODE)


@pytest.mark.rows("S1-007", "S1-038", "S1-045")
def test_console_log_curves_figures_and_checkpoints_need_no_call(run: Recorded) -> None:
    body = {"task": run.id, "batch_size": 500, "order": "asc"}
    console = "\n".join(event["msg"] for event in run.server.call("events.get_task_log", body)["events"])
    for line in ("printed", "to stderr", "logged"):
        assert line in console
    curves = run.curves()
    assert curves["loss", "train"]["y"][0] == 1, "TensorBoard's"
    assert curves["accuracy", "by hand"]["y"] == [0.5]
    assert curves[":monitor:machine", "memory_used_gb"]["y"][0] > 0
    assert any(title == "a line" for title, _, _ in run.plots())
    assert set(run.models("output")) == {"model"}


@pytest.mark.rows("S1-039", "S1-041")
def test_figures_are_plots_and_pictures_sounds_and_pages_are_samples(run: Recorded) -> None:
    plots, samples = run.plots(), run.samples()
    kinds = {
        (title, series): {trace["type"] for trace in json.loads(text)["data"]}
        for (title, series, _), text in plots.items()
    }
    assert kinds["a line", "plot"] == {"scatter"} and kinds["Histograms", "weights"] == {"surface"}
    assert not any(title == "a matrix" for title, _ in kinds), "imshow gives a sample"
    found = {(title, series): download(run.server, url) for (title, series, _), url in samples.items()}
    assert found["page", "html"] == b"<p>hello</p>"
    assert found["sound", "by hand"].startswith(b"RIFF") and found["sound", "by hand"][8:12] == b"WAVE"
    assert found["Images", "img"].startswith(b"\x89PNG")
    assert found["note", "text_summary"] == b"a note"
    assert any(title == "a matrix" for title, _ in found)


@pytest.mark.rows("S1-035", "S1-036")
def test_files_read_are_input_models_and_files_written_output_models(run: Recorded) -> None:
    inputs, outputs = run.models("input"), run.models("output")
    assert [Path(model["uri"]).name for model in inputs.values()] == ["before.joblib"]
    assert [Path(model["uri"]).name for model in outputs.values()] == ["model.pkl"]
    assert {model["framework"] for model in (*inputs.values(), *outputs.values())} == {"ScikitLearn"}
    assert [model["task"] for model in outputs.values()] == [run.id]
