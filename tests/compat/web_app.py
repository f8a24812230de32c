"""A browser with the official web app's page open, as the server sees it.

The app itself is no part of these tests: what it sends, and which fields its pages cannot do without, is written down
in them from what is known of it. It calls below `/api/v999.0/` on the origin that serves it, with a cookie.
"""

from __future__ import annotations

import base64
import http.cookies
import json
import urllib.error
import urllib.request
from typing import Any

from tests.conftest import ApiFailure, RunningServer

COOKIE = "clearml_token_basic"


class Browser:
    """What a browser adds to the calls of a page: its origin and the cookie that the server gave it."""

    def __init__(self, origin: str) -> None:
        self.origin, self.cookie = origin, ""

    def post(self, endpoint: str, body: Any = None, *, basic: tuple[str, str] | None = None, **headers: str) -> Any:
        """A call of the page; its `data`, or ApiFailure."""
        sent = {
            "Content-Type": "application/json",
            "Origin": self.origin,
            "X-Allegro-Client": "Webapp-2.0.0",
            "X-Clearml-Client": "Webapp-2.0.0",
            **headers,
        }
        if self.cookie:
            sent["Cookie"] = f"{COOKIE}={self.cookie}"
        if basic:
            sent["Authorization"] = "Basic " + base64.b64encode(":".join(basic).encode()).decode()
        url = f"{self.origin}/api/v999.0/{endpoint}"
        request = urllib.request.Request(url, json.dumps(body or {}).encode(), sent, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                for line in answer.headers.get_all("Set-Cookie") or ():
                    morsel = http.cookies.SimpleCookie(line).get(COOKIE)
                    self.cookie = morsel.value if morsel is not None else self.cookie
                whole = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                whole = json.loads(error.read())
            meta = whole["meta"]
            raise ApiFailure(meta["result_code"], meta["result_subcode"], meta["result_msg"], whole) from None
        assert whole["meta"]["endpoint"]["name"] == endpoint
        return whole["data"]

    def get(self, path: str) -> tuple[int, str, bytes]:
        """(status, content type, body) of a file of the page."""
        try:
            with urllib.request.urlopen(self.origin + path, timeout=30) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read()


def logged_in(server: RunningServer) -> Browser:
    browser = Browser(server.web)
    browser.post("auth.login", basic=(server.access_key, server.secret_key))
    assert browser.cookie
    return browser
