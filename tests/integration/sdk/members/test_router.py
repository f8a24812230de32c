"""A task's HTTP router: a proxy with callbacks, and what the server is told of its endpoints."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from clearml_sdk import Task
from clearml_sdk.router.endpoint_telemetry import EndpointTelemetry
from clearml_sdk.router.router import HttpRouter
from tests.conftest import RunningServer
from tests.integration.sdk.journal.test_files_server_down import closed_port


class Echo(BaseHTTPRequestHandler):
    """Answers what it was asked."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        answer = json.dumps(
            {"path": self.path, "method": self.command, "body": body, "mine": self.headers.get("X-Mine")}
        )
        self.send_response(201 if "created" in self.path else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Echo", "yes")
        for cookie in ("a=1", "b=2") if "cookies" in self.path else ():
            self.send_header("Set-Cookie", cookie)
        self.end_headers()
        self.wfile.write(answer.encode())

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def target() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def port() -> int:
    return closed_port()


@pytest.fixture
def router(running: Task, port: int) -> Iterator[HttpRouter]:
    router = running.get_http_router()
    assert router is running.get_http_router()
    router.set_local_proxy_parameters(incoming_port=port, access_log=False, log_level="warning")
    yield router
    router._stop()


def ask(port: int, path: str, body: bytes | None = None) -> tuple[int, dict[str, str], str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body, headers={"X-Mine": "m"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read().decode()


def test_every_cookie_of_an_answer_comes_through(router: HttpRouter, target: str, port: int) -> None:
    router.create_local_route("/streamed", f"{target}/cookies", endpoint_telemetry=False)
    router.create_local_route(
        "/whole",
        f"{target}/cookies",
        response_callback=lambda response, request, persistent_state: response,
        endpoint_telemetry=False,
    )
    for path in ("/streamed", "/whole"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_paths_go_to_the_target_of_their_route(router: HttpRouter, target: str, port: int) -> None:
    router.create_local_route("/a", f"{target}/serve", endpoint_telemetry=False)
    router.create_local_route("/a/deeper", f"{target}/other", endpoint_telemetry=False)
    status, headers, text = ask(port, "/a/b/c?q=1&q=2")
    assert status == 200 and headers["x-echo"] == "yes" and headers["content-type"] == "application/json"
    assert json.loads(text) == {"path": "/serve/b/c?q=1&q=2", "method": "GET", "body": "", "mine": "m"}
    status, _, text = ask(port, "/a/created", b"hello")
    assert status == 201 and json.loads(text)["body"] == "hello"
    assert json.loads(ask(port, "/a/deeper/x")[2])["path"] == "/other/x"
    assert ask(port, "/ab")[0] == ask(port, "/elsewhere")[0] == 404
    router.remove_local_route("/a/deeper")
    assert json.loads(ask(port, "/a/deeper/x")[2])["path"] == "/serve/deeper/x"
    router.remove_local_route("/nowhere")


def test_callbacks_see_and_change_what_passes(router: HttpRouter, target: str, port: int) -> None:
    seen: list[Any] = []

    def on_request(request: Any, persistent_state: dict[str, Any]) -> Any:
        persistent_state["asked"] = persistent_state.get("asked", 0) + 1
        return request

    async def on_response(response: Any, request: Any, persistent_state: dict[str, Any]) -> Any:
        seen.append((json.loads(response.body)["path"], request.url.path, persistent_state["asked"]))
        response.headers["x-changed"] = "yes"
        return response

    def on_error(request: Any, error: Exception, persistent_state: dict[str, Any]) -> None:
        seen.append((request.url.path, type(error).__name__))

    router.create_local_route("/a", target, on_request, on_response, endpoint_telemetry=False)
    for _ in range(2):
        status, headers, _ = ask(port, "/a/x")
        assert status == 200 and headers["x-changed"] == "yes"
    with socket.socket() as nobody:  # who has the port and does not listen: nobody else answers there
        nobody.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        router.create_local_route("/dead", dead, endpoint_telemetry=False, error_callback=on_error)
        assert ask(port, "/dead/y")[0] == 502
    assert seen == [("/x", "/a/x", 1), ("/x", "/a/x", 2), ("/dead/y", "ConnectError")]


def test_the_server_is_told_of_the_endpoint(
    router: HttpRouter, target: str, port: int, running: Task, server: RunningServer
) -> None:
    facts = {"endpoint_name": "detect", "model_name": "yolo", "endpoint_url": f"http://me/{port}"}
    router.create_local_route("/a", target, endpoint_telemetry=facts)
    for _ in range(3):
        ask(port, "/a")
    telemetry = router._routes["/a"]._telemetry
    assert isinstance(telemetry, EndpointTelemetry)
    telemetry.container_status_report()
    found = {one["url"]: one for one in server.call("serving.get_endpoints")["endpoints"]}[facts["endpoint_url"]]
    assert (found["endpoint"], found["model"], found["requests"]) == ("detect", "yolo", 3)
    assert telemetry.get_machine_stats()["memory_free"]
    telemetry.update(model_name="yolo2")
    telemetry.container_status_report()
    details = server.call("serving.get_endpoint_details", {"endpoint_url": facts["endpoint_url"]})
    assert details["model"] == "yolo2" and details["instances"][0]["id"] == telemetry.container_info["container_id"]
    router.remove_local_route("/a")
    assert facts["endpoint_url"] not in {one["url"] for one in server.call("serving.get_endpoints")["endpoints"]}


def test_what_has_no_route_goes_to_the_default(running: Task, target: str) -> None:
    port = closed_port()
    router = HttpRouter(running)
    router.set_local_proxy_parameters(port, f"{target}/default", "warning", access_log=False, enable_streaming=False)
    router.start_local_proxy()
    router.start_local_proxy()
    try:
        assert json.loads(ask(port, "/x")[2])["path"] == "/default/x"
        for call in (router.deploy, router.list_external_endpoints, router.wait_for_external_endpoint):
            with pytest.raises(ValueError, match="feature set"):
                call()
    finally:
        router._stop()
