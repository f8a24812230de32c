"""matplotlib: figures that are shown or saved are plots that can be zoomed, or pictures where they cannot."""

from __future__ import annotations

import json

import pytest

from .conftest import INIT, Bench, Recorded
from .environments import INSTALL_S

pytestmark = pytest.mark.timeout(INSTALL_S)

FIGURES = f"""
import matplotlib.pyplot as plt, numpy as np
task = Task.init("bindings", "figures", {INIT})
plt.plot([1, 2, 3], [3, 1, 2], "o--", label="curve"); plt.title("line"); plt.legend(); plt.xlabel("epoch"); plt.show()
plt.show()
task.get_logger().report_scalar("s", "s", 1, iteration=7)
plt.plot([1, 2, 3], [4, 4, 4]); plt.show()
other = plt.figure(); plt.title("line"); plt.plot([1, 2]); other.savefig("saved.png")
plt.figure(); plt.plot([1, 2]); plt.savefig("untitled.svg")
plt.close("all")
figure, (left, right) = plt.subplots(1, 2)
left.bar(["a", "b"], [1, 2], color="red"); right.scatter([1, 10], [3, 4], c=[1, 2]); right.set_xscale("log")
right.fill_between([1, 10], [1, 2], [2, 3]); right.axhline(2); figure.suptitle("two"); plt.show()
plt.close("all")
plt.imshow(np.random.rand(8, 8)); plt.title("picture"); plt.show(); plt.close("all")
plt.figure().add_subplot(projection="3d").plot([1, 2], [1, 2], [1, 2]); plt.title("space"); plt.show()
plt.close("all"); plt.plot([1, 2])
logger = task.get_logger()
logger.report_matplotlib_figure("by hand", "zoomed", plt, iteration=3)
logger.report_matplotlib_figure("by hand", "picture", plt.gcf(), iteration=3, report_interactive=False)
logger.report_matplotlib_figure("by hand", "sample", plt.gcf(), iteration=3, report_image=True)
say(current=plt.gcf().number, saved=open("saved.png", "rb").read(4).hex())
task.close()
figure, axes = plt.subplots(); axes.plot([1]); axes.set_title("late"); figure.savefig("late.png")
"""

TRANSLATED = """
import matplotlib.pyplot as plt, numpy as np, pandas as pd, plotly.graph_objects as go, seaborn as sns
from clearml_sdk.bindings.plotly_of_matplotlib import plotly_figure
frame = pd.DataFrame({"x": np.arange(30.0), "y": np.arange(30.0) % 7, "kind": ["a", "b", "c"] * 10})
dates = pd.date_range("2026-01-01", periods=30)

def drawn(draw):
    figure, axes = plt.subplots()
    draw(axes)
    found = plotly_figure(figure)
    plt.close(figure)
    if found is not None:
        go.Figure(json.loads(json.dumps(found)))  # refuses what plotly does not know
    return found and [trace["type"] for trace in found["data"]]

say(
    dates=drawn(lambda axes: axes.plot(dates, frame.y)),
    steps=drawn(lambda axes: axes.step(frame.x, frame.y, where="post")),
    errors=drawn(lambda axes: axes.errorbar(frame.x, frame.y, yerr=1)),
    pie=drawn(lambda axes: axes.pie([1, 2, 3])),
    spans=drawn(lambda axes: (axes.plot([1, 2]), axes.axvspan(0, 1), axes.text(0, 1, "note"))),
    log=drawn(lambda axes: (axes.plot([1, 10], [1, 100]), axes.set_yscale("log"))),
    twins=drawn(lambda axes: (axes.plot([1, 2]), axes.twinx().plot([3, 1]))),
    histogram=drawn(lambda axes: axes.hist(frame.y)),
    filled_histogram=drawn(lambda axes: axes.hist(frame.y, histtype="stepfilled")),
    seaborn_line=drawn(lambda axes: sns.lineplot(frame, x="x", y="y", hue="kind", ax=axes)),
    seaborn_box=drawn(lambda axes: sns.boxplot(frame, x="kind", y="y", ax=axes)),
    seaborn_heatmap=drawn(lambda axes: sns.heatmap(np.arange(12.0).reshape(3, 4), annot=True, ax=axes)),
    contour=drawn(lambda axes: axes.contourf(np.arange(12.0).reshape(3, 4))),
    arrow=drawn(lambda axes: axes.annotate("here", (0, 0), (1, 1), arrowprops={"arrowstyle": "->"})),
    image=drawn(lambda axes: axes.imshow(np.eye(3))),
    symlog=drawn(lambda axes: (axes.plot([1, 2]), axes.set_xscale("symlog"))),
)
"""


