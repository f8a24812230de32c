"""The page where a proxy stands before it, under another name and below a prefix."""

from __future__ import annotations

import base64
import http.client
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from playwright.sync_api import Page, expect

from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.session import Session
from tests.conftest import RunningServer
from tests.e2e.browser.examples import report, upload
from tests.e2e.browser.steps import draft

NewServer = Callable[..., AbstractContextManager[RunningServer]]
PREFIX = "/team"
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "te", "upgrade")
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Handler(BaseHTTPRequestHandler):
    """Cuts the prefix off and asks the web port, as nginx does."""

    protocol_version = "HTTP/1.1"
    server: Proxy

    def relay(self) -> None:
        """Ask, and give the answer on as it comes."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        connection = http.client.HTTPConnection(self.server.target, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        connection.request(self.command, self.path.removeprefix(PREFIX), body, headers)
        answer = connection.getresponse()
        self.send_response(answer.status)
        for name, value in [*answer.getheaders(), ("Connection", "close")]:
            if name.lower() not in HOP_BY_HOP or value == "close":
                self.send_header(name, value)
        self.end_headers()
        try:
            while piece := answer.read1(65536):
                self.wfile.write(piece)
        except ConnectionError:
            return  # the browser has left the page that it asked for
        finally:
            connection.close()

    do_GET = do_POST = do_PUT = relay

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class Proxy(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A proxy on a free port of this machine."""

    daemon_threads = True
    target = ""
    """Host and port that it asks."""

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@contextmanager
def proxy() -> Iterator[Proxy]:
    with Proxy(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, name="proxy")
        thread.start()
        try:
            yield serving
        finally:
            serving.shutdown()
            thread.join()


def test_a_page_behind_a_proxy_tells_addresses_that_work_and_shows_files_by_any_of_their_names(
    new_server: NewServer, page: Page
) -> None:
    env = {"CLEARML_SERVER_FILES_URLS": "http://server:8081,http://files.example/old"}
    with proxy() as front, new_server("--web-origin", f"http://clearml.example:{front.port}", env=env) as server:
        front.target, outside = urlsplit(server.web).netloc, f"http://clearml.example:{front.port}"
        page.goto(f"{outside}{PREFIX}/settings/workspace-configuration")
        page.get_by_label("User or access key").fill(server.access_key)
        page.get_by_label("Password or secret key").fill(server.secret_key)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("button", name="Create new credentials").click()
        page.get_by_role("dialog").get_by_role("button", name="Create").click()
        text = page.get_by_role("dialog").locator("pre").inner_text()
        for line in (f"api_server: {outside}{PREFIX}/api", f"files_server: {outside}{PREFIX}/files"):
            assert line in text
        assert f"web_server: {outside}{PREFIX}\n" in text

        # By this name, for programs here cannot look the other one up.
        key, secret = (line.split('"')[3] for line in text.splitlines() if "_key" in line)
        api = f"http://127.0.0.1:{front.port}{PREFIX}/api"
        assert Session(ApiSettings(api, access_key=key, secret_key=secret)).call("projects.get_all", {}) is not None

        task = _with_samples(server)
        page.keyboard.press("Escape")
        page.goto(f"{outside}{PREFIX}/projects/*/tasks/{task}/debug-samples")
        for name in ("here", "server", "files"):
            expect(page.get_by_role("img", name=f"m {name}")).to_have_js_property("naturalWidth", 1)


def _with_samples(server: RunningServer) -> str:
    """A task whose pictures were stored under several names of the file server."""
    task = draft(server, "with pictures")
    stored = upload(server, f"/{task}/pixel.png", PIXEL, "image/png")
    path = urlsplit(stored).path
    names = {"here": stored, "server": f"http://server:8081{path}", "files": f"http://files.example/old{path}"}
    image = {"type": "training_debug_image", "metric": "m", "iter": 1, "task": task, "timestamp": 1, "key": "pixel.png"}
    report(server, [{**image, "variant": name, "url": url} for name, url in names.items()])
    return task
