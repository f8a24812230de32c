"""Models beside each other: details, labels, metadata, and what was reported of them."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.conftest import RunningServer
from tests.e2e.browser.examples import report
from tests.e2e.browser.steps import pick, project_of


def model(server: RunningServer, project: str, name: str, licence: str, **more: object) -> str:
    metadata = [{"key": "licence", "type": "str", "value": licence}, {"key": "by", "type": "str", "value": "us"}]
    made = server.call(
        "models.create",
        {"name": name, "uri": "file:///m.pt", "project": project, "metadata": metadata, "ready": False, **more},
    )
    curve = {"type": "training_stats_scalar", "task": made["id"], "model_event": True, "timestamp": 1}
    report(server, [{**curve, "metric": "loss", "variant": "test", "iter": n, "value": 1 / (n + 1)} for n in range(9)])
    return str(made["id"])


def values(page: Page, name: str) -> Locator:
    """What a row of the comparison says of each."""
    return page.locator(f'tr[data-name="{name}"] td')


def test_models_that_are_selected_are_compared(server: RunningServer, inside: Page) -> None:
    page = inside
    project = project_of(server, "models to compare")
    first = model(server, project, "the first", "MIT", framework="PyTorch", labels={"cat": 0})
    second = model(server, project, "the second", "GPL", framework="Keras", labels={"cat": 0, "dog": 1})
    model(server, project, "the third", "MIT")
    page.goto(f"{server.web}/projects/{project}/models?sort=name")
    page.get_by_label("Select the first").check()
    compare = page.get_by_role("toolbar", name="Selected models").get_by_role("button", name="Compare")
    expect(compare).to_be_disabled()
    page.get_by_label("Select the second").check()
    compare.click()
    expect(page).to_have_url(re.compile(rf"/projects/{project}/compare-models\?ids={first}%2C{second}"))
    expect(values(page, "Framework")).to_have_text(["PyTorch", "Keras"])
    expect(values(page, "Framework").nth(1)).to_have_class("differs")
    expect(values(page, "dog")).to_have_text(["–", "1"])
    server.call("models.edit", {"model": second, "framework": "JAX"})
    expect(values(page, "Framework")).to_have_text(["PyTorch", "JAX"])  # without loading the page again
    page.get_by_role("link", name="Metadata").click()
    expect(values(page, "licence")).to_have_text(["MIT", "GPL"])
    expect(values(page, "by")).to_have_count(2)
    page.get_by_label("Only what differs").check()
    expect(values(page, "by")).to_have_count(0)
    with page.expect_download() as saving:
        page.get_by_role("button", name="CSV").click()
    assert '"Metadata","licence","MIT","GPL"' in saving.value.path().read_text()
    page.get_by_role("link", name="Scalars").click()
    plot = page.get_by_role("group", name="Plot of loss / test")
    expect(plot.locator("svg.main-svg").first).to_be_visible()
    assert plot.evaluate("one => one.data.map(trace => [trace.name, trace.x.length])") == [
        ["the first", 9],
        ["the second", 9],
    ]
    page.get_by_role("button", name="Add model").click()
    pick(page, "Model", "the third")
    page.get_by_role("dialog").get_by_role("button", name="Add").click()
    page.wait_for_function("document.querySelector('.plot')?.data?.length === 3")
    page.get_by_role("button", name="Leave out the first").click()
    page.get_by_role("link", name="Details").click()
    expect(page.locator("thead th a")).to_have_text(["the second", "the third"])
    page.get_by_role("button", name="make base").click()
    expect(page.locator("thead th a")).to_have_text(["the third", "the second"])
    page.locator("thead th a").first.click()
    expect(page.get_by_role("heading", name="the third")).to_be_visible()
