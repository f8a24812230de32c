"""What a person does at the page, step by step, in the words of the page."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.conftest import RunningServer


def open_task(page: Page, server: RunningServer, task: str, tab: str = "execution") -> None:
    page.goto(f"{server.web}/projects/*/tasks/{task}/{tab}")
    expect(page.get_by_role("navigation", name="Task", exact=True)).to_be_visible()


def section(page: Page, title: str) -> Locator:
    """A part of the page by its title."""
    return page.locator(f'section[aria-label="{title}"]')


def edit(page: Page, title: str) -> Locator:
    """Point at a part and press Edit."""
    part = section(page, title)
    part.hover()
    part.get_by_role("button", name="Edit", exact=True).click()
    return part


def save(part: Locator) -> None:
    part.get_by_role("button", name="Save").click()
    expect(part.get_by_role("button", name="Save")).to_have_count(0)


def fill(part: Locator, **values: str) -> None:
    """Fill fields by their labels; `_` in a name is a space."""
    for label, value in values.items():
        part.get_by_label(label.replace("_", " "), exact=True).fill(value)


def row(page: Page, name: str) -> Locator:
    """A row of the task table."""
    return page.get_by_role("row").filter(has=page.get_by_text(name, exact=True))


def choose_in_menu(page: Page, target: Locator, entry: str) -> None:
    """Right-click, then an entry of the menu."""
    target.click(button="right")
    page.get_by_role("menuitem", name=re.compile(rf"^{entry}…?$")).click()


def pick(page: Page, label: str, text: str, option: str | None = None) -> None:
    """Type into a box that finds while one types, and choose."""
    page.get_by_role("combobox", name=label).fill(text)
    page.get_by_role("option", name=option or text).first.click()


def enqueue(page: Page, server: RunningServer, task: str, queue: str) -> None:
    """Enqueue from the task's page."""
    page.get_by_role("button", name="Enqueue", exact=True).click()
    pick(page, "Queue", queue)
    page.get_by_role("dialog").get_by_role("button", name="Enqueue").click()
    expect(page.locator("header .status:not(.created)")).to_be_visible()


def project_of(server: RunningServer, name: str) -> str:
    return str(server.call("projects.create", {"name": name})["id"])


def draft(server: RunningServer, name: str = "a draft", **more: Any) -> str:
    """A draft whose code is its uncommitted change."""
    script = {"entry_point": "main.py", "binary": "python3", "diff": "print('as recorded')\n", **more.pop("script", {})}
    return str(server.call("tasks.create", {"name": name, "type": "training", "script": script, **more})["id"])


def task_of(server: RunningServer, task: str) -> dict[str, Any]:
    return dict(server.call("tasks.get_by_id", {"task": task})["task"])
