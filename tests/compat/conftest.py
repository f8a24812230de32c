"""Agents of both kinds, and the environments of the official packages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RunningServer

from .official import BIN, WITHOUT_FORK, agent_environment, official_environment, process, sdk_environment


@pytest.fixture(scope="session")
def official_sdk() -> Path:
    """The bin folder of an environment with the official SDK."""
    return sdk_environment()


@pytest.fixture(scope="session")
def official_agent() -> Path:
    """The bin folder of an environment with the official agent."""
    return agent_environment()


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
