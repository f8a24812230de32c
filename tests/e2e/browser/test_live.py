"""What one sees while things change: the server goes and comes, others delete, sessions end; nothing typed is lost."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.conftest import RunningServer
from tests.e2e.browser.conftest import Watched, log_in
from tests.e2e.browser.steps import draft, edit, fill, open_task, project_of, row, section, task_of

New = Callable[[], tuple[Page, Watched]]


def test_a_page_says_when_the_server_is_gone_and_goes_on_when_it_is_back(
    own_server: RunningServer, watched: New
) -> None:
    server = own_server
    page, watch = watched()
    watch.allow("401")
    log_in(page, server)
    project = project_of(server, "across a restart")
    page.goto(f"{server.web}/projects/{project}/tasks")
    expect(page.get_by_text("No task yet.")).to_be_visible()
    strip = page.locator(".strip")
    expect(strip).to_be_hidden()
    for allowed in ("ERR_", "502", "503"):
        watch.allow(allowed)
    server.kill()
    expect(strip).to_contain_text("No connection to the server")
    server.restart()
    draft(server, "made afterwards", project=project)
    expect(strip).to_be_hidden()
    expect(row(page, "made afterwards")).to_be_visible()


def test_a_page_that_the_server_has_replaced_offers_to_load_the_new_one(
    own_server: RunningServer, watched: New
) -> None:
    server = own_server
    page, watch = watched()
    watch.allow("401")
    log_in(page, server)
    page.goto(f"{server.web}/projects")
    expect(page.get_by_role("link", name="All projects")).to_be_visible()
    page.evaluate("document.querySelector('meta[name=clearml-build]').content = 'of-before'")
    watch.allow("ERR_")
    server.kill()
    expect(page.locator(".strip")).to_contain_text("No connection")
    server.restart()
    page.get_by_role("button", name="Load the page anew").click()
    expect(page.get_by_role("link", name="All projects")).to_be_visible()
    expect(page.locator(".strip")).to_be_hidden()


def test_a_task_that_somebody_else_deletes_says_so(server: RunningServer, inside: Page) -> None:
    page, task = inside, draft(server, "soon gone")
    open_task(page, server, task, "info")
    expect(page.get_by_role("heading", name="soon gone")).to_be_visible()
    server.call("tasks.delete", {"task": task, "force": True})
    expect(page.get_by_text("This task was deleted.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("There is no such task (any more).")).to_be_visible()


def test_a_session_that_ends_leads_to_the_login_and_back(server: RunningServer, watched: New) -> None:
    page, watch = watched()
    user = server.call("auth.create_user", {"name": "comes back", "company": "c", "email": "b"})["id"]
    server.call("auth.set_password", {"user": user, "password": "comes back: 1"})
    log_in(page, server, "comes back", "comes back: 1")
    project = project_of(server, "of a session")
    page.goto(f"{server.web}/projects/{project}/tasks?q=some")
    expect(page.get_by_text("No task fits these filters.")).to_be_visible()
    watch.allow("401")
    server.call("auth.set_password", {"user": user, "password": "another: 2"})  # ends the sessions
    page.get_by_label("Search tasks").fill("other")
    expect(page.get_by_label("Password or secret key")).to_be_visible()
    assert quote(f"/projects/{project}/tasks?q=other", safe="") in page.url
    page.get_by_label("User or access key").fill("comes back")
    page.get_by_label("Password or secret key").fill("another: 2")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_label("Search tasks")).to_have_value("other")


def test_what_is_typed_is_not_lost_by_leaving(server: RunningServer, inside: Page) -> None:
    page, task = inside, draft(server, "being edited", script={"entry_point": "main.py"})
    open_task(page, server, task)
    part = edit(page, "Source code")
    page.get_by_role("link", name="Info").click()  # nothing was typed: nothing is asked
    expect(section(page, "Details")).to_be_visible()
    page.get_by_role("link", name="Execution").click()
    part = edit(page, "Source code")
    fill(part, Script="other.py")
    page.get_by_role("link", name="Info").click()
    box = page.get_by_role("dialog", name="Not saved")
    box.get_by_role("button", name="Cancel").click()
    expect(part.get_by_label("Script", exact=True)).to_have_value("other.py")
    assert page.url.endswith(f"{task}/execution")
    page.go_back()
    box.get_by_role("button", name="Cancel").click()
    expect(part.get_by_label("Script", exact=True)).to_have_value("other.py")
    assert page.url.endswith(f"{task}/execution")
    page.keyboard.press("Control+Enter")
    part.get_by_label("Script", exact=True).press("Control+Enter")  # saves
    expect(part.get_by_text("other.py")).to_be_visible()
    assert task_of(server, task)["script"]["entry_point"] == "other.py"
    part = edit(page, "Source code")
    fill(part, Script="third.py")
    page.get_by_role("link", name="Info").click()
    box.get_by_role("button", name="Discard").click()
    expect(section(page, "Details")).to_be_visible()
    assert task_of(server, task)["script"]["entry_point"] == "other.py"


def test_columns_widths_and_the_theme_are_the_same_at_another_machine(
    server: RunningServer, watched: New, context: BrowserContext
) -> None:
    page, _ = watched()
    user = server.call("auth.create_user", {"name": "of two machines", "company": "c", "email": "t"})["id"]
    server.call("auth.set_password", {"user": user, "password": "two machines: 1"})
    project = project_of(server, "at two machines")
    draft(server, "seen twice", project=project)
    log_in(page, server, "of two machines", "two machines: 1")
    page.goto(f"{server.web}/projects/{project}/tasks")
    expect(page.locator(".tally")).to_have_text("1 task")
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("button", name="Hide User").click()
    page.keyboard.press("Escape")
    grip = page.get_by_role("columnheader", name="Name").locator(".grip").bounding_box()
    assert grip is not None
    page.mouse.move(grip["x"] + 2, grip["y"] + 5)
    page.mouse.down()
    page.mouse.move(grip["x"] - 98, grip["y"] + 5)
    with page.expect_response("**/api/users.set_preferences"):
        page.mouse.up()
    width = page.get_by_role("columnheader", name="Name").bounding_box()
    before = page.evaluate("document.documentElement.dataset.theme")
    with page.expect_response("**/api/users.set_preferences"):
        page.get_by_role("button", name="Switch between dark and light").click()
    assert context.browser is not None
    other = context.browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        second = other.new_page()
        log_in(second, server, "of two machines", "two machines: 1")
        second.goto(f"{server.web}/projects/{project}/tasks")
        expect(second.locator(".tally")).to_have_text("1 task")
        expect(second.get_by_role("columnheader", name="User")).to_have_count(0)
        assert second.get_by_role("columnheader", name="Name").bounding_box() == width
        assert second.evaluate("document.documentElement.dataset.theme") != before
    finally:
        other.close()


def test_plots_take_the_colours_of_the_other_theme(server: RunningServer, inside: Page) -> None:
    from tests.e2e.browser.examples import report

    page, task = inside, draft(server, "in two themes")
    point = {"type": "training_stats_scalar", "metric": "m", "variant": "v", "task": task}
    report(server, [{**point, "iter": n, "value": n, "timestamp": n} for n in range(5)])
    page.goto(f"{server.web}/projects/*/tasks/{task}/scalars")
    tick = page.locator(".plot-card .xtick text").first
    colour = "one => getComputedStyle(one).fill"
    expect(tick).to_be_visible()
    before = tick.evaluate(colour)
    page.get_by_role("button", name="Switch between dark and light").click()
    page.wait_for_function(
        "before => getComputedStyle(document.querySelector('.plot-card .xtick text')).fill !== before", arg=before
    )
    page.get_by_role("button", name="Switch between dark and light").click()
    page.wait_for_function(
        "before => getComputedStyle(document.querySelector('.plot-card .xtick text')).fill === before", arg=before
    )


def test_a_network_that_fails_for_a_moment_is_not_noticed(server: RunningServer, watched: New) -> None:
    page, watch = watched()
    log_in(page, server)
    watch.allow("ERR_FAILED")
    task = draft(server, "over a bad line")
    failed: list[str] = []

    def fail_once(route: Route) -> None:
        name = route.request.url.rsplit("/", 1)[1]
        if name in failed:
            route.continue_()
            return
        failed.append(name)
        route.abort()

    page.route("**/assets/*/pages/task.js", fail_once)
    page.route("**/api/tasks.get_all_ex", fail_once)
    open_task(page, server, task)
    expect(page.get_by_role("heading", name="over a bad line")).to_be_visible()
    assert failed == ["task.js", "tasks.get_all_ex"]
