"""The runs in progress: each a task of the daemon's group, seen to its end whatever goes wrong in this program."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from clearml_agent.api import Api
from clearml_agent.config import AgentConfig
from clearml_agent.execution.run import TaskRun
from clearml_agent.reloading import Reloader
from clearml_agent.runs import Record, RunDirectory
from clearml_agent.watch import Watcher

if TYPE_CHECKING:
    from clearml_agent.docker.containers import Containers

log = logging.getLogger("clearml_agent")

FAULT_DELAY_S, MAX_FAULT_DELAY_S = 2.0, 60.0


class Slots:
    """Args:
    on_change: called when a run has become this worker's task, and when it no longer is.
    on_end: called when one is over.
    containers: gives each run its container, in docker mode.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        watcher: Watcher,
        *,
        config: AgentConfig,
        api: Api,
        echo: Callable[[str], None] | None,
        on_change: Callable[[], None],
        on_end: Callable[[], None],
        containers: Containers | None = None,
    ) -> None:
        self._group, self._watcher, self._configs, self._api = group, watcher, Reloader(config), api
        self._echo, self._on_change, self._on_end = echo, on_change, on_end
        self._containers = containers
        self._runs: dict[str, TaskRun] = {}
        """By run: of one task the end of an old claim and the start of a new one may overlap."""
        self.tasks: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[TaskRun]:
        return iter(list(self._runs.values()))

    def __len__(self) -> int:
        return len(self._runs)

    def get(self, task: str, claim: int = 0) -> TaskRun | None:
        """The run of a task under a claim (0: under any)."""
        return next((run for run in self if run.task == task and claim in (0, run.record.claim)), None)

    @property
    def records(self) -> list[Record]:
        return [run.record for run in self]

    def start(self, directory: RunDirectory) -> None:
        """Run what the directory holds; in parallel with everything else."""
        name = f"task {directory.record.task}"
        task = self._group.create_task(self._see_through(directory), name=name)
        self._runs[directory.record.run_id] = self._run(directory)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _run(self, directory: RunDirectory) -> TaskRun:
        config = self._configs.current()
        contains = config.docker is not None or bool(directory.record.container)
        return TaskRun(
            directory,
            config=config,
            api=self._api,
            watcher=self._watcher,
            echo=self._echo,
            on_change=self._on_change,
            place=self._containers.place if self._containers is not None and contains else None,
        )

    async def _see_through(self, directory: RunDirectory) -> None:
        """See one run to its end; a fault of ours in it ends no other one, and is tried again from what is on disk."""
        name = directory.record.run_id
        delay_s = FAULT_DELAY_S
        try:
            while True:
                try:
                    await self._runs[name].run()
                    return
                except Exception:  # the top of one slot's work
                    log.exception("run %s could not be seen to its end; trying again in %.0f s", name, delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, MAX_FAULT_DELAY_S)
                again = RunDirectory.adopt(directory.path)
                if again is None:
                    return
                self._runs[name] = self._run(again)
        finally:
            del self._runs[name]
            self._on_end()
