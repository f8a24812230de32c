"""Reporting below `Logger`: `Metrics`, `Reporter`, the monitor of the machine, tables that are kept in step."""

from __future__ import annotations

import copy
import io
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clearml_sdk import Model, OutputModel, Task
from clearml_sdk.backend_interface.metrics import Metrics, PlotEvent, Reporter, ScalarEvent, VectorEvent
from clearml_sdk.backend_interface.metrics.events import ConsoleEvent, ImageEvent, MediaEvent
from clearml_sdk.binding.artifacts import Artifacts
from clearml_sdk.errors import UsageError
from clearml_sdk.external.kerastuner import ClearmlTunerCallback, ClearmlTunerLogger
from clearml_sdk.utilities.plotly_reporter import SeriesInfo
from clearml_sdk.utilities.resource_monitor import ResourceMonitor
from tests.conftest import RunningServer


def events_of(server: RunningServer, task: Task, kind: str) -> list[dict[str, Any]]:
    asked = {"task": task.id, "event_type": kind, "batch_size": 500}
    return server.call("events.get_task_events", asked)["events"]  # type: ignore[no-any-return]


def test_events_are_written_one_by_one(running: Task, server: RunningServer) -> None:
    metrics = Metrics(running.session, running, storage_uri=None, iteration_offset=10)
    assert metrics.get_iteration_offset() == 10 and metrics.storage_key_prefix == "metrics"
    answer = metrics.write_events([ScalarEvent("m", "v", 1.5, iter=1)], async_enable=False)
    assert answer.ok() and answer.response.added == 1
    metrics.set_iteration_offset(0)
    called: list[Any] = []
    later = metrics.write_events(
        [
            ScalarEvent(metric="m", variant="v", value=2.5, iter=2),
            VectorEvent("vector", "v", [1, 2], iter=2),
            PlotEvent("plot", "v", '{"data": [], "layout": {}}', iter=2),
            ConsoleEvent("said", logging.WARNING, "me"),
            ImageEvent("image", "v", np.zeros((4, 4, 3), dtype=np.uint8), iter=2),
            MediaEvent("media", "v", io.BytesIO(b"abc"), "x.bin", iter=2),
        ],
        callback=called.append,
    )
    assert later.get(timeout=60).ok() and len(called) == 1
    points = events_of(server, running, "training_stats_scalar")
    assert sorted((one["iter"], one["value"]) for one in points) == [(2, 2.5), (11, 1.5)]
    assert [one["values"] for one in events_of(server, running, "training_stats_vector")] == [[1.0, 2.0]]
    assert [one["metric"] for one in events_of(server, running, "plot")] == ["plot"]
    assert ("warning", "said") in [(one["level"].lower(), one["msg"]) for one in events_of(server, running, "log")]
    samples = events_of(server, running, "training_debug_image")
    assert {(one["metric"], Path(one["url"]).suffix) for one in samples} == {("image", ".jpeg"), ("media", ".bin")}


def test_a_reporter_reports_by_name_and_iteration(running: Task, server: RunningServer, tmp_path: Path) -> None:
    metrics = Metrics(running.session, running, storage_uri=None)
    picture = tmp_path / "picture.png"
    with Reporter(metrics, running) as reporter:
        reporter.report_scalar("T", "S", 1.0, 4)
        reporter.report_vector("TV", "S", [1, 2, 3], 4)
        reporter.report_plot("TP", "S", {"data": [{"y": [1.23456]}], "layout": {}}, 4, round_digits=2)
        reporter.report_histogram("TH", "S", np.array([1, 2, 3]), 4, comment="note")
        reporter.report_value_matrix("TM", "S", np.eye(2), 4)
        reporter.report_value_surface("TS", "S", np.eye(2), 4)
        reporter.report_2d_scatter("T2", "S", np.array([[1, 2], [3, 4]]), 4)
        reporter.report_3d_scatter("T3", "S", np.array([[1, 2, 3], [3, 4, 5]]), 4)
        reporter.report_line_plot("TL", [SeriesInfo("x", np.array([[1, 2], [3, 4]]))], 5, "x", "y")
        reporter.report_table("TT", "S", pd.DataFrame({"a": [1]}), 4)
        reporter.report_image("TI", "S", "http://elsewhere.test/y.png", 4)
        reporter.report_image_and_upload("TU", "S", 4, image=np.zeros((4, 4, 3), dtype=np.uint8))
        reporter.report_image_plot_and_upload("TA", "S", 4, matrix=np.zeros((4, 4, 3), dtype=np.uint8))
        picture.write_bytes(b"as it is")
        reporter.report_media_and_upload("TF", "S", 4, path=str(picture))
        reporter.report_console("hello", logging.ERROR)
        for wrong in (reporter.report_image_and_upload, reporter.report_media_and_upload):
            with pytest.raises(UsageError):
                wrong("T", "S", 1)
        assert reporter.max_iteration == 5 and reporter.is_alive()
    assert not reporter.events_waiting() and reporter.get_num_results() == 0
    plots = {one["metric"]: one for one in events_of(server, running, "plot")}
    assert set(plots) == {"TP", "TH", "TM", "TS", "T2", "T3", "TL", "TT", "TA"}
    assert "1.23" in plots["TP"]["plot_str"] and "1.2345" not in plots["TP"]["plot_str"]
    assert "note" in plots["TH"]["plot_str"] and plots["TL"]["iter"] == 5
    assert {one["metric"] for one in events_of(server, running, "training_debug_image")} == {"TI", "TU", "TF"}
    assert [one["value"] for one in events_of(server, running, "training_stats_scalar")] == [1.0]
    assert ("error", "hello") in [(one["level"].lower(), one["msg"]) for one in events_of(server, running, "log")]
    reporter.stop()
    assert not reporter.is_alive()


