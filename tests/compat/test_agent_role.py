"""A key of the role `agent` is all that an agent needs: the official one and ours run a recorded task with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RunningServer

from .official import WITHOUT_FORK, official_environment, process
from .test_round_trip import check_same, record, run_clone

pytestmark = pytest.mark.full

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def recorded(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    return record(server, sys.executable, server.environment(), tmp_path_factory.mktemp("record"))


@pytest.fixture
def agents(server: RunningServer) -> Iterator[RunningServer]:
    """The server as an agent knows it: with a key that may do no more than agents do."""
    key = server.call("auth.create_credentials", {"role": "agent", "label": "agents"})["credentials"]
    facts = {**server.facts, "access_key": key["access_key"], "secret_key": key["secret_key"]}
    yield RunningServer(server.data_dir, server.runtime_dir, server.process, facts)
    server.call("auth.revoke_credentials", {"access_key": key["access_key"]})


@pytest.mark.timeout(400)
def test_our_agent(server: RunningServer, agents: RunningServer, recorded: str, tmp_path: Path) -> None:
    home = {"CLEARML_AGENT_HOME": str(tmp_path / "agent"), "CLEARML_WORKER_NAME": "limited", "HOME": str(tmp_path)}
    command = [str(BIN / "clearml-agent"), "daemon", "--queue", "limited", "--create-queue", "--foreground"]
    with process("our-agent", tmp_path, *command, env=agents.environment(**home) | WITHOUT_FORK):
        check_same(server, recorded, run_clone(server, recorded, "limited"))


@pytest.mark.timeout(400)
def test_the_official_agent(
    server: RunningServer, agents: RunningServer, recorded: str, official_agent: Path, tmp_path: Path
) -> None:
    env = official_environment(agents, tmp_path, official_agent) | WITHOUT_FORK
    command = [str(official_agent / "clearml-agent"), "daemon", "--queue", "narrow", "--create-queue", "--foreground"]
    with process("official-agent", tmp_path, *command, env=env):
        check_same(server, recorded, run_clone(server, recorded, "narrow"))
