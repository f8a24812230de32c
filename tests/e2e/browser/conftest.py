"""A real browser at the real page. What it complains about fails the test: errors of scripts, answers of 400 and more,
requests to any other host."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

from tests.conftest import RunningServer, running_server
from tests.e2e.agent.core.conftest import agent, agent_cache, new_agent, tasks
from tests.e2e.browser.examples import Examples, fill
from tests.integration.agent.environments.conftest import index, index_server

__all__ = ["agent", "agent_cache", "index", "index_server", "new_agent", "tasks"]

PROJECT = Path(__file__).parents[3]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    "--host-resolver-rules=MAP clearml.example 127.0.0.1",
]
PATIENCE_MS = 30_000
"""How long an event may take on a slow and busy machine."""
expect.set_options(timeout=PATIENCE_MS)


class Watched:
    """What a page's browser complained about, but for what the test expects."""

    def __init__(self, page: Page, server: RunningServer | None) -> None:
        self.complaints: list[str] = []
        self.allowed: list[str] = []
        self._hosts = {"", "127.0.0.1", "clearml.example"}
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("response", self._answered)
        page.on("request", self._asked)

    def allow(self, text: str) -> None:
        """Complaints with this text are what the test is about."""
        self.allowed.append(text)

    def _said(self, said: ConsoleMessage) -> None:
        # A refused call is noted with its reason, below.
        if said.type == "error" and "Failed to load resource" not in said.text:
            self.complaints.append(f"console: {said.text}")

    def _answered(self, answer: Response) -> None:
        if answer.status >= 400:
            self.complaints.append(f"{answer.status} {answer.request.method} {answer.url}")

    def _asked(self, request: Request) -> None:
        if urlsplit(request.url).hostname not in self._hosts and not request.url.startswith(("data:", "blob:")):
            self.complaints.append(f"request to another host: {request.url}")

    @property
    def found(self) -> list[str]:
        return [one for one in self.complaints if not any(text in one for text in self.allowed)]


@pytest.fixture(scope="session")
def server() -> Iterator[RunningServer]:
    """A server without what other tests leave: pages are judged by what they show."""
    with running_server() as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the tests of a file. No longer: its event loop must be gone when other tests run theirs."""
    if CHROMIUM is None:
        pytest.skip("no chromium here, and it could not be installed")
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A person's own browser: no cookie of anybody else's."""
    opened = browser.new_context(
        viewport={"width": 1440, "height": 900}, permissions=["clipboard-read", "clipboard-write"]
    )
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    opened.close()


@pytest.fixture
def watched(context: BrowserContext) -> Iterator[Callable[[], tuple[Page, Watched]]]:
    """New pages; at the end none of them may have complained."""
    made: list[Watched] = []

    def new() -> tuple[Page, Watched]:
        page = context.new_page()
        made.append(Watched(page, None))
        return page, made[-1]

    yield new
    assert [one for watch in made for one in watch.found] == []


@pytest.fixture
def page(watched: Callable[[], tuple[Page, Watched]]) -> Page:
    """A page where nobody is logged in."""
    opened, watch = watched()
    watch.allow("401 POST")  # that is how it learns so
    return opened


def log_in(page: Page, server: RunningServer, name: str = "", secret: str = "") -> None:
    page.goto(f"{server.web}/login")
    page.get_by_label("User or access key").fill(name or server.access_key)
    page.get_by_label("Password or secret key").fill(secret or server.secret_key)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#who")).not_to_be_empty()
    expect(page.get_by_label("User or access key")).to_have_count(0)


@pytest.fixture
def inside(watched: Callable[[], tuple[Page, Watched]], server: RunningServer) -> Page:
    """A page where the administrator is logged in."""
    opened, _ = watched()
    log_in(opened, server)
    return opened


@pytest.fixture(scope="session")
def examples(server: RunningServer) -> Examples:
    """An example of everything, made once."""
    return fill(server)


@pytest.fixture(scope="session")
def axe() -> str | None:
    """The script of axe, fetched from npm once; None where there is no npm."""
    if shutil.which("npm") is None:
        return None
    subprocess.run(["bash", str(PROJECT / "scripts" / "_web")], check=True, timeout=600)
    return (PROJECT / ".run" / "web" / "node_modules" / "axe-core" / "axe.min.js").read_text()
