"""What a session can be made to do by others: nothing. Attempts from other pages, files and roles."""

# ruff: noqa: E501 - a page of attempts reads better with one a line

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import plotly.io
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.conftest import RunningServer
from tests.e2e.browser.conftest import Watched, log_in
from tests.e2e.browser.examples import Examples, png, report, upload
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


ATTEMPTS = b"""<h1>seen</h1><p id="told"></p><form action="ELSEWHERE/form"></form><link rel="stylesheet" href="ELSEWHERE/style.css">
<script src="ELSEWHERE/script.js"></script><script>
const post = {method: "POST", credentials: "include", headers: {"Content-Type": "application/json"}, body: "{}"};
const loaded = node => new Promise((done, failed) => { node.onload = done; node.onerror = failed; document.body.append(node); });
const attempts = {
  cookie: () => document.cookie, storage: () => localStorage.length, parent: () => parent.document.title,
  call: () => fetch("SERVER/api/users.get_current_user", post), file: () => fetch("SERVER/files/PICTURE"),
  picture: () => loaded(Object.assign(new Image(), {src: "SERVER/files/PICTURE"})),
  beacon: () => { if (!navigator.sendBeacon("ELSEWHERE/beacon", "x")) throw 0; },
  fetch: () => fetch("ELSEWHERE/fetch", {mode: "no-cors"}), image: () => loaded(Object.assign(new Image(), {src: "ELSEWHERE/image.png"})),
  frame: () => { document.body.append(Object.assign(document.createElement("iframe"), {src: "ELSEWHERE/frame"})); throw 0; },
  socket: () => new Promise((done, failed) => { const s = new WebSocket("ELSEWHERE/socket".replace("http", "ws")); s.onopen = done; s.onerror = failed; }),
  worker: () => new Worker(URL.createObjectURL(new Blob(["fetch('ELSEWHERE/worker')"]))).postMessage(1),
  form: () => { document.forms[0].submit(); throw 0; }, popup: () => { if (!open("ELSEWHERE/popup")) throw 0; },
  above: () => { top.location = "ELSEWHERE/above"; },
};
(async () => {
  const told = {};
  for (const [name, attempt] of Object.entries(attempts)) {
    try { await attempt(); told[name] = "done"; } catch (error) { told[name] = "refused"; }
  }
  document.getElementById("told").textContent = JSON.stringify(told);
  addEventListener("click", () => { location = "ELSEWHERE/instead"; });
})();
</script>"""


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """Another host: its address, and what was asked of it."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as listener:
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listener.server_port}", asked
        listener.shutdown()
        thread.join()


def html_sample(server: RunningServer, text: bytes) -> str:
    """A task with an HTML page among its samples."""
    task = draft(server, "with a page")
    address = upload(server, f"/{task}/pages/page.html", text, "text/html")
    event = {"type": "training_debug_image", "metric": "m", "variant": "v", "iter": 1, "url": address, "key": "p.html"}
    report(server, [{**event, "task": task, "timestamp": 1}])
    return task


def test_an_html_sample_runs_its_scripts_and_reaches_nothing(
    server: RunningServer, watched: New, elsewhere: tuple[str, list[str]]
) -> None:
    page, watch = watched()
    log_in(page, server)
    other, asked = elsewhere
    picture = upload(server, "/seen/picture.png", png(8, (9, 9, 9)), "image/png").removeprefix(server.files + "/")
    text = ATTEMPTS.replace(b"ELSEWHERE", other.encode()).replace(b"SERVER", server.web.encode())
    task = html_sample(server, text.replace(b"PICTURE", picture.encode()))
    for expected_ in ("sandbox", "Sandbox", "Blocked", "navigat", "ERR_", "WebSocket", "cross-origin", "worker"):
        watch.allow(expected_)
    open_task(page, server, task, "debug-samples")
    title = page.title()
    page.get_by_role("button", name="Open m / v").click()
    expect(page.locator("iframe")).to_have_attribute("sandbox", "allow-scripts")
    inner = page.frame_locator("iframe")
    expect(inner.get_by_role("heading", name="seen")).to_be_visible()
    expect(inner.locator("#told")).to_contain_text("above")  # its script has run to the end
    told = json.loads(inner.locator("#told").inner_text())
    assert len(told) == 15
    assert {name for name, outcome in told.items() if outcome != "refused"} <= {
        "beacon",
        "worker",
    }  # these tell nothing
    inner.locator("h1").click()
    expect(inner.get_by_role("heading", name="seen")).to_have_count(0)  # a frame of ours shows no other host
    assert (page.title(), page.url) == (title, f"{server.web}/projects/*/tasks/{task}/debug-samples")
    assert asked == []
    with urllib.request.urlopen(other + "/heard") as answer:
        assert answer.status == 204
    assert asked == ["/heard"]  # whoever asks is heard
    # Opened by itself it is no page of this server's either.
    with page.expect_download():
        page.evaluate(
            "address => { location.href = address; }", f"{server.web}/files/{quote(f'{task}/pages/page.html')}"
        )


def test_the_frame_of_html_samples_shows_nothing_when_another_page_opens_it(server: RunningServer, page: Page) -> None:
    answer = page.goto(f"{server.web}/login")
    assert answer is not None
    build = page.locator('meta[name="clearml-build"]').get_attribute("content")
    frame = page.goto(f"{server.web}/assets/{build}/sample_frame.html")
    assert frame is not None
    policy = frame.headers["content-security-policy"]
    assert "sandbox allow-scripts;" in policy and "default-src 'none'" in policy and "frame-ancestors 'self'" in policy
    page.evaluate("postMessage('<h1>taken</h1>', '*')")
    page.evaluate("new Promise(done => setTimeout(done))")  # messages are told in order
    assert page.locator("h1").count() == 0
    assert page.evaluate("origin") == "null"


def test_a_figure_that_was_saved_as_a_page_is_drawn(server: RunningServer, watched: New) -> None:
    page, _ = watched()
    log_in(page, server)
    html = plotly.io.to_html({"data": [{"y": [1, 3, 2]}]}, include_plotlyjs=True, full_html=True)
    open_task(page, server, html_sample(server, html.encode()), "debug-samples")
    page.get_by_role("button", name="Open m / v").click()
    expect(page.frame_locator("iframe").locator("svg.main-svg path.js-line")).to_be_visible()


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
