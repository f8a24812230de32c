"""Tuning a task at the page, first half: finding it, cloning it, sending it to a queue, seeing it run."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import ApiFailure, RunningServer
from tests.e2e.agent.core.conftest import Agent, Tasks
from tests.e2e.browser.steps import choose_in_menu, draft, open_task, pick, project_of, row, section, task_of

pytestmark = pytest.mark.timeout(240)
SDK = {"pip": "clearml\n", "sdk": "clearml-lean==0.1.0"}


@pytest.mark.rows("S4-001", "S4-002", "S4-003")
def test_a_task_is_reached_from_the_dashboard_in_three_ways(server: RunningServer, inside: Page) -> None:
    page = inside
    project = project_of(server, "reached from the dashboard")
    draft(server, "reached task", project=project)
    heading = page.get_by_role("heading", name="reached task")

    page.goto(f"{server.web}/dashboard")
    page.get_by_role("row", name="reached task").get_by_role("link").click()
    expect(heading).to_be_visible()

    page.get_by_role("navigation", name="Main").get_by_role("link", name="Dashboard").click()
    page.get_by_role("list", name="Recent projects").get_by_role("link", name="reached from the dashboard").click()
    row(page, "reached task").click()
    expect(heading).to_be_visible()

    page.get_by_role("navigation", name="Main").get_by_role("link", name="Dashboard").click()
    page.get_by_role("link", name="View all").first.click()
    page.get_by_role("list", name="Projects").get_by_role("link", name="reached from the dashboard").click()
    row(page, "reached task").click()
    expect(heading).to_be_visible()


@pytest.mark.rows("S4-004")
def test_a_task_is_reached_from_the_projects_page_and_from_the_card_of_all_projects(
    server: RunningServer, inside: Page
) -> None:
    page = inside
    draft(server, "reached from all", project=project_of(server, "reached from projects"))
    for card in ("reached from projects", "All projects"):
        page.goto(f"{server.web}/projects")
        page.get_by_role("list", name="Projects").get_by_role("link", name=card).click()
        page.get_by_label("Search tasks").fill("reached from all")
        row(page, "reached from all").click()
        expect(page.get_by_role("heading", name="reached from all")).to_be_visible()


@pytest.mark.rows("S4-005", "S4-006", "S4-007")
def test_clone_asks_for_a_project_that_is_found_by_typing_or_made_and_for_a_description(
    server: RunningServer, inside: Page
) -> None:
    page = inside
    project = project_of(server, "clone from here")
    other = project_of(server, "clone into there")
    draft(server, "the original", project=project)
    page.goto(f"{server.web}/projects/{project}/tasks")
    choose_in_menu(page, row(page, "the original"), "Clone")
    box = page.get_by_role("dialog", name="Clone task")
    expect(box).to_be_visible()
    pick(page, "Project", "into th", "clone into there")
    box.get_by_label("Name", exact=True).fill("first clone")
    box.get_by_label("Description").fill("with a smaller rate")
    box.get_by_role("button", name="Clone").click()
    expect(page.get_by_role("heading", name="first clone")).to_be_visible()
    (made,) = server.call("tasks.get_all", {"name": "^first clone$"})["tasks"]
    assert (made["project"], made["comment"], made["status"]) == (other, "with a smaller rate", "created")

    page.goto(f"{server.web}/projects/{project}/tasks")
    choose_in_menu(page, row(page, "the original"), "Clone")
    pick(page, "Project", "made while cloning", "Create New")
    box.get_by_role("button", name="Clone").click()
    expect(page.get_by_role("heading", name="Clone Of the original")).to_be_visible()
    (made,) = server.call("tasks.get_all", {"name": "^Clone Of the original$"})["tasks"]
    (place,) = server.call("projects.get_all", {"name": "^made while cloning$"})["projects"]
    assert made["project"] == place["id"] and made.get("comment", "") == ""


@pytest.mark.rows("S4-008", "S4-011")
def test_a_clone_is_a_draft_and_only_drafts_can_be_edited(server: RunningServer, inside: Page) -> None:
    page = inside
    task = draft(server, "has run")
    server.call("tasks.started", {"task": task})
    server.call("tasks.completed", {"task": task})
    open_task(page, server, task)
    for title in ("Source code", "Installed packages", "Uncommitted changes", "Container", "Output"):
        part = section(page, title)
        part.hover()
        expect(part.get_by_role("button", name="Edit", exact=True)).to_have_count(0)
        expect(part.get_by_role("note")).to_have_attribute(
            "title", "Only drafts can be edited: clone this task, or reset it"
        )
    with pytest.raises(ApiFailure, match="400/110"):
        server.call("tasks.edit", {"task": task, "script": {"entry_point": "other.py"}})
    page.get_by_role("button", name="Clone", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Clone").click()
    expect(page.get_by_role("heading", name="Clone Of has run")).to_be_visible()
    expect(page.locator("header .status")).to_have_text("Draft")
    for title in ("Source code", "Installed packages", "Uncommitted changes", "Container", "Output"):
        section(page, title).hover()
        expect(section(page, title).get_by_role("button", name="Edit", exact=True)).to_be_visible()


@pytest.mark.rows("S3-010", "S4-009", "S4-010")
def test_a_task_that_is_enqueued_with_the_right_button_runs_before_ones_eyes(
    agent: Agent, tasks: Tasks, server: RunningServer, inside: Page
) -> None:
    page = inside
    code = (
        "import pathlib, time\nfrom clearml import Task\n"
        "task = Task.init(project_name='p', task_name='before ones eyes', auto_resource_monitoring=False)\n"
        "for n in range(5): task.get_logger().report_scalar('loss', 'train', iteration=n, value=1 / (n + 1))\n"
        "print('half way', flush=True)\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.05)\n"
        "task.get_logger().report_scalar('accuracy', 'test', iteration=5, value=0.875)\n"
        "print('all the way', flush=True)\n"
    )
    project = project_of(server, "before ones eyes")
    task = draft(server, "watched task", project=project, script={"diff": code, "requirements": SDK})
    page.goto(f"{server.web}/projects/{project}/tasks")
    loads = page.evaluate("performance.timeOrigin")
    choose_in_menu(page, row(page, "watched task"), "Enqueue")
    pick(page, "Queue", tasks.queue)
    expect(page.get_by_role("dialog").locator(".warning")).to_contain_text("No worker watches")
    page.get_by_role("dialog").get_by_role("button", name="Enqueue").click()
    expect(row(page, "watched task").locator(".status")).to_have_text("Pending")
    assert task_of(server, task)["status"] == "queued"
    agent.start(queue=tasks.queue)
    expect(row(page, "watched task").locator(".status")).to_have_text("Running")
    row(page, "watched task").click()
    page.get_by_role("link", name="Console").click()
    expect(page.get_by_role("log")).to_contain_text("half way")
    page.get_by_role("link", name="Scalars").click()
    expect(page.get_by_role("group", name="Plot of loss").locator("svg.main-svg").first).to_be_visible()
    expect(page.get_by_role("group", name="Plot of accuracy")).to_have_count(0)
    (run,) = agent.runs
    (next((run / "code").rglob("main.py")).parent / "go").touch()
    expect(page.get_by_role("group", name="Plot of accuracy").locator("svg.main-svg").first).to_be_visible()
    expect(page.locator("header .status")).to_have_text("Completed")
    page.get_by_role("link", name="Console").click()
    expect(page.get_by_role("log")).to_contain_text("all the way")
    assert page.evaluate("performance.timeOrigin") == loads  # the page was never loaded again


@pytest.mark.rows("S4-012", "S4-036")
def test_user_properties_are_edited_in_any_state_but_published(server: RunningServer, inside: Page) -> None:
    page = inside
    task = draft(server, "with properties")
    server.call("tasks.started", {"task": task})
    server.call("tasks.completed", {"task": task})

    def properties() -> dict[str, str]:
        found: dict[str, Any] = task_of(server, task)["hyperparams"].get("properties", {})
        return {name: item["value"] for name, item in found.items()}

    open_task(page, server, task, "configuration/properties")
    part = section(page, "Properties")

    def begin() -> None:
        part.hover()
        part.get_by_role("button", name="Edit", exact=True).click()

    def done() -> None:
        part.get_by_role("button", name="Save").click()
        expect(part.get_by_role("button", name="Save")).to_have_count(0)

    begin()
    part.get_by_role("button", name="Add parameter").click()
    part.get_by_label("Name", exact=True).fill("owner")
    part.get_by_label("Value", exact=True).fill("ada")
    done()
    assert properties() == {"owner": "ada"}
    begin()
    part.get_by_label("Value of owner").fill("grace")
    done()
    expect(part.get_by_role("cell", name="grace")).to_be_visible()
    assert properties() == {"owner": "grace"}
    begin()
    part.get_by_role("button", name="Remove owner").click()
    done()
    assert properties() == {}
    page.locator(".toast").get_by_role("button", name="Undo").last.click()
    expect(part.get_by_role("cell", name="grace")).to_be_visible()
    server.call("tasks.publish", {"task": task})
    expect(part.get_by_role("note")).to_have_attribute("title", "Published tasks are read-only")
    expect(part.get_by_role("button", name="Edit", exact=True)).to_have_count(0)
