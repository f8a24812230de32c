"""What is made and started from the page: a task of code that nobody ran, another run of a pipeline; and how datasets
and models are shown."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, expect

from tests.conftest import RunningServer
from tests.e2e.agent.core.conftest import Agent, Tasks
from tests.e2e.browser.examples import Examples, parameters
from tests.e2e.browser.steps import edit, pick, project_of, save, section, task_of


def test_a_script_that_is_written_in_the_page_runs_with_its_arguments(
    agent: Agent, tasks: Tasks, server: RunningServer, inside: Page
) -> None:
    page = inside
    project_of(server, "of new tasks")
    page.goto(f"{server.web}/projects/*/tasks")
    page.get_by_role("button", name="New task").click()
    box = page.get_by_role("dialog", name="New task")
    box.get_by_label("Name", exact=True).fill("written here")
    box.get_by_role("button", name="Create").click()
    expect(box.get_by_role("alert")).to_have_text("Choose a project.")
    pick(page, "Project", "of new tasks")
    box.get_by_label("Code").select_option("script")
    code = "import os\nprint('the answer is', 6 * 7, flush=True)\n"
    box.get_by_role("textbox", name="Script", exact=True).fill(code)
    box.get_by_label("Arguments").fill("lr = 0.5\n--name=a b = c")
    pick(page, "Queue", tasks.queue)
    box.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="written here")).to_be_visible()
    made = task_of(server, page.url.split("/tasks/")[1].split("/")[0])
    assert made["status"] in ("queued", "in_progress")
    assert {name: item["value"] for name, item in made["hyperparams"]["Args"].items()} == {
        "lr": "0.5",
        "name": "a b = c",
    }
    agent.start(queue=tasks.queue)
    page.get_by_role("link", name="Console").click()
    expect(page.get_by_role("log")).to_contain_text("the answer is 42")
    expect(page.locator("header .status")).to_have_text("Completed")


def test_a_task_is_made_of_a_repository(server: RunningServer, inside: Page) -> None:
    page = inside
    page.goto(f"{server.web}/projects/*/tasks")
    page.get_by_role("button", name="New task").click()
    box = page.get_by_role("dialog", name="New task")
    box.get_by_label("Name", exact=True).fill("of a repository")
    box.get_by_role("combobox", name="Project").fill("a new place")
    page.get_by_role("option", name="Create New").click()
    box.get_by_label("Type").select_option("testing")
    box.get_by_role("button", name="Create").click()
    expect(box.get_by_role("alert")).to_contain_text("repository")
    box.get_by_label("Repository", exact=True).fill("https://git.example/team/code.git")
    box.get_by_label("Commit ID or tag").fill("v1.2")
    box.get_by_label("Script in it").fill("jobs/train.py")
    box.get_by_label("Packages").fill("numpy==2.1")
    box.get_by_label("Container image").fill("python:3.12")
    box.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="of a repository")).to_be_visible()
    made = task_of(server, page.url.split("/tasks/")[1].split("/")[0])
    script = made["script"]
    assert (made["status"], made["type"], made["container"]["image"]) == ("created", "testing", "python:3.12")
    assert (script["repository"], script["tag"]) == ("https://git.example/team/code.git", "v1.2")
    assert (script["entry_point"], script["requirements"]["pip"]) == ("jobs/train.py", "numpy==2.1")
    assert server.call("projects.get_by_id", {"project": made["project"]})["project"]["name"] == "a new place"


def test_a_pipeline_is_run_again_with_other_arguments(server: RunningServer, inside: Page) -> None:
    page = inside
    project = server.call(
        "projects.create", {"name": "again/.pipelines/hourly", "system_tags": ["hidden", "pipeline"]}
    )["id"]
    steps: dict[str, object] = {
        "only": {"name": "only", "parents": [], "status": "completed", "job_id": None, "parameters": {}}
    }
    run = server.call("tasks.create", {
        "name": "hourly", "type": "controller", "project": project, "system_tags": ["pipeline"],
        "configuration": {"Pipeline": {"name": "Pipeline", "value": json.dumps(steps)}},
        "hyperparams": parameters("Args", dataset="cats"),
    })["id"]  # fmt: skip
    server.call("tasks.started", {"task": run})
    server.call("tasks.completed", {"task": run})
    queue = server.call("queues.create", {"name": "for controllers"})["id"]
    page.goto(f"{server.web}/pipelines/{project}/experiments/{run}")
    page.get_by_role("button", name="New run").click()
    box = page.get_by_role("dialog")
    box.get_by_label("dataset").fill("dogs")
    pick(page, "Queue", "for controllers")
    box.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("header .status")).to_have_text("Pending")
    (entry,) = server.call("queues.get_all", {"id": [queue]})["queues"][0]["entries"]
    made = task_of(server, entry["task"])
    assert made["id"] != run and made["hyperparams"]["Args"]["dataset"]["value"] == "dogs"
    assert made["id"] in page.url


def test_a_dataset_shows_its_files_and_its_versions(server: RunningServer, inside: Page, examples: Examples) -> None:
    page = inside
    page.goto(f"{server.web}/datasets")
    page.get_by_role("link", name="animals 1.0.2").click()
    expect(page.get_by_role("region", name="This version")).to_contain_text("3 added, 9 modified, 5 removed")
    expect(page.get_by_role("region", name="Use it")).to_contain_text(f'dataset_id="{examples.dataset}"')
    files = page.get_by_role("region", name="Content")
    expect(files.get_by_role("status")).to_have_text("128 listed")
    files.get_by_label("Find a file").fill("picture 0017")
    expect(files.get_by_role("cell", name="cats/picture 0017, with a comma.jpg")).to_be_visible()
    expect(files.get_by_role("row")).to_have_count(2)
    versions = page.get_by_role("group", name="Versions")
    expect(versions.get_by_role("button")).to_have_count(3)
    versions.get_by_role("button", name="1.0.0 animals").press("Enter")
    page.get_by_role("link", name="Open version").click()
    expect(page.get_by_role("region", name="This version")).to_contain_text("120 added")
    expect(versions.get_by_role("button")).to_have_count(1)


def test_a_model_shows_what_was_reported_of_it(server: RunningServer, inside: Page, examples: Examples) -> None:
    page = inside
    page.goto(f"{server.web}/projects/*/models/{examples.model}/scalars")
    plot = page.get_by_role("group", name="Plot of epoch/loss")
    expect(plot.locator("svg.main-svg").first).to_be_visible()
    assert plot.evaluate("one => one.data.map(trace => [trace.name, trace.x.length])") == [["test", 60], ["train", 60]]
    page.get_by_label("Smoothing", exact=True).fill("0.5")
    page.get_by_label("Kind of smoothing").select_option("gauss")
    page.wait_for_function("document.querySelector('.plot').data.length === 4")
    first, smooth = plot.evaluate("one => one.data.slice(0, 2).map(trace => trace.y)")
    assert max(first) > max(smooth) > min(smooth) >= min(first)
    page.get_by_role("link", name="Plots").click()
    expect(page.get_by_role("group", name="Plot of confusion / test").locator("svg.main-svg").first).to_be_visible()
    page.get_by_role("button", name="Enlarge confusion / test").click()
    expect(page.get_by_role("dialog").get_by_text("iteration 1")).to_be_visible()


def test_a_report_shows_curves_of_tasks_in_its_text(server: RunningServer, inside: Page, examples: Examples) -> None:
    page = inside
    page.goto(f"{server.web}/reports")
    page.get_by_role("button", name="New report").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Rates of the test")
    page.get_by_role("dialog").get_by_role("button", name="Create").click()
    part = edit(page, "Report")
    text = part.get_by_label("Text of the report")
    text.fill("# Found\n\n| rate | best |\n| --- | ---: |\n| 0.1 | **0.96** |\n\n> <b>quoted</b>")
    part.get_by_role("button", name="Insert a plot").click()
    pick(page, "Tasks", "train resnet50 low rate")
    pick(page, "Tasks", "train resnet101")
    page.get_by_role("dialog").get_by_label("Of what").select_option(label="loss / train")
    page.get_by_role("dialog").get_by_role("button", name="Insert").click()
    expect(text).to_have_value(re.compile("<iframe src=.*metrics=loss&variants=train"))
    save(part)
    shown = section(page, "Report")
    expect(shown.get_by_role("heading", name="Found")).to_be_visible()
    expect(shown.get_by_role("cell", name="0.96")).to_have_class("number")
    expect(shown.locator("blockquote")).to_have_text("<b>quoted</b>")
    plot = shown.get_by_role("group", name="Plot of loss")
    expect(plot.locator("svg.main-svg").first).to_be_visible()
    names = plot.evaluate("one => one.data.map(trace => trace.name)")
    assert sorted(names) == ["train resnet101: train", "train resnet50 low rate: train"]
    assert shown.locator("iframe").count() == 0
    page.get_by_role("button", name="Actions").click()
    page.get_by_role("menuitem", name="Publish…").click()
    page.get_by_role("dialog").get_by_role("button", name="Publish").click()
    expect(shown.get_by_role("note")).to_have_attribute("title", "Published reports are read-only")
    page.goto(f"{server.web}/search?q=Rates of the test")
    page.get_by_role("link", name="Rates of the test").click()
    page.get_by_role("button", name="Actions").click()
    page.get_by_role("menuitem", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name="What the sweep says")).to_be_visible()
    expect(page.get_by_role("link", name="Rates of the test")).to_have_count(0)


def test_a_projects_overview_draws_a_metric_of_its_tasks(
    server: RunningServer, inside: Page, examples: Examples
) -> None:
    page = inside
    page.goto(f"{server.web}/projects/{examples.project}/overview")
    page.get_by_label("Metric", exact=True).select_option(label="loss / validation")
    plot = page.get_by_role("group", name="A metric over time")
    expect(plot.locator("svg.main-svg .points path")).to_have_count(4)  # of eight tasks four reported it
    assert "metric=loss" in page.url
    drawn = plot.evaluate("one => one.data[0].text.map((name, n) => [name, one.data[0].y[n]])")
    tasks = [server.call("tasks.get_by_id", {"task": task})["task"] for task in examples.compared]
    values = {
        task["name"]: item["value"]
        for task in tasks
        for items in task["last_metrics"].values()
        for item in items.values()
        if (item["metric"], item["variant"]) == ("loss", "validation")
    }
    assert dict(drawn) == values
    box = plot.locator(".points path").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(plot.locator(".hoverlayer .hovertext")).to_be_visible()
    page.mouse.down()
    page.mouse.up()
    expect(page.get_by_role("navigation", name="Task", exact=True)).to_be_visible()