@pytest.fixture(scope="module")
def shown(server, tmp_path_factory):  # type: ignore[no-untyped-def]  # as `bench`, once for all
    from tests.integration.sdk.core.conftest import Workplace

    from . import environments

    bench = Bench(Workplace(tmp_path_factory.mktemp("figures"), server), environments.small())
    ran = bench.run(FIGURES)
    return ran, bench.task_of(ran)


def test_shown_and_saved_figures_are_plots(shown) -> None:  # type: ignore[no-untyped-def]
    ran, task = shown
    assert "ClearML warning" not in ran.err, ran.err
    assert sorted(task.plots()) == sorted(
        [
            ("line", "plot", 0),  # shown twice, reported once
            ("line", "plot", 7),  # drawn on
            ("line/1", "plot", 7),  # another figure with this title
            ("untitled 00", "plot", 7),
            ("two", "plot", 7),
            ("space", "plot image", 7),
            ("by hand", "zoomed", 3),
            ("by hand", "picture", 3),
        ]
    )
    assert set(task.samples()) == {("picture", "plot image", 7), ("by hand", "sample", 3)}
    assert json.loads(task.plots()["by hand", "zoomed", 3])["data"][0]["y"] == [1, 2]
    assert json.loads(task.plots()["by hand", "picture", 3])["layout"]["images"]


def test_the_script_gets_what_it_would_have_got(shown) -> None:  # type: ignore[no-untyped-def]
    ran, _ = shown
    assert ran.said == {"current": 1, "saved": "89504e47"}


def test_a_line_keeps_its_numbers_and_looks(shown) -> None:  # type: ignore[no-untyped-def]
    figure = json.loads(shown[1].plots()["line", "plot", 0])
    (line,) = figure["data"]
    assert (line["x"], line["y"], line["name"], line["mode"]) == ([1, 2, 3], [3, 1, 2], "curve", "lines+markers")
    assert line["line"]["dash"] == "dash" and line["line"]["color"] == "rgba(31,119,180,1)"
    assert figure["layout"]["xaxis"]["title"]["text"] == "epoch" and figure["layout"]["showlegend"] is True


def test_axes_stay_side_by_side_with_their_scales(shown) -> None:  # type: ignore[no-untyped-def]
    figure = json.loads(shown[1].plots()["two", "plot", 7])
    layout = figure["layout"]
    assert layout["title"]["text"] == "two" and layout["xaxis"]["ticktext"] == ["a", "b"]
    assert layout["xaxis"]["domain"][1] < layout["xaxis2"]["domain"][0] and layout["xaxis2"]["type"] == "log"
    bar = figure["data"][0]
    assert (bar["type"], bar["y"], bar["marker"]["color"]) == ("bar", [1, 2], "rgba(255,0,0,1)")
    scatter = next(one for one in figure["data"] if one.get("mode") == "markers")
    assert scatter["x"] == [1, 10] and scatter["y"] == [3, 4] and len(set(scatter["marker"]["color"])) == 2
    level = figure["data"][-1]
    assert level["y"] == [2, 2] and level["x"][0] < 1 and level["x"][1] > 10, "from side to side"


def test_what_plotly_can_draw_is_translated_and_nothing_else(bench: Bench) -> None:
    said = bench.run(TRANSLATED).said
    assert {name for name, traces in said.items() if traces is None} == {"contour", "arrow", "image", "symlog"}
    assert said["twins"] == ["scatter", "scatter"] and set(said["pie"]) == {"scatter"}
    assert "heatmap" in said["seaborn_heatmap"] and "bar" in said["histogram"]


@pytest.mark.rows("S2-I16")
def test_switched_off_nothing_is_recorded(bench: Bench) -> None:
    ran = bench.run(f"""
import matplotlib.pyplot as plt
for choice in (False, {{"matplotlib": False}}, {{}}, {{"tensorboard": False}}):
    task = Task.init("bindings", "choice", {INIT}, auto_connect_frameworks=choice)
    plt.plot([1, 2]); plt.show(); plt.savefig("x.png")
    task.close()
""")
    ids = [line.split("id=")[1].strip() for line in ran.out.splitlines() if "task id=" in line]
    assert [len(Recorded(bench.server, one).plots()) for one in ids] == [0, 0, 0, 1]
