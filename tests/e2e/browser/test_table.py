"""The task table: sorted, filtered, searched, of any length, live, its state in the address; many tasks at once."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import RunningServer
from tests.e2e.browser.examples import report
from tests.e2e.browser.steps import choose_in_menu, draft, project_of, row, task_of

MANY = 300


@pytest.fixture(scope="module")
def project(server: RunningServer) -> str:
    """Four tasks that differ."""
    made = project_of(server, "a table of four")
    for name, rate, tags in (
        ("alpha", "0.1", ["x"]),
        ("beta", "0.02", ["x", "y"]),
        ("gamma 1+1", "0.3", []),
        ("delta", "0.05", ["y"]),
    ):
        item = {"section": "Args", "name": "rate", "value": rate}
        draft(server, name, project=made, tags=tags, hyperparams={"Args": {"rate": item}})
    return made


def test_rows_are_sorted_searched_and_filtered_and_the_address_keeps_it(
    server: RunningServer, inside: Page, project: str
) -> None:
    page = inside
    page.goto(f"{server.web}/projects/{project}/tasks")
    expect(page.locator(".tally")).to_have_text("4 tasks")
    page.get_by_role("button", name="Name", exact=False).first.click()
    expect(page.locator(".grid-row .task-name").first).to_have_text("alpha")
    page.get_by_label("Search tasks").fill("1+1")
    expect(page.locator(".tally")).to_have_text("1 task")
    page.get_by_role("button", name=".*", exact=True).click()
    page.get_by_label("Search tasks").fill("^(alph|bet)a$")
    expect(page.locator(".tally")).to_have_text("2 tasks")
    page.reload()
    expect(page.locator(".tally")).to_have_text("2 tasks")
    expect(page.locator(".grid-row .task-name")).to_have_text(["alpha", "beta"])
    page.get_by_role("button", name="Clear all").click()
    page.get_by_role("button", name="Filter by Tags").click()
    page.get_by_role("dialog", name="Filter by Tags").get_by_label("y", exact=True).check()
    expect(page.locator(".tally")).to_have_text("2 tasks")
    expect(page.locator(".chip")).to_contain_text("tags: y")
    assert "tags=y" in page.url


def test_a_hyperparameter_becomes_a_column_that_sorts_by_number(
    server: RunningServer, inside: Page, project: str
) -> None:
    page = inside
    page.goto(f"{server.web}/projects/{project}/tasks")
    page.get_by_role("button", name="Columns").click()
    page.get_by_label("Find a column").fill("Args/rate")
    page.get_by_role("button", name="Args/rate", exact=True).click()
    page.keyboard.press("Escape")
    page.get_by_role("columnheader").get_by_role("button", name="rate", exact=True).click()
    expect(page.locator(".grid-row .cell-h")).to_have_text(["0.02", "0.05", "0.1", "0.3"])
    assert "cols=" in page.url and "sort=hyperparams.Args.rate.value" in page.url


def test_who_uses_the_keyboard_keeps_their_place(server: RunningServer, inside: Page, project: str) -> None:
    page = inside
    page.goto(f"{server.web}/projects/{project}/tasks")
    sort = page.get_by_role("columnheader").get_by_role("button", name="Name", exact=False).first
    sort.focus()
    for first in ("alpha", "gamma 1+1"):
        page.keyboard.press("Enter")
        expect(page.locator(".grid-row .task-name").first).to_have_text(first)
        expect(sort).to_be_focused()
    box = page.get_by_label("Select beta")
    box.focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("toolbar", name="Selected tasks")).to_contain_text("1 task selected")
    expect(box).to_be_checked()
    expect(box).to_be_focused()
    page.get_by_role("button", name="Charts", exact=True).click()
    expect(page.get_by_role("region", name="Charts").get_by_role("status")).to_have_text("1 selected task")
    box.focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("region", name="Charts").get_by_role("status")).to_contain_text("first 4 tasks")
    expect(box).to_be_focused()


def test_the_table_is_saved_as_csv(server: RunningServer, inside: Page, project: str) -> None:
    page = inside
    page.goto(f"{server.web}/projects/{project}/tasks?sort=name&cols=name,status")
    expect(page.locator(".tally")).to_have_text("4 tasks")
    with page.expect_download() as saving:
        page.get_by_role("button", name="CSV").click()
    text = saving.value.path().read_text()
    assert text.splitlines() == ["Name,Status", "alpha,created", "beta,created", "delta,created", "gamma 1+1,created"]


def test_many_rows_scroll_and_new_ones_come_by_themselves(server: RunningServer, inside: Page) -> None:
    page = inside
    project = project_of(server, "a table of many")
    for number in range(MANY):
        server.call("tasks.create", {"name": f"task {number:05}", "type": "training", "project": project})
    page.goto(f"{server.web}/projects/{project}/tasks?sort=name")
    expect(page.locator(".tally")).to_have_text(f"{MANY:,} tasks")
    assert page.locator(".grid-row").count() < 100
    page.locator(".grid").evaluate(f"grid => grid.scrollTop = {MANY // 2} * 36")
    expect(page.locator(".task-name", has_text=f"task {MANY // 2 + 3:05}")).to_be_visible()
    page.locator(".grid").focus()
    page.keyboard.press("End")
    expect(page.locator(".task-name", has_text=f"task {MANY - 1:05}")).to_be_visible()
    page.locator(".task-name", has_text=f"task {MANY - 1:05}").click()
    expect(page.get_by_role("heading", name=f"task {MANY - 1:05}")).to_be_visible()
    page.go_back()
    expect(page.locator(".task-name", has_text=f"task {MANY - 1:05}")).to_be_visible()  # where one left
    server.call("tasks.create", {"name": "task 99999", "type": "training", "project": project})
    expect(page.locator(".tally")).to_have_text(f"{MANY + 1:,} tasks")
    server.call(
        "tasks.delete_many",
        {
            "ids": [
                row["id"]
                for row in server.call("tasks.get_all", {"project": [project], "page": 0, "page_size": 100})["tasks"]
            ],
            "force": True,
        },
    )
    expect(page.locator(".tally")).to_have_text(f"{MANY - 99:,} tasks")


def test_many_tasks_are_handled_at_once_and_those_that_do_not_qualify_are_told(
    server: RunningServer, inside: Page
) -> None:
    page = inside
    project = project_of(server, "a table of bulk")
    first, second = draft(server, "bulk one", project=project), draft(server, "bulk two", project=project)
    server.call("tasks.started", {"task": second})
    page.goto(f"{server.web}/projects/{project}/tasks")
    expect(page.locator(".tally")).to_have_text("2 tasks")
    page.get_by_label("Select all").check()
    bar = page.get_by_role("toolbar", name="Selected tasks")
    expect(bar).to_contain_text("2 tasks selected")
    expect(bar.get_by_role("button", name="Enqueue (1)")).to_be_enabled()
    expect(bar.get_by_role("button", name="Publish (0)")).to_be_disabled()
    bar.get_by_role("button", name="Add tag").click()
    page.get_by_role("dialog").get_by_role("combobox").fill("one, two")
    page.get_by_role("dialog").get_by_role("button", name="Add").click()
    expect(row(page, "bulk one").locator(".tag")).to_have_text(["one", "two"])
    assert task_of(server, second)["tags"] == ["one", "two"]
    bar.get_by_role("button", name="Abort (1)").click()
    expect(row(page, "bulk two").locator(".status")).to_have_text("Aborted")
    bar.get_by_role("button", name="Archive", exact=True).click()
    expect(page.locator(".tally")).to_have_text("0 tasks")
    assert "archived" in task_of(server, first)["system_tags"]
    page.locator(".toolbar").get_by_role("button", name="Archive").click()
    expect(page.locator(".tally")).to_have_text("2 tasks")


def test_a_task_is_deleted_with_its_files(server: RunningServer, inside: Page, examples: Any) -> None:
    from tests.e2e.browser.examples import upload

    page = inside
    project = project_of(server, "a table to delete from")
    task = draft(server, "to be deleted", project=project)
    address = upload(server, f"/deleted/{task}/artifacts/a/a.txt", b"text")
    artifact = {"key": "a", "type": "custom", "mode": "output", "uri": address}
    server.call("tasks.add_or_update_artifacts", {"task": task, "artifacts": [artifact]})
    stored = server.data_dir / "files" / "deleted" / task / "artifacts" / "a" / "a.txt"
    assert stored.read_bytes() == b"text"
    page.goto(f"{server.web}/projects/{project}/tasks")
    choose_in_menu(page, row(page, "to be deleted"), "Delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text(re.compile("Deleted .* and 1 file"))).to_be_visible()
    expect(page.locator(".tally")).to_have_text("0 tasks")
    assert not stored.exists()
    assert server.call("tasks.get_all", {"id": [task]})["tasks"] == []


def test_rows_are_filtered_by_what_they_lack_by_days_and_by_numbers(server: RunningServer, inside: Page) -> None:
    page = inside
    project = project_of(server, "a table of ranges")
    for name, tags, iteration in (("one", ["a"], 10), ("two", ["a", "b"], 20), ("three", [], 30)):
        task = draft(server, name, project=project, tags=tags)
        server.call("tasks.started", {"task": task})
        point = {"type": "training_stats_scalar", "metric": "m", "variant": "v", "value": 1, "timestamp": 1}
        report(server, [{**point, "task": task, "iter": iteration}])
    draft(server, "four", project=project)
    names = page.locator(".grid-row .task-name")
    page.goto(f"{server.web}/projects/{project}/tasks?sort=name")
    expect(names).to_have_text(["four", "one", "three", "two"])
    page.get_by_role("button", name="Filter by Tags").click()
    page.get_by_role("dialog").get_by_role("button", name="Without b").click()
    expect(names).to_have_text(["four", "one", "three"])
    page.get_by_role("dialog").get_by_label("a", exact=True).check()
    expect(names).to_have_text(["one"])
    expect(page.locator(".chip")).to_have_text(["tags: a×", "without tag: b×"])
    page.reload()
    expect(names).to_have_text(["one"])
    page.get_by_role("button", name="Clear all").click()
    page.get_by_role("button", name="Filter by Iteration").click()
    page.get_by_role("dialog").get_by_label("From").fill("20")
    page.get_by_role("dialog").get_by_role("button", name="Apply").click()
    expect(names).to_have_text(["three", "two"])
    expect(page.locator(".chip")).to_have_text(["Iteration from 20×"])
    page.get_by_role("button", name="Clear all").click()
    page.get_by_role("button", name="Filter by Started").click()
    today = page.evaluate("new Date().toLocaleDateString('sv')")
    page.get_by_role("dialog").get_by_label("To").fill(today)
    page.get_by_role("dialog").get_by_role("button", name="Apply").click()
    expect(names).to_have_text(["one", "three", "two"])  # what never started is not among them
    page.get_by_role("button", name="Filter by Started").click()
    page.get_by_role("dialog").get_by_label("To").fill("2020-01-01")
    page.get_by_role("dialog").get_by_role("button", name="Apply").click()
    expect(page.get_by_text("No task fits these filters.")).to_be_visible()


def test_rows_between_two_are_selected_with_shift(server: RunningServer, inside: Page) -> None:
    page = inside
    project = project_of(server, "a table to select in")
    for number in range(130):
        server.call("tasks.create", {"name": f"row {number:03}", "type": "training", "project": project})
    page.goto(f"{server.web}/projects/{project}/tasks?sort=name")
    page.get_by_label("Select row 001").check()
    page.locator(".grid").focus()
    page.keyboard.press("End")
    page.get_by_label("Select row 128").click(modifiers=["Shift"])
    expect(page.get_by_role("toolbar", name="Selected tasks")).to_contain_text("128 tasks selected")


def test_a_task_is_saved_as_json_and_the_children_of_one_are_aborted(server: RunningServer, inside: Page) -> None:
    page = inside
    project = project_of(server, "a table of families")
    parent = draft(server, "the parent", project=project, type="optimizer")
    children = [draft(server, f"child {n}", project=project, parent=parent) for n in range(2)]
    server.call("tasks.started", {"task": children[0]})
    page.goto(f"{server.web}/projects/{project}/tasks")
    with page.expect_download() as saving:
        choose_in_menu(page, row(page, "the parent"), "Save as JSON")
    assert json.loads(saving.value.path().read_text())["id"] == parent
    choose_in_menu(page, row(page, "the parent"), "Abort children")
    expect(page.get_by_role("dialog")).to_contain_text("1 task that “the parent” started is aborted")
    page.get_by_role("dialog").get_by_role("button", name="Abort").click()
    expect(row(page, "child 0").locator(".status")).to_have_text("Aborted")
    assert task_of(server, children[1])["status"] == "created"
    row(page, "child 1").click(button="right")
    expect(page.get_by_role("menuitem", name="Abort children")).to_have_count(0)
