"""Plots and tables as plotly JSON, in the shape that the official client sends (recorded from 2.1.12)."""

from __future__ import annotations

import datetime
import json
from typing import Any

import numpy as np
import pytest

from clearml_sdk.errors import UsageError
from clearml_sdk.reporting import figures, tables
from clearml_sdk.reporting.figures import SeriesInfo
from clearml_sdk.reporting.json_text import dumps, figure_json
from clearml_sdk.reporting.plots import Plots


class Recorded(Plots):
    def __init__(self) -> None:
        self.figure: Any = None

    def _report_figure(self, title: str, series: str, iteration: int | None, figure: Any) -> None:
        self.figure = json.loads(figure_json(figure))


SPIKES = {"showspikes": True, "spikethickness": 1, "spikesnap": "cursor", "spikemode": "toaxis+across"}


def test_histogram() -> None:
    plots = Recorded()
    plots.report_histogram(
        "hist2",
        "s",
        np.array([[1, 2, 3], [4, 5, 6]]),
        iteration=1,
        labels=["l1", "l2"],
        mode="stack",
        data_args={"orientation": "h"},
        extra_layout={"legend": {"x": 1}},
    )
    bar = {"x": [0, 1, 2], "type": "bar", "orientation": "h"}
    assert plots.figure == {
        "data": [{"name": "l1", "y": [1, 2, 3], **bar}, {"name": "l2", "y": [4, 5, 6], **bar}],
        "layout": {
            "title": "s",
            "xaxis": {"title": None},
            "yaxis": {"title": None},
            "barmode": "stack",
            "bargap": 0.08,
            "bargroupgap": 0,
            "legend": {"x": 1},
        },
    }


def test_confusion_matrix() -> None:
    plots = Recorded()
    plots.report_confusion_matrix(
        "cm",
        "s",
        [[1, 2], [3, 4]],
        xaxis="X",
        yaxis="Y",
        xlabels=["a", "b"],
        ylabels=["c", "d"],
        comment="com",
        yaxis_reversed=True,
    )
    assert plots.figure == {
        "data": [
            {
                "x": ["a", "b"],
                "y": ["c", "d"],
                "z": [[1.0, 2.0], [3.0, 4.0]],
                "type": "heatmap",
                "texttemplate": "%{z}",
            }
        ],
        "layout": {
            "showlegend": True,
            "title": "cm<br><sup>com</sup>",
            "xaxis": {"title": "X"},
            "yaxis": {"title": "Y", "autorange": "reversed"},
            "name": "s",
            "texttemplate": "%{z}",
        },
    }


def test_line_plot() -> None:
    plots = Recorded()
    plots.report_line_plot(
        "line",
        [SeriesInfo(name="n1", data=np.array([[1, 2], [3, 4]]), labels=["a", "b"])],
        "X",
        "Y",
        comment="c",
        reverse_xaxis=True,
    )
    line = {"name": "n1", "x": [1, 3], "y": [2, 4], "mode": "lines", "text": ["a", "b"], "type": "scatter"}
    assert plots.figure == {
        "data": [line],
        "layout": {
            "title": "line<br><sup>c</sup>",
            "xaxis": {"title": "X", **SPIKES, "autorange": "reversed"},
            "yaxis": {"title": "Y", **SPIKES},
            "name": None,
        },
    }


def test_surface() -> None:
    plots = Recorded()
    plots.report_surface("surf", "s", [[1, 2], [3, 4]], xaxis="X", xlabels=["a", "b"], camera=(1, 2, 3))
    layout = plots.figure["layout"]
    assert plots.figure["data"][0]["z"] == [[1.0, 2.0], [3.0, 4.0]]
    assert layout["scene"]["camera"] == {"eye": {"x": 1, "y": 2, "z": 3}}
    assert layout["scene"]["xaxis"] == {
        "title": "X",
        "showgrid": False,
        "nticks": 10,
        "ticktext": ["a", "b"],
        "tickvals": [0, 1],
    }
    assert layout["title"] == "surf/s"


