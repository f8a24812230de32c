"""Where a run's processes are: on this machine, or in a container (clearml_agent/docker/container.py)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from clearml_agent.console import AGENT
from clearml_agent.environments.interpreters import Interpreter
from clearml_agent.environments.present import Present
from clearml_agent.environments.settings import PackageSettings
from clearml_agent.execution import process
from clearml_agent.execution.process import Launch
from clearml_agent.process import Log
from clearml_agent.runs import Phase, Result, RunDirectory

log = logging.getLogger("clearml_agent")


class Contained(Protocol):
    """What preparing a task asks of the container that it will run in."""

    @property
    def write_back(self) -> Sequence[tuple[str, dict[str, Any]]]:
        """Calls (endpoint, body without the task) that record what it runs in."""

    @property
    def properties(self) -> Mapping[str, Any]:
        """For the task's runtime properties."""

    def packages(self, settings: PackageSettings) -> PackageSettings:
        """The settings as they count in a container."""

    def helpers(self) -> AbstractContextManager[None]:
        """In this block helper processes run in the container."""

    async def python(self, wish: str, settings: PackageSettings, say: Log) -> tuple[Interpreter, Present]:
        """The interpreter there for a task that wants version `wish`, and the packages that its image brings."""

    def configuration(self, tree: Mapping[str, Any]) -> Mapping[str, Any]:
        """The configuration with the paths of the container."""

    def variables(self) -> dict[str, str]:
        """For the task, besides what the container has by itself."""


class Place(Protocol):
    """One run's processes, from before their start until nothing is left of them."""

    async def settle(self) -> None:
        """Clear away what a killed agent left of a run that has not begun."""

    async def open(self, task: Mapping[str, Any]) -> Contained | None:
        """Begin to make the place for `task` ready; None when it is this machine itself. Raises RunFailed."""

    async def opened(self) -> None:
        """Go on with that, beside the preparation, until it is ready. Raises RunFailed."""

    async def start(self, launch: Launch) -> None:
        """Start the runner; when this returns the task has begun, or has already ended. Raises RunFailed."""

    async def identified(self) -> None:
        """Wait until a runner that was found running can be stopped."""

    async def ended(self) -> Result | None:
        """Wait until the runner is dead and return its result; None when it left none."""

    def stop(self, *, now: bool = False) -> None:
        """Ask the runner to stop the task (SIGTERM, grace, SIGKILL), or with `now` to kill it; does not wait."""

    def helpers(self) -> AbstractContextManager[None]:
        """In this block helper processes run where the task runs."""

    async def clear_remains(self) -> str:
        """Kill what is left of a run whose runner was killed, and say what is known of how that came; "" if nothing."""

    async def close(self) -> None:
        """The run is over and reported: remove what there is of it besides its directory."""


class Here:
    """This machine."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory

    async def settle(self) -> None:
        """An agent that was killed while it prepared the run may have left helpers of helpers, a download, say."""
        if self._directory.phase()[0] is Phase.NOT_STARTED and (self._directory.path / AGENT).exists():
            await self.clear_remains("a killed agent")

    async def open(self, task: Mapping[str, Any]) -> None:
        """There is nothing to do."""

    async def opened(self) -> None:
        """There is nothing to do."""

    async def start(self, launch: Launch) -> None:
        await process.start(self._directory, launch)

    async def identified(self) -> None:
        await process.identified(self._directory)

    async def ended(self) -> Result | None:
        return await process.ended(self._directory)

    def stop(self, *, now: bool = False) -> None:
        process.stop(self._directory, now=now)

    def helpers(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def clear_remains(self, whose: str = "a lost runner") -> str:
        if killed := await asyncio.to_thread(process.kill_remains, self._directory):
            log.warning("killed %d processes that %s left of task %s", len(killed), whose, self._directory.record.task)
        return ""

    async def close(self) -> None:
        """Its directory is all there is."""