def test_a_reporter_of_a_model_reports_to_it(running: Task, server: RunningServer) -> None:
    made = OutputModel(running, name="reported")
    made.update_labels({"a": 1})
    model = Model(made.id)
    with Reporter(Metrics(None, model, None, for_model=True), model, for_model=True) as reporter:
        reporter.report_scalar("quality", "v", 0.5, 3)
        reporter.report_plot("plot", "v", {"data": []}, 3)
        with pytest.raises(ValueError, match="model"):
            reporter.report_media_and_upload("T", "S", 1, stream=b"x", file_extension=".bin")
    asked = {"task": model.id, "model_events": True}
    assert server.call("events.scalar_metrics_iter_histogram", asked)["quality"]["v"]["y"] == [0.5]


def test_a_monitor_of_a_script_watches_until_it_is_stopped(running: Task) -> None:
    monitor = ResourceMonitor(running, 20, report_frequency_sec=0.2, wait_for_first_iteration_to_start_sec=0)
    assert monitor in monitor.resource_monitor_instances and not monitor.is_alive()
    ResourceMonitor.start_all(running)
    assert monitor.is_alive()
    running.get_logger().report_scalar("mine", "v", 1.0, 1)
    running.flush(wait_for_uploads=True)
    assert ResourceMonitor.get_logger_reported_titles(running) == ["mine"]
    ResourceMonitor.clear_main_process(running)
    monitor.wait(30)
    assert not monitor.is_alive() and monitor not in monitor.resource_monitor_instances
    with pytest.raises(UsageError):
        monitor.set_subprocess_mode()


def test_a_manager_of_artifacts_keeps_tables_in_step(running: Task) -> None:
    artifacts = Artifacts(running)
    table = pd.DataFrame({"a": [1, 2, 2]})
    artifacts.register_artifact("table", table, metadata={"m": 1})
    assert artifacts.registered_artifacts["table"] is table and "2 unique rows" in artifacts.summary
    artifacts.unregister_artifact("table")
    assert artifacts.registered_artifacts == {} and artifacts.summary == ""
    artifacts.stop()
    assert "table" in running.artifacts


def test_the_session_of_a_task_makes_calls_by_name(running: Task) -> None:
    session: Any = running.session
    answer = session.send_request("tasks", "get_by_id", json={"task": running.id})
    assert answer.ok and answer.json()["data"]["task"]["id"] == running.id
    assert session.token and session.host == session.settings.api_server and running.session is session


class Trial:
    """What KerasTuner has of a trial."""

    def __init__(self, number: int, score: float | None) -> None:
        self.number, self.score = number, score

    def get_state(self) -> dict[str, Any]:
        values = {"units": 8 + self.number, "lr": 0.1}
        status = "RUNNING" if self.score is None else "COMPLETED"
        return {
            "trial_id": str(self.number),
            "hyperparameters": {"values": values},
            "score": self.score,
            "status": status,
        }


def test_the_trials_of_a_tuner_are_a_table(running: Task, server: RunningServer) -> None:
    trials = {str(number): Trial(number, score) for number, score in enumerate((0.5, 0.2, None))}
    tuner = SimpleNamespace(oracle=SimpleNamespace(trials=trials, objective=SimpleNamespace(direction="min")))
    callback = ClearmlTunerCallback(tuner, task=running)
    assert copy.deepcopy(callback) is callback, "the tuner copies callbacks for each trial"
    callback.on_train_end({})
    logger = ClearmlTunerLogger(running)
    logger.register_tuner({"max_trials": 3})
    running.flush(wait_for_uploads=True)
    (plot,) = events_of(server, running, "plot")
    assert (plot["metric"], plot["variant"], plot["iter"]) == ("summary", "trial", 0)
    table = json.loads(plot["plot_str"])["data"][0]
    assert table["header"]["values"] == ["trial id", "units", "lr", "score", "status"]
    assert table["cells"]["values"][0] == ["1", "0", "2"] and table["cells"]["values"][3] == [0.2, 0.5, None]
    logger.register_trial("9", {"hyperparameters": {"values": {"units": 1}}, "score": None, "status": "RUNNING"})
    logger.exit()
    (plot,) = events_of(server, running, "plot")
    assert json.loads(plot["plot_str"])["data"][0]["cells"]["values"][0] == ["9"]
    assert "max_trials" in str(running.get_configuration_object("tuner"))
