"""A real agent in docker mode, on a real engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agent.core.conftest import Agent, Tasks, agent_cache, new_agent, tasks
from tests.engine import Engine
from tests.integration.agent.environments.conftest import index, index_server

__all__ = ["Agent", "Tasks", "agent_cache", "index", "index_server", "new_agent", "new_docker_agent", "tasks"]


@pytest.fixture
def new_docker_agent(
    server: Any, engine: Engine, new_agent: Callable[..., Agent], tmp_path: Path
) -> Iterator[Callable[..., Agent]]:
    """Makes an agent with a configuration (`agent` section); what containers it leaves are removed."""
    agents: list[Agent] = []

    def make(configuration: dict[str, Any] | None = None, **variables: str) -> Agent:
        path = tmp_path / f"clearml{len(agents)}.conf"
        section = {"default_docker": {"image": engine.image}, **(configuration or {})}
        path.write_text(json.dumps({"agent": section}))
        made = new_agent(server, **{"DOCKER_HOST": engine.url, "CLEARML_CONFIG_FILE": str(path), **variables})
        agents.append(made)
        return made

    yield make
    for agent in agents:
        agent.stop()
        names = [json.loads(path.read_text()).get("container") for path in agent.home.glob("runs/*/run.json")]
        if names := [name for name in names if name]:
            engine.docker("rm", "--force", *names, check=False)


@pytest.fixture
def docker_agent(new_docker_agent: Callable[..., Agent]) -> Agent:
    return new_docker_agent()
