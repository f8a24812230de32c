"""Agents of both kinds, and the environments of the official packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import RunningServer

from .official import BIN, WITHOUT_FORK, agent_environment, official_environment, process, sdk_environment
from .session import OfficialSession
from .web_app import Browser, logged_in


@pytest.fixture(scope="session")
def official_sdk() -> Path:
    """The bin folder of an environment with the official SDK."""
    return sdk_environment()


@pytest.fixture(scope="session")
def official_agent() -> Path:
    """The bin folder of an environment with the official agent."""
    return agent_environment()


@pytest.fixture(scope="session")
def official_session(
    server: RunningServer, official_sdk: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OfficialSession]:
    home = tmp_path_factory.mktemp("official-session")
    env = official_environment(server, home, official_sdk) | WITHOUT_FORK
    session = OfficialSession(official_sdk / "python", env, home)
    yield session
    session.close()


@pytest.fixture
def official(official_session: OfficialSession) -> Iterator[OfficialSession]:
    """A process of the official SDK; what it logged during the test is shown when the test fails."""
    start = official_session.log.stat().st_size if official_session.log.exists() else 0
    yield official_session
    print(official_session.log.read_bytes()[start:].decode(errors="replace")[-4000:])


@pytest.fixture
def api(official: OfficialSession) -> Callable[..., Any]:
    """`api("tasks.get_all", name="x")`: one typed call of the official APIClient."""
    return official.call


@pytest.fixture
def raw(official: OfficialSession) -> Callable[..., Any]:
    """`raw("tasks.get_all", {"parent": x})`: a call by the official session, past its typed requests."""
    return official.raw


@pytest.fixture
def unique() -> str:
    """A name that nothing else on the server has."""
    return f"u{uuid4().hex[:10]}"


@pytest.fixture
def project(call: Callable[..., Any], unique: str) -> str:
    """The id of a project of the test's own, named `unique`."""
    return str(call("projects.create", {"name": unique})["id"])


@pytest.fixture(scope="session")
def official_worker(
    server: RunningServer, official_agent: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The official agent as a daemon; returns the name of its queue."""
    home = tmp_path_factory.mktemp("official-agent")
    env = official_environment(server, home, official_agent) | WITHOUT_FORK
    command = [str(official_agent / "clearml-agent"), "daemon", "--queue", "official", "--create-queue", "--foreground"]
    with process("official-agent", home, *command, env=env):
        yield "official"


@pytest.fixture(scope="session")
def our_worker(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Our agent as a daemon; returns the name of its queue."""
    home = tmp_path_factory.mktemp("our-agent")
    env = (
        server.environment(CLEARML_AGENT_HOME=str(home / "agent"), CLEARML_WORKER_NAME="ours", HOME=str(home))
        | WITHOUT_FORK
    )
    command = [str(BIN / "clearml-agent"), "daemon", "--queue", "ours", "--create-queue", "--foreground"]
    with process("our-agent", home, *command, env=env):
        yield "ours"


@pytest.fixture
def app(server: RunningServer) -> Browser:
    """A browser that has logged in."""
    return logged_in(server)
