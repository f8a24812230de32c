"""A small real HTTP server that answers as the API does, for tests of the client alone."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

Answer = tuple[int, dict[str, Any]]


def token(**claims: Any) -> str:
    """A JWT as the server's, with a meaningless signature."""
    parts = [{"alg": "HS256", "typ": "JWT"}, {"api_version": "2.31", "server_version": "2.0.0", **claims}]
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts), "c2ln"])


def envelope(code: int = 200, subcode: int = 0, message: str = "OK", **data: Any) -> Answer:
    return code, {"meta": {"result_code": code, "result_subcode": subcode, "result_msg": message}, "data": data}


class FakeApi:
    """Answers from `answers[endpoint]` (a callable of the body); remembers what was asked in `calls`."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "auth.login": lambda body: envelope(token=token(exp=4e9, n=len(self.calls)))
        }
        self.calls: list[tuple[str, dict[str, str], bytes]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                endpoint = self.path.rpartition("/")[2]
                api.calls.append((endpoint, dict(self.headers), raw))
                code, answer = api.answers[endpoint](json.loads(raw) if raw.startswith(b"{") else {})
                body = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def endpoints(self) -> list[str]:
        return [call[0] for call in self.calls]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    fake = FakeApi()
    thread = threading.Thread(target=fake.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield fake
    fake.server.shutdown()
    fake.server.server_close()
    thread.join(5)