def test_scatter3d_of_one_and_of_several_series() -> None:
    plots = Recorded()
    plots.report_scatter3d("sc3", "s", [(1, 2, 3), (4, 5, 6)], labels=["q", "w"])
    (points,) = plots.figure["data"]
    assert (points["x"], points["y"], points["z"], points["text"]) == ([1, 4], [2, 5], [3, 6], ["q", "w"])
    plots.report_scatter3d("sc3", "s", [np.array([[1, 2, 3]]), np.array([[4, 5, 6]])])
    assert [item["x"] for item in plots.figure["data"]] == [[1], [4]]


def test_points_with_the_wrong_number_of_coordinates_say_so() -> None:
    with pytest.raises(ValueError, match="two coordinates, not 3"):
        figures.scatter2d("t", [SeriesInfo("s", [(1, 2, 3)])], xaxis=None, yaxis=None, mode="lines")


def test_a_table_of_rows() -> None:
    figure = tables.table("tab", "s", [["a", "b"], [1, 2.5], ["x", None]], None, None)
    (table,) = figure["data"]
    assert table["header"]["values"] == ["a", "b"]
    assert table["cells"]["values"] == [[1, "x"], [2.5, None]]
    assert figure["layout"] == {"title.text": "tab", "title": "s"}


def test_a_table_of_ragged_rows_and_odd_values() -> None:
    rows = [["a", "b"], [np.float32(1.5), float("nan"), "more"], [datetime.date(2026, 1, 2)]]
    (table,) = tables.table("t", "s", rows, None, None)["data"]
    assert table["cells"]["values"] == [[1.5, "2026-01-02"], [None, None], ["more", None]]


def test_a_table_of_a_csv_file(tmp_path: Any) -> None:
    path = tmp_path / "t.csv"
    path.write_text('c1,c2\n1,"two, quoted"\n3.5,\n')
    assert tables.read_table(None, str(path), None) == [["c1", "c2"], [1, "two, quoted"], [3.5, ""]]


def test_a_table_needs_a_source() -> None:
    with pytest.raises(UsageError, match="one of table_plot, csv and url"):
        tables.read_table(None, None, None)


def test_a_table_of_a_dataframe_shows_its_index_when_it_means_something() -> None:
    import pandas

    frame = pandas.DataFrame({"x": [1, 2], "y": ["a", None]})
    (table,) = tables.table("t", "s", frame, None, None)["data"]
    assert table["header"]["values"] == [["x"], ["y"]]
    assert table["cells"]["values"] == [[1, 2], ["a", None]]
    (table,) = tables.table("t", "s", frame.set_index(pandas.Index(["r", "q"], name="row")), None, None)["data"]
    assert table["header"]["values"] == ["row", ["x"], ["y"]]
    assert table["cells"]["values"][0] == ["r", "q"]


def test_json_has_no_nan_and_knows_arrays() -> None:
    value = {"a": np.array([1.0, np.nan]), "b": float("inf"), "c": {np.int64(1): np.float32(2)}, "d": (1, 2)}
    assert json.loads(dumps(value)) == {"a": [1.0, None], "b": None, "c": {"1": 2.0}, "d": [1, 2]}


def test_what_is_no_figure_is_refused() -> None:
    with pytest.raises(ValueError, match="not a plotly figure"):
        figure_json([1, 2])
    with pytest.raises(ValueError, match="Expecting value"):
        figure_json("no json")


def test_a_plotly_object_is_taken_by_its_json() -> None:
    class Figure:
        def to_plotly_json(self) -> dict[str, Any]:
            return {"data": [{"x": np.arange(2)}], "layout": {"title": "t"}}

    assert json.loads(figure_json(Figure())) == {"data": [{"x": [0, 1]}], "layout": {"title": "t"}}
