"""What a task has reported, read back; artifacts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk import Task
from tests.conftest import RunningServer

Make = Callable[..., Task]
Read = Callable[[Task], dict[str, Any]]


@pytest.mark.rows("S2-041", "S2-085", "S2-024")
def test_a_logger_reports_to_its_task(running: Task, make: Make, server: RunningServer) -> None:
    other = make("another")
    other.mark_started()
    assert running.get_logger() is running.logger is running.get_logger()
    Task.get_task(task_id=other.id).get_logger().report_scalar("t", "s", value=2, iteration=1)
    running.get_logger().report_scalar("t", "s", value=1, iteration=1)
    for task, value in ((running, 1.0), (other, 2.0)):
        assert task.flush(wait_for_uploads=True)
        assert server.call("events.scalar_metrics_iter_histogram", {"task": task.id})["t"]["s"]["y"] == [value]


@pytest.mark.rows("S2-062", "S2-028")
def test_long_curves_are_thinned_unless_all_is_asked_for(running: Task) -> None:
    for step in range(6000):
        running.get_logger().report_scalar("t", "s", value=step, iteration=step)
    thinned = running.get_reported_scalars()["t"]["s"]
    assert 1000 < len(thinned["x"]) <= 5000
    assert len(running.get_reported_scalars(max_samples=10)["t"]["s"]["x"]) <= 10
    for axis in ("iter", "timestamp", "iso_time"):
        whole = running.get_all_reported_scalars(x_axis=axis)["t"]["s"]
        assert list(whole["y"]) == list(range(6000)) and len(whole["x"]) == 6000
    assert list(running.get_all_reported_scalars()["t"]["s"]["x"]) == list(range(6000))
    with pytest.raises(ValueError, match="x_axis"):
        running.get_reported_scalars(x_axis="other")


@pytest.mark.rows("S2-040", "S2-039")
def test_last_values(running: Task, server: RunningServer) -> None:
    for step, value in ((1, 5), (7, 1), (3, 9)):
        running.get_logger().report_scalar("t", "s", value=value, iteration=step)
    assert running.get_last_iteration() == 7
    found = running.get_last_scalar_metrics()["t"]["s"]
    assert (found["min"], found["max"]) == (1, 9)
    assert server.call("tasks.get_by_id", {"task": running.id})["task"]["last_iteration"] == 7


@pytest.mark.rows("S2-063", "S2-064")
def test_single_values(running: Task) -> None:
    running.get_logger().report_single_value("best", 7.5)
    running.get_logger().report_single_value("worst", 1)
    assert running.get_reported_single_values() == {"best": 7.5, "worst": 1.0}
    assert running.get_reported_single_value("best") == 7.5 and running.get_reported_single_value("none") is None


@pytest.mark.rows("S2-036", "S2-115")
def test_iterations_are_counted_on(running: Task, server: RunningServer) -> None:
    assert running.get_initial_iteration() == 0 and running.set_initial_iteration(100) == 100
    assert running.get_initial_iteration() == 100
    running.get_logger().report_scalar("t", "s", value=1, iteration=0)
    assert running.flush(wait_for_uploads=True)
    assert server.call("events.scalar_metrics_iter_histogram", {"task": running.id})["t"]["s"]["x"] == [100]


@pytest.mark.rows("S2-060")
def test_the_console_is_read_back(running: Task) -> None:
    for number in range(3):
        running.get_logger().report_text(f"report {number}", print_console=False)
        assert running.flush(wait_for_uploads=True)
    assert running.get_reported_console_output(2) == ["report 1", "report 2"]
    assert running.get_reported_console_output() == ["report 2"]


@pytest.mark.rows("S2-061")
def test_plots_are_read_back(running: Task) -> None:
    for step in range(3):
        running.get_logger().report_table("t", "s", iteration=step, table_plot=[["a"], [step]])
    (plot,) = running.get_reported_plots()
    assert {"timestamp", "type", "task", "iter", "metric", "variant", "plot_str"} <= set(plot) and plot["iter"] == 2
    assert [found["iter"] for found in running.get_reported_plots(max_iterations=2)] in ([2, 1], [1, 2])


@pytest.mark.rows("S2-035", "S1-042")
def test_debug_samples_are_read_back(running: Task, tmp_path: Path) -> None:
    from io import StringIO

    from clearml_sdk.storage.manager import StorageManager

    (tmp_path / "page.html").write_text("<p>1</p>")
    logger = running.get_logger()
    logger.report_media("t", "s", iteration=0, local_path=str(tmp_path / "page.html"))
    logger.report_media("t", "s", iteration=1, stream=StringIO("<p>2</p>"), file_extension=".html")
    logger.report_media("t", "s", iteration=2, url="https://example.org/3.html")
    found = running.get_debug_samples("t", "s")
    assert [sample["iter"] for sample in found] == [2, 1, 0] and found[0]["url"] == "https://example.org/3.html"
    assert [sample["iter"] for sample in running.get_debug_samples("t", "s", n_last_iterations=2)] == [2, 1]
    copy = StorageManager.get_local_copy(found[1]["url"])
    assert copy is not None and Path(copy).read_text() == "<p>2</p>"
    for wrong in (0, "a"):
        with pytest.raises(TypeError):
            running.get_debug_samples("t", "s", n_last_iterations=wrong)  # type: ignore[arg-type]  # that is the test


@pytest.mark.rows("S2-003", "S1-034")
def test_artifacts_are_read_in_another_task(running: Task, make: Make) -> None:
    running.upload_artifact("data", {"x": [1, 2]}, wait_on_upload=True)
    found = Task.get_task(task_id=running.id).artifacts
    assert found["data"].get() == {"x": [1, 2]} and list(found) == ["data"]
    with pytest.raises(TypeError):
        found["data"] = None  # type: ignore[index]  # that is the test


@pytest.mark.rows("S2-095", "S2-049", "S2-I12")
def test_outputs_go_where_the_task_says(running: Task, read: Read, tmp_path: Path, server: RunningServer) -> None:
    running.output_uri = str(tmp_path / "out")
    assert running.get_output_destination(extra_path="x/y") == f"{tmp_path}/out/x/y"
    running.upload_artifact("a", {"x": 1}, wait_on_upload=True)
    place = tmp_path / "out" / str(running.get_project_name()) / f"a task.{running.id}" / "artifacts" / "a"
    assert [path.name for path in place.iterdir()] == ["a.json"]
    running.output_uri = True
    assert running.output_uri == server.files == read(running)["output"]["destination"]


@pytest.mark.rows("S1-058", "S2-G01", "S2-090")
def test_one_object_gives_everything(running: Task) -> None:
    running.get_logger().report_scalar("t", "s", value=1, iteration=1)
    running.upload_artifact("a", {"x": 1}, wait_on_upload=True)
    running.set_parameters({"Args/a": 1})
    running.set_configuration_object("c", "text")
    found = Task.get_task(task_id=running.id)
    running.flush(wait_for_uploads=True)
    assert found.get_status() == "in_progress" and found.get_reported_scalars()["t"]["s"]["y"] == [1]
    assert set(found.artifacts) == {"a"} and len(found.models["output"]) == 0
    assert found.get_parameters() == {"Args/a": "1"} and found.get_configuration_objects() == {"c": "text"}
    found.metrics_manager.scalar("t", "s", 2.0, 2)
    assert found.flush(wait_for_uploads=True) and found.get_reported_scalars()["t"]["s"]["y"] == [1, 2]
