"""Fixtures that every layer shares: a real server process over the embedded store, and a way to call it.

CLEARML_TEST_STORE=redis7 or cluster runs the same tests over that instead; CLEARML_TEST_SERVERS=2 lets two server
processes share it and sends requests to them in turn.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.engine import Engine, NoEngine, running_engine
from tests.redis_servers import POOL

START_LIMIT_S = 60.0
ENGINE_TEST_S = 600
"""For tests on the Docker Engine: the first one may have to wait until its base image is made."""
CRASHED: list[str] = []
"""Tests in which a worker died, as the process that shares them out has seen it."""
CRASHES_LIMIT = 3

# A busy machine may take a second for one example, and for making the first ones.
hypothesis.settings.register_profile(
    "tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("tests")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in the background has them ignore Ctrl-C, and with them everything they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also run what is marked `full`, at full size")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("CLEARML_TEST_STORE"):
        _skip(items, "embedded", "is about the embedded store")
    if os.environ.get("CLEARML_TEST_SERVERS", "1") != "1":
        _skip(items, "one_server", "is about one server process")
    for item in items:
        if "engine" in getattr(item, "fixturenames", ()) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(ENGINE_TEST_S))
    if config.getoption("--full"):
        return
    _skip(items, "full", "at full size: scripts/test --full")


def _skip(items: list[pytest.Item], marker: str, reason: str) -> None:
    for item in items:
        if item.get_closest_marker(marker):
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "???":  # a worker of pytest-xdist died in this test
        CRASHED.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    POOL.close()
    if not CRASHED:
        return
    # Another worker has run them again: whoever asks for what failed last is to get them although they passed there.
    if (cache := getattr(session.config, "cache", None)) is not None:
        cache.set("cache/lastfailed", {**cache.get("cache/lastfailed", {}), **dict.fromkeys(CRASHED, True)})
    if len(CRASHED) > CRASHES_LIMIT:
        session.exitstatus = pytest.ExitCode.INTERRUPTED  # workers that are not replaced leave tests that nobody runs


class ApiFailure(Exception):
    """An answer with a result code other than 200."""

    def __init__(self, code: int, subcode: int, message: str, answer: dict[str, Any]) -> None:
        super().__init__(f"{code}/{subcode}: {message}")
        self.code, self.subcode, self.message, self.answer = code, subcode, message, answer


@dataclass
class RunningServer:
    """A `clearml-server` process of its own, with its own data directory, on free ports."""

    data_dir: Path
    runtime_dir: Path
    process: subprocess.Popen[bytes]
    facts: dict[str, Any]
    arguments: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    """Settings beside the arguments; a restart keeps them."""
    peers: list[RunningServer] = field(default_factory=list)
    """Other servers over the same store, which take turns with this one."""
    _turns: Iterator[int] = field(default_factory=itertools.count)
    _token: str | None = None

    @property
    def api(self) -> str:
        servers = [self, *self.peers]
        return str(servers[next(self._turns) % len(servers)].facts["api_server"])

    @property
    def web(self) -> str:
        return str(self.facts["web_server"])

    @property
    def files(self) -> str:
        return str(self.facts["files_server"])

    @property
    def access_key(self) -> str:
        return str(self.facts["access_key"])

    @property
    def secret_key(self) -> str:
        return str(self.facts["secret_key"])

    @property
    def log(self) -> str:
        return (self.data_dir / "server.out").read_text(errors="replace")

    def environment(self, **extra: str) -> dict[str, str]:
        """The variables that point a client process at this server, on top of a clean environment."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("CLEARML_", "TRAINS_", "PYTEST_"))}
        return {
            **kept,
            "CLEARML_API_HOST": str(self.facts["api_server"]),  # one process has one server, as what it keeps says
            "CLEARML_WEB_HOST": self.web,
            "CLEARML_FILES_HOST": self.files,
            "CLEARML_API_ACCESS_KEY": self.access_key,
            "CLEARML_API_SECRET_KEY": self.secret_key,
            "CLEARML_CONFIG_FILE": str(self.data_dir / "no-such.conf"),
            "CLEARML_RUNTIME_DIR": str(self.runtime_dir),
            **extra,
        }

    def login(self) -> str:
        basic = base64.b64encode(f"{self.access_key}:{self.secret_key}".encode()).decode()
        request = urllib.request.Request(f"{self.api}/auth.login", headers={"Authorization": f"Basic {basic}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(json.load(answer)["data"]["token"])

    def call(
        self, endpoint: str, body: Any = None, *, token: str | None = None, headers: dict[str, str] | None = None
    ) -> Any:
        """POST one call and return its `data`; raise ApiFailure for any result code but 200."""
        if token is None:
            token = self._token = self._token or self.login()
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        request = urllib.request.Request(
            f"{self.api}/{endpoint}",
            data=data,
            method="POST",
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}", **(headers or {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                answer = json.loads(error.read())
            meta = answer["meta"]
            raise ApiFailure(meta["result_code"], meta["result_subcode"], meta["result_msg"], answer) from None

    def kill(self) -> None:
        """kill -9 of the server process alone."""
        self.process.kill()
        self.process.wait(20)

    def restart(self) -> None:
        """Start again on the same data directory and the same ports."""
        ports = [
            f"--{name}-port={self.facts[f'{key}_server'].rsplit(':', 1)[1]}"
            for name, key in (("api", "api"), ("web", "web"), ("files", "files"))
        ]
        again = start_server(self.data_dir, self.runtime_dir, *self.arguments, ports=ports, env=self.env)
        self.process, self.facts, self._token = again.process, again.facts, None

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(START_LIMIT_S)
        except BaseException:
            self.process.kill()
            self.process.wait(20)
            raise


def start_server(
    data_dir: Path,
    runtime_dir: Path,
    *arguments: str,
    ports: list[str] | None = None,
    env: dict[str, str] | None = None,
    ready_name: str = "ready.json",
) -> RunningServer:
    """Start `clearml-server` and wait until it says it answers."""
    data_dir.mkdir(parents=True, exist_ok=True)
    runtime_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    ready = data_dir / ready_name
    ready.unlink(missing_ok=True)
    out = (data_dir / "server.out").open("ab")
    command = [
        *(sys.executable, "-m", "clearml_sdk.cli", "clearml-server"),
        *(ports or ["--api-port=0", "--web-port=0", "--files-port=0"]),
        *("--data-dir", str(data_dir), "--ready-file", str(ready), *arguments),
    ]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CLEARML_", "TRAINS_"))}
    process = subprocess.Popen(
        command,
        stdout=out,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env={**kept, "CLEARML_RUNTIME_DIR": str(runtime_dir), **(env or {})},
    )
    out.close()
    deadline = time.monotonic() + START_LIMIT_S
    try:
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                text = (data_dir / "server.out").read_text(errors="replace")
                raise RuntimeError(f"clearml-server did not start (exit {process.poll()}):\n{text[-4000:]}")
            time.sleep(0.02)  # another process writes the file: there is no event to wait for
    except BaseException:  # also the end of the test's time: nobody else knows the process yet
        process.kill()
        process.wait()
        raise
    facts = json.loads(ready.read_text())
    return RunningServer(data_dir, runtime_dir, process, facts, list(arguments), dict(env or {}))


@contextlib.contextmanager
def running_server(*arguments: str, env: dict[str, str] | None = None) -> Iterator[RunningServer]:
    """A server for one test that stops, kills or configures it."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True)))
        url = None if "--redis" in arguments else stack.enter_context(POOL.lent())
        server = start_server(folder / "data", folder / "run", *arguments, *(["--redis", url] if url else []), env=env)
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def peers(server: RunningServer, count: int) -> Iterator[RunningServer]:
    """Let `count` servers in all share the store and the files of one that runs over a given Redis, taking turns."""
    try:
        for number in range(1, count):
            runtime_dir = server.runtime_dir.with_name(f"run{number}")
            name = f"ready{number}.json"
            server.peers.append(start_server(server.data_dir, runtime_dir, *server.arguments, ready_name=name))
        yield server
    finally:
        for peer in server.peers:
            peer.stop()


@pytest.fixture(scope="session")
def server() -> Iterator[RunningServer]:
    """One server for every test of the session that neither stops nor configures it."""
    with running_server() as started, peers(started, int(os.environ.get("CLEARML_TEST_SERVERS", "1"))):
        yield started


@pytest.fixture
def own_server() -> Iterator[RunningServer]:
    """A server of the test's own, to kill and restart."""
    with running_server() as started:
        yield started


@pytest.fixture
def new_server() -> Callable[..., contextlib.AbstractContextManager[RunningServer]]:
    """`with new_server("--durability=process") as server: ...`"""
    return running_server


@pytest.fixture(scope="session")
def call(server: RunningServer) -> Callable[..., Any]:
    return server.call


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A real Docker Engine, one for all the workers of a session."""
    with contextlib.ExitStack() as stack:
        try:
            started = stack.enter_context(running_engine())
        except NoEngine as error:
            pytest.skip(str(error))
        yield started
