"""The containers of one agent: its connection to the engine, a place for each run, and what is left of earlier ones."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator

from clearml_agent.api import Api
from clearml_agent.config import AgentConfig
from clearml_agent.docker import engine as engines
from clearml_agent.docker import naming
from clearml_agent.docker.container import ContainedRun
from clearml_agent.docker.plan import Designer
from clearml_agent.process import Log
from clearml_agent.runs import RunDirectory

log = logging.getLogger("clearml_agent")


class Containers:
    """Gives every run of an agent in docker mode its container."""

    def __init__(self, engine: engines.Engine, api: Api) -> None:
        self._engine, self._api = engine, api

    def place(self, directory: RunDirectory, config: AgentConfig, say: Log) -> ContainedRun:
        """For one run. config: as it is now (`agent.reload_config`)."""
        designer = Designer(config, self._api)
        return ContainedRun(self._engine, directory, config=config, designer=designer, say=say)

    async def sweep(self, config: AgentConfig) -> None:
        """Remove containers of this home's agents whose runs are over: nobody else would."""
        label = f"{naming.HOME_LABEL}={naming.home_mark(str(config.home))}"
        for id, labels in await self._engine.labelled(label):
            if not (config.runs / labels.get(naming.RUN_LABEL, "-")).exists():
                log.info("removing container %s of task %s, which is over", id[:12], labels.get(naming.TASK_LABEL))
                await self._engine.remove(id)


@contextlib.asynccontextmanager
async def opened(config: AgentConfig, api: Api) -> AsyncIterator[Containers]:
    """Connect to the engine. Raises AgentError when there is none."""
    async with engines.opened(config.environ) as engine:
        containers = Containers(engine, api)
        await containers.sweep(config)
        yield containers
