"""What a task says is shown as text wherever it is shown, at the addresses that programs print."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import RunningServer
from tests.e2e.browser.conftest import CHROMIUM, QUIET

__all__ = ["CHROMIUM", "QUIET"]

EVIL = "<img src=x onerror=alert(1)><b>shown</b>"


def make_task(server: RunningServer) -> str:
    project = server.call("projects.create", {"name": f"browser {EVIL.replace('/', '')}", "description": f"# {EVIL}"})[
        "id"
    ]
    item = {"section": "Args", "name": EVIL, "value": EVIL, "description": EVIL}
    task = server.call(
        "tasks.create",
        {
            "name": EVIL, "type": "training", "project": project, "comment": EVIL, "tags": [EVIL],
            "script": {"repository": EVIL, "entry_point": "train.py", "diff": f"+{EVIL}"},
            "hyperparams": {"Args": {EVIL: item}},
            "configuration": {EVIL: {"name": EVIL, "value": EVIL}},
        },
    )["id"]  # fmt: skip
    common = {"task": task, "timestamp": 1}
    figure = {"data": [{"y": [1, 2]}], "layout": {"title": {"text": EVIL}}}
    events = [{**common, "type": "log", "msg": f"{EVIL} line\n"}]
    events += [
        {**common, "type": "training_stats_scalar", "metric": EVIL, "variant": EVIL, "iter": n, "value": 1 / (n + 1)}
        for n in range(5)
    ]
    events += [{**common, "type": "plot", "metric": EVIL, "variant": EVIL, "iter": 1, "plot_str": json.dumps(figure)}]
    body = "\n".join(map(json.dumps, events)).encode()
    server.call("events.add_batch", body, headers={"Content-Type": "application/json-lines"})
    return str(task)


def test_nothing_that_a_task_says_becomes_markup(server: RunningServer, inside: Page) -> None:
    page, task = inside, make_task(server)
    page.on("dialog", lambda dialog: pytest.fail(f"text of a task ran as a script: {dialog.message}"))
    root = f"{server.web}/projects/*/tasks/{task}"
    page.goto(f"{root}/execution")
    expect(page.get_by_role("heading", name=EVIL)).to_be_visible()
    expect(page.get_by_role("region", name="uncommitted changes", exact=True)).to_contain_text(f"+{EVIL}")
    page.goto(f"{root}/configuration")
    expect(page.get_by_role("cell", name=EVIL)).to_have_count(2)
    page.goto(f"{root}/info")
    expect(page.get_by_role("region", name="Description")).to_contain_text(EVIL)
    page.goto(f"{root}/console")
    expect(page.get_by_role("log")).to_contain_text(f"{EVIL} line")
    page.goto(f"{root}/scalars")
    expect(page.locator(".plot-card svg.main-svg").first).to_be_visible()
    page.goto(f"{root}/plots")
    expect(page.locator(".plot-card svg.main-svg").first).to_be_visible()
    page.goto(f"{server.web}/projects")
    expect(page.get_by_text(f"browser {EVIL.replace('/', '')}", exact=True)).to_be_visible()
    page.goto(f"{server.web}/search?q=onerror")
    expect(page.get_by_role("link", name=EVIL)).to_be_visible()
    assert page.evaluate("document.querySelectorAll('main img').length") == 0


def test_addresses_that_programs_print_show_the_task(server: RunningServer, inside: Page) -> None:
    page = inside
    project = server.call("projects.create", {"name": "printed addresses"})["id"]
    task = server.call("tasks.create", {"name": "a printed task", "type": "training", "project": project})["id"]
    for address in (
        f"projects/{project}/experiments/{task}/output/log",
        f"projects/*/tasks/{task}/output/log",
        f"pipelines/{project}/experiments/{task}",
        f"datasets/simple/{project}/experiments/{task}",
    ):
        page.goto(f"{server.web}/{address}")
        expect(page.get_by_role("heading", name="a printed task")).to_be_visible()
    page.goto(f"{server.web}/projects/{project}/experiments/{task}/output/log")
    expect(page.get_by_role("log", name="Console")).to_be_visible()
    expect(page).to_have_url(f"{server.web}/projects/{project}/tasks/{task}/output/log")
    page.goto(f"{server.web}/settings/workspace-configuration")
    expect(page.get_by_role("button", name="Create new credentials")).to_be_visible()
