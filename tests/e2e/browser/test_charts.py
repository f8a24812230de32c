"""Curves and plots beside the task table, and of several tasks at once: of those selected, or of the first rows."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Page, expect

from tests.conftest import RunningServer
from tests.e2e.browser.examples import report
from tests.e2e.browser.steps import draft, project_of

NARROW = {"width": 400, "height": 800}


def curve(task: str, *, points: int = 10, first: int = 0, metric: str = "loss") -> list[dict[str, Any]]:
    one = {"type": "training_stats_scalar", "metric": metric, "variant": "train", "task": task, "timestamp": 1}
    return [{**one, "iter": n, "value": 1 / (n + 1)} for n in range(first, first + points)]


def table_of(server: RunningServer, name: str, tasks: int) -> tuple[str, list[str]]:
    """A project of tasks that reported a curve; the newest is the last."""
    project = project_of(server, name)
    made = [draft(server, f"run {n}", project=project) for n in range(tasks)]
    report(server, [event for task in made for event in curve(task)])
    return project, made


def expect_curves(page: Page, names: list[str], plot: str = "loss / train") -> None:
    ready = "([plot, names]) => { const one = [...document.querySelectorAll('.plot')].find(p => p.ariaLabel === plot);"
    ready += " return one?.data && JSON.stringify(one.data.map(t => t.name).sort()) === JSON.stringify(names); }"
    page.wait_for_function(ready, arg=[f"Plot of {plot}", sorted(names)])


def test_curves_of_the_selected_rows_or_of_the_first_stand_beside_the_table(
    server: RunningServer, inside: Page
) -> None:
    page = inside
    project, tasks = table_of(server, "a table with curves", 3)
    page.goto(f"{server.web}/projects/{project}/tasks?sort=name")
    button = page.get_by_role("button", name="Charts", exact=True)
    expect(button).to_have_attribute("aria-pressed", "false")
    button.focus()
    page.keyboard.press("Enter")
    charts = page.get_by_role("region", name="Charts")
    expect(charts.get_by_role("status")).to_contain_text("first 3 tasks")
    expect_curves(page, ["run 0", "run 1", "run 2"])
    page.get_by_label("Select run 2").check()
    page.get_by_label("Select run 0").check()
    expect(charts.get_by_role("status")).to_have_text("2 selected tasks")
    expect_curves(page, ["run 0", "run 2"])
    colours = page.get_by_role("group", name="Plot of loss / train").evaluate(
        "one => Object.fromEntries(one.data.map(t => [t.name, t.line.color]))"
    )
    swatches = page.locator(".grid-row").evaluate_all(
        "rows => rows.map(one => [one.querySelector('.task-name').textContent,"
        " one.querySelector('.swatch').style.getPropertyValue('--colour')])"
    )
    assert {name: colour for name, colour in swatches if colour != "transparent"} == colours
    address = page.url
    assert "charts=scalars" in address and tasks[0] in address and tasks[1] not in address
    page.reload()
    expect(page.get_by_role("toolbar", name="Selected tasks")).to_contain_text("2 tasks selected")
    expect_curves(page, ["run 0", "run 2"])
    button.click()
    expect(charts).to_have_count(0)
    assert "charts" not in page.url and "selected" not in page.url
    expect(page.get_by_role("toolbar", name="Selected tasks")).to_contain_text("2 tasks selected")


def test_what_is_reported_and_what_is_filtered_changes_the_curves_beside_the_table(
    server: RunningServer, inside: Page
) -> None:
    page = inside
    project, tasks = table_of(server, "a table with live curves", 2)
    page.goto(f"{server.web}/projects/{project}/tasks?sort=name&charts=scalars")
    expect_curves(page, ["run 0", "run 1"])
    report(server, curve(tasks[1], first=10, points=5))
    grown = "one.data?.some(trace => trace.name === 'run 1' && trace.x.length === 15)"
    page.wait_for_function(f"[...document.querySelectorAll('.plot')].some(one => {grown})")
    report(server, curve(draft(server, "run 2", project=project)))
    expect_curves(page, ["run 0", "run 1", "run 2"])
    report(server, curve(tasks[0], metric="another"))
    expect_curves(page, ["run 0"], "another / train")
    page.get_by_label("Search tasks").fill("run 1")
    expect_curves(page, ["run 1"])
    expect(page.get_by_role("group", name="Plot of another / train")).to_have_count(0)
    page.get_by_label("Search tasks").fill("no such task")
    expect(page.get_by_role("region", name="Charts")).to_contain_text("None of them reported scalars.")
    page.get_by_role("button", name="Clear filters").click()
    expect_curves(page, ["run 0", "run 1", "run 2"])


def test_plots_stand_beside_the_table_and_in_its_place_on_a_narrow_screen(server: RunningServer, inside: Page) -> None:
    page = inside
    project, tasks = table_of(server, "a table with plots", 2)
    figure = json.dumps({"data": [{"y": [1, 2]}], "layout": {}})
    plot = {"type": "plot", "metric": "fit", "variant": "all", "timestamp": 1, "plot_str": figure}
    report(server, [{**plot, "task": tasks[0], "iter": 1}, {**plot, "task": tasks[1], "iter": 2}])
    page.set_viewport_size(NARROW)
    page.goto(f"{server.web}/projects/{project}/tasks?charts=scalars")
    charts = page.get_by_role("region", name="Charts")
    expect(page.get_by_role("grid")).to_be_hidden()
    charts.get_by_role("button", name="Plots", exact=True).click()
    group = charts.get_by_role("region", name="fit / all")
    expect(group.get_by_role("article")).to_have_count(2)
    expect(group.locator(".main-svg").first).to_be_visible()
    page.reload()
    expect(group.get_by_role("article")).to_have_count(2)
    report(server, [{**plot, "task": tasks[0], "iter": 7}])
    expect(group).to_contain_text("iteration 7")
    page.get_by_role("button", name="Charts", exact=True).click()
    expect(page.get_by_role("grid")).to_be_visible()


def test_of_a_long_table_the_first_hundred_are_drawn(server: RunningServer, inside: Page) -> None:
    page = inside
    project = project_of(server, "a long table with curves")
    made = [draft(server, f"run {n:03}", project=project) for n in range(103)]
    report(server, [event for task in made for event in curve(task, points=2)])
    page.goto(f"{server.web}/projects/{project}/tasks?sort=name&charts=scalars")
    expect_curves(page, [f"run {n:03}" for n in range(100)])
    page.get_by_label("Select all").check()
    expect(page.get_by_role("region", name="Charts").get_by_role("status")).to_have_text(
        "the first 100 of 103 selected tasks"
    )


def test_a_task_has_one_colour_in_every_plot_and_series_can_share_one(server: RunningServer, inside: Page) -> None:
    page = inside
    tasks = [draft(server, "of one name") for _ in range(2)]
    report(server, [*curve(tasks[0]), *curve(tasks[1]), *curve(tasks[1], metric="alone")])
    report(server, [{**one, "variant": "test"} for one in curve(tasks[1])])
    names = [f"of one name ({task[:6]})" for task in tasks]
    page.goto(f"{server.web}/projects/*/compare-tasks/scalars?ids={','.join(tasks)}")
    expect_curves(page, names)
    expect_curves(page, [names[1]], "alone / train")
    colour = "one => one.data.at(-1).line.color"
    both, alone = (page.get_by_role("group", name=f"Plot of {name} / train") for name in ("loss", "alone"))
    assert both.evaluate(colour) == alone.evaluate(colour)
    page.get_by_label("Group by").select_option("metric")
    expect_curves(page, [f"{names[0]}: train", f"{names[1]}: train", f"{names[1]}: test"], "loss")
    assert "group=metric" in page.url


def test_zooming_in_fetches_the_points_of_every_task_that_is_compared(server: RunningServer, inside: Page) -> None:
    page, tasks = inside, [draft(server, f"long {n}") for n in range(2)]
    for task in tasks:
        report(server, curve(task, points=3000))
    page.goto(f"{server.web}/projects/*/compare-tasks/scalars?ids={','.join(tasks)}")
    expect_curves(page, ["long 0", "long 1"])
    plot = page.get_by_role("group", name="Plot of loss / train")
    assert plot.evaluate("one => one.data[0].x.length") <= 300
    plot.evaluate("one => Plotly.relayout(one, {'xaxis.range[0]': 1000, 'xaxis.range[1]': 1099})")
    expect(plot).to_have_attribute("data-points", "200")
    smooth = page.get_by_label("Smoothing", exact=True)
    smooth.fill("0.5")
    page.wait_for_function("document.querySelector('.plot').data.length === 4")  # what is zoomed into is smoothed too
