"""A server that takes batches, or does not: it stands in for the session of a reporter."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.errors import ServerUnreachable
from clearml_sdk.session import SessionCore


class FakeSession:
    """Keeps what it is sent. `answer` decides about each call: it returns the `data`, or raises."""

    def __init__(self, api_server: str = "http://server.test:8008") -> None:
        self.settings = ApiSettings(api_server, access_key="k", secret_key="s", worker="machine")
        self.core = SessionCore(self.settings)
        self.config = None
        self.is_offline = self.is_down = False
        self.batches: list[tuple[str, bytes]] = []
        self.answer: Callable[[], dict[str, Any]] = lambda: {"added": 1, "errors": 0}
        self.called = threading.Event()
        self.is_open = threading.Event()
        self.is_open.set()

    def call(
        self, endpoint: str, body: bytes, *, headers: Mapping[str, str] | None = None, **_: object
    ) -> dict[str, Any]:
        assert endpoint == "events.add_batch"
        self.called.set()
        if not self.is_open.is_set():
            raise ServerUnreachable("http://server.test", "connection refused")
        answer = self.answer()
        self.batches.append((dict(headers or {})["X-ClearML-Batch"], body))
        return answer

    @property
    def events(self) -> list[dict[str, Any]]:
        """Everything that was taken, a batch under one id once."""
        return [json.loads(line) for body in dict(self.batches).values() for line in body.splitlines()]


@pytest.fixture
def session() -> FakeSession:
    return FakeSession()


@pytest.fixture
def journals(tmp_path: Path) -> str:
    return str(tmp_path / "journals")
