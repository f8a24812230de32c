"""What a session can be made to do by others: nothing. Attempts from other pages, files and roles."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.conftest import RunningServer
from tests.e2e.browser.conftest import Watched, log_in
from tests.e2e.browser.examples import Examples, report, upload
from tests.e2e.browser.steps import draft, open_task, project_of, section

New = Callable[[], tuple[Page, Watched]]


def test_no_script_but_the_pages_own_files_runs(server: RunningServer, inside: Page) -> None:
    answer = inside.goto(f"{server.web}/dashboard")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    scripts = next(part.strip() for part in policy.split(";") if part.strip().startswith("script-src"))
    assert scripts == "script-src 'self' 'unsafe-eval'" and "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    inside.on("console", lambda said: None)
    ran = inside.evaluate(
        "() => { const script = document.createElement('script'); script.textContent = 'window.ran = 1';"
        " document.body.append(script); return window.ran ?? 0; }"
    )
    assert ran == 0


@pytest.fixture(autouse=True)
def expected(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """These pages complain, and should: the policy that refuses says so in the console."""
    allow = Watched.__init__

    def init(self: Watched, page: Page, server: RunningServer | None) -> None:
        allow(self, page, server)
        self.allow("Content Security Policy")

    monkeypatch.setattr(Watched, "__init__", init)


def test_a_call_from_another_page_changes_nothing_although_the_cookie_may_go_with_it(
    server: RunningServer, watched: New, context: BrowserContext
) -> None:
    page, watch = watched()
    log_in(page, server)
    project = project_of(server, "to be attacked")
    watch.allow("401")
    watch.allow("CORS")
    watch.allow("ERR_FAILED")
    # The file port is another origin on the same host: the browser counts it as the same site and sends the cookie.
    page.goto(f"{server.files}/")
    for attempt in (
        "fetch(u, {...post, mode: 'no-cors', headers: {'Content-Type': 'text/plain'}})",
        "fetch(u + q, {mode: 'no-cors', credentials: 'include'})",
        "new Promise(done => { const image = new Image(); image.onerror = image.onload = done; image.src = u + q; })",
        "fetch(u, {...post, headers: {'Content-Type': 'application/json'}}).catch(() => 0)",
    ):
        arguments = {
            "u": f"{server.web}/api/projects.delete",
            "q": f"?project={project}&force=true",
            "b": f'{{"project": "{project}", "force": true}}',
        }
        post = "const post = {method: 'POST', credentials: 'include', body: b};"
        page.evaluate(f"async ({{u, q, b}}) => {{ {post} await {attempt}; }}", arguments)
    assert server.call("projects.get_by_id", {"project": project})["project"]["id"] == project


def test_an_image_of_a_task_cannot_name_a_call(server: RunningServer, watched: New) -> None:
    page, watch = watched()
    log_in(page, server)
    watch.allow("401")
    project = project_of(server, "named by an image")
    task = draft(server, "with an image")
    evil = f"{server.web}/api/projects.delete?project={project}&force=true"
    image = {"type": "training_debug_image", "metric": "m", "iter": 1, "task": task, "timestamp": 1}
    urls = [
        f"{evil}&x=.png",
        f"{server.files}/../api/projects.delete?project={project}",
        "https://elsewhere.example/x.png",
    ]
    report(server, [{**image, "variant": str(n), "url": url, "key": f"{n}.png"} for n, url in enumerate(urls)])
    open_task(page, server, task, "debug-samples")
    expect(page.locator(".sample")).to_have_count(3)
    watch.allow("404")
    assert not any("elsewhere.example" in one for one in watch.complaints)
    assert server.call("projects.get_by_id", {"project": project})["project"]["id"] == project


def test_an_html_sample_runs_no_script_and_reaches_nothing(server: RunningServer, watched: New) -> None:
    page, watch = watched()
    log_in(page, server)
    task = draft(server, "with a page")
    evil = b"<h1>seen</h1><script>parent.document.title = 'taken'; fetch('/api/users.get_current_user')</script>"
    address = upload(server, f"/{task}/pages/page.html", evil, "text/html")
    event = {
        "type": "training_debug_image",
        "metric": "m",
        "variant": "v",
        "iter": 1,
        "url": address,
        "key": "page.html",
    }
    report(server, [{**event, "task": task, "timestamp": 1}])
    watch.allow("Blocked script execution")
    open_task(page, server, task, "debug-samples")
    page.get_by_role("button", name="Open m / v").click()
    frame = page.locator("iframe")
    expect(frame).to_have_attribute("sandbox", "")
    expect(page.frame_locator("iframe").get_by_role("heading", name="seen")).to_be_visible()
    assert page.title() != "taken"
    # Opened by itself it is no page of this server's either.
    with page.expect_download():
        page.evaluate(
            "address => { location.href = address; }", f"{server.web}/files/{quote(f'{task}/pages/page.html')}"
        )


def test_who_may_only_read_is_offered_no_change(server: RunningServer, watched: New, examples: Examples) -> None:
    page, _ = watched()
    user = server.call("auth.create_user", {"name": "reader", "company": "c", "email": "r", "role": "read-only"})["id"]
    server.call("auth.set_password", {"user": user, "password": "only reads: 1"})
    log_in(page, server, "reader", "only reads: 1")
    open_task(page, server, examples.draft)
    expect(section(page, "Source code").get_by_role("note")).to_have_attribute("title", "Your role may read only")
    expect(section(page, "Source code").get_by_role("button", name="Edit", exact=True)).to_have_count(0)
    expect(page.locator(".task-actions").get_by_role("button", name="Enqueue")).to_be_disabled()
    page.goto(f"{server.web}/projects/{examples.project}/tasks")
    page.get_by_role("row").filter(has_text="Clone Of train resnet50").click(button="right")
    expect(page.get_by_role("menuitem", name="Delete")).to_be_disabled()
    expect(page.get_by_role("menuitem", name="Details")).to_be_enabled()
    page.goto(f"{server.web}/projects")
    expect(page.get_by_role("link", name="All projects")).to_be_visible()
    expect(page.get_by_role("button", name="New project")).to_have_count(0)
