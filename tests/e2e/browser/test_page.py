"""The web page in a real browser: log in, read a task, and nothing that a task says becomes markup."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.conftest import RunningServer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here, and it could not be installed")

QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            yield browser.new_page()
        finally:
            browser.close()


def make_task(server: RunningServer) -> str:
    project = server.call("projects.create", {"name": "browser"})["id"]
    task = server.call(
        "tasks.create",
        {
            "name": "<b>shown</b> as text", "type": "training", "project": project,
            "script": {"repository": "repo", "entry_point": "train.py", "diff": "+<script>alert(1)</script>"},
            "hyperparams": {"Args": {"lr": {"section": "Args", "name": "lr", "value": "0.25"}}},
        },
    )["id"]  # fmt: skip
    common = {"task": task, "timestamp": 1}
    curve = {**common, "type": "training_stats_scalar", "metric": "loss", "variant": "train"}
    events = [{**common, "type": "log", "msg": "<img src=x onerror=alert(1)> line\n"}]
    events += [{**curve, "iter": n, "value": 1 / (n + 1)} for n in range(5)]
    body = "\n".join(map(json.dumps, events)).encode()
    server.call("events.add_batch", body, headers={"Content-Type": "application/json-lines"})
    return str(task)


def test_log_in_and_read_a_task(own_server: RunningServer, page: Page) -> None:
    server = own_server
    task = make_task(server)
    page.on("dialog", lambda dialog: pytest.fail(f"text of a task ran as a script: {dialog.message}"))
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))

    page.goto(f"{server.web}/projects/*/tasks/{task}/output/log")
    page.get_by_label("Access key").fill(server.access_key)
    page.get_by_label("Secret key").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Access key").fill(server.access_key)
    page.get_by_label("Secret key").fill(server.secret_key)
    page.get_by_role("button", name="Log in").click()

    expect(page.get_by_role("heading", name="<b>shown</b> as text")).to_be_visible()
    expect(page.get_by_text("<img src=x onerror=alert(1)> line")).to_be_visible()
    expect(page.get_by_role("cell", name="lr")).to_be_visible()
    expect(page.locator("svg.curve polyline")).to_have_count(1)

    page.reload()  # the cookie keeps the session; no script can read it
    expect(page.get_by_role("heading", name="<b>shown</b> as text")).to_be_visible()
    assert page.evaluate("document.cookie") == ""
    page.goto(server.web)
    page.get_by_role("link", name="<b>shown</b> as text").click()
    expect(page.get_by_role("heading", name="<b>shown</b> as text")).to_be_visible()
    assert problems == []
