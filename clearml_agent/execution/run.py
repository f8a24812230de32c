"""One task's life on this machine: prepared, started, watched, stopped on request, reported, forgotten.

Every step leaves its mark in the run's directory before the next one begins, so that an agent that is killed between
any two of them finds, when it starts again, where to go on:

    no `started`                prepare and launch (again); nothing of the task has run
    runner's lock held          the task runs: wait for it
    result.json                 report how it ended
    `started`, lock free, no result    the runner was killed: fail the task, its exit is unknown
    outcome in run.json         report it (again); every report may be repeated
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from clearml_agent.api import Api
from clearml_agent.config import AgentConfig
from clearml_agent.console import Console
from clearml_agent.environments import byte_compile
from clearml_agent.errors import RunFailed
from clearml_agent.execution import abort, reporting
from clearml_agent.execution import outcome as outcomes
from clearml_agent.execution.places import Contained, Here, Place
from clearml_agent.execution.preparation import Prepared, host_property, prepare
from clearml_agent.execution.process import RUN_VARIABLE
from clearml_agent.execution.pump import Pump, send_events
from clearml_agent.process import helpers_are_of
from clearml_agent.runner import boot_id
from clearml_agent.runs import Outcome, Phase, RunDirectory, Stop, StopKind
from clearml_agent.watch import Watcher
from clearml_sdk.errors import ApiError, BadAnswer

T = TypeVar("T")
MakePlace = Callable[[RunDirectory, AgentConfig, Callable[[str], None]], Place]
log = logging.getLogger("clearml_agent")


LITTLE_BYTES = 1 << 20
"""With less than this a disk is said to be full."""


class Stopped(Exception):
    """The run is to be stopped; raised where nothing of the task runs yet."""


class Fenced(Exception):
    """The server says that this claim of the task is not valid any more."""


class TaskRun:
    """A run in this process's care.

    Args:
        api: the agent's own identity; the run speaks with the token of its claim.
        echo: also gets the console, for a person who looks on.
        on_change: called when the run has begun to be this worker's task, and when it no longer is.
        place: makes what the task's processes run in; None: this machine itself.
    """

    def __init__(
        self,
        directory: RunDirectory,
        *,
        config: AgentConfig,
        api: Api,
        watcher: Watcher,
        echo: Callable[[str], None] | None = None,
        on_change: Callable[[], None] = lambda: None,
        place: MakePlace | None = None,
    ) -> None:
        self.directory, self.config = directory, config
        self.record = directory.record
        self.api = api.for_claim(self.record.token, on_token=self._keep_token, new_token=self._new_token)
        self._agent_api, self.on_change = api, on_change
        self.sends_console = True
        self.is_announced = False
        self._stop, self._begun = asyncio.Event(), asyncio.Event()
        self._kill = False
        self.console = Console(
            directory.path,
            run_id=self.record.run_id,
            task=self.record.task,
            worker=self.record.worker,
            send=self._send_events,
            echo=echo,
            keeps_returns=not config.config.flag("agent.suppress_carriage_return", True),
        )
        self.place: Place = place(directory, config, self.console.write) if place else Here(directory)
        self._pump = Pump(self.console, directory=directory.path, watcher=watcher)
        self.stages: dict[str, float] = {}
        if self.record.stop is not None:
            self._stop.set()

    @property
    def task(self) -> str:
        return self.record.task

    def request_stop(self, stop: Stop) -> None:
        """Stop the task: recorded first, so that a crash after it still ends in the right status. Idempotent."""
        if self.record.outcome is None and stop.outranks(self.record.stop):
            self.record.stop = stop
            self.directory.save()
            log.info("stopping task %s: %s", self.task, stop.reason)
        self._stop.set()
        if stop.kind is not StopKind.USER:
            self.place.stop()

    def kill(self) -> None:
        """End the process tree without grace."""
        self._kill = True
        self._stop.set()
        self.place.stop(now=True)

    async def run(self) -> Outcome:
        """See the run to its end and report it; returns when the server has acknowledged everything.

        Cancelled, it leaves the directory for the next agent.
        """
        helpers_are_of(self.directory.path, {RUN_VARIABLE: str(self.directory.path)})
        try:
            async with asyncio.TaskGroup() as group:
                pump = group.create_task(self._pump.run(), name=f"console of {self.task}")
                beside = [
                    group.create_task(self._ping(), name=f"ping of {self.task}"),
                    group.create_task(self._carry_out_stop(), name=f"stop of {self.task}"),
                ]
                try:
                    outcome = self.record.outcome or await self._outcome()
                finally:
                    for job in beside:
                        job.cancel()
                self._conclude(outcome)
                self._pump.complete()
                await pump
            await reporting.deliver_journal(self.record, self.directory.path / "journal", self.api)
            await reporting.set_status(self.record, outcome, api=self.api, agent_api=self._agent_api)
        except BaseException:
            self.directory.leave()
            raise
        await self.place.close()
        await asyncio.to_thread(self.directory.remove)
        self.on_change()
        return outcome

    async def _carry_out_stop(self) -> None:
        """Pass a stop on to the process once both are there; an abort by a user leaves the task its last words."""
        await self._begun.wait()
        await self._stop.wait()
        stop = self.record.stop
        if stop is not None and stop.kind is StopKind.USER and not self._kill:
            try:
                await abort.before_the_signal(
                    self.directory, api=self._agent_api, config=self.config, say=self.console.write
                )
            except OSError as error:
                log.warning("task %s: %s", self.task, error)  # a full disk keeps no task from being stopped
        self.place.stop(now=self._kill)

    # ------------------------------------------------------------------------------------------ to the outcome

    async def _outcome(self) -> Outcome:
        """Whatever is left to do until the task's process tree is dead, and what is to be said about it."""
        try:
            await self.place.settle()
            phase, _, result = self.directory.phase()
            if phase is Phase.NOT_STARTED:
                self._raise_if_stopped()
                started_at = time.monotonic()
                prepared = await self._started()
                self._say_stages(prepared, started_at)
                self._begun.set()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._write_back(prepared), name=f"write-back of {self.task}")
                    with self.place.helpers():
                        compiling = group.create_task(
                            byte_compile(prepared.environment), name=f"compiling for {self.task}"
                        )
                    result = await self.place.ended()
                    compiling.cancel()
            elif phase is Phase.RUNNING:
                self.console.write("The agent was restarted; the task went on meanwhile.")
                self.is_announced = True
                self.on_change()
                await self.place.identified()
                self._begun.set()
                result = await self.place.ended()
        except Stopped:
            stop = self.record.stop or Stop(StopKind.AGENT, "stopped")
            return outcomes.of_stop(stop, self.record.worker)
        except Fenced as fenced:
            log.warning("task %s is not run: %s", self.task, fenced)
            return Outcome("", exit_code=1)
        except RunFailed as failed:
            return outcomes.of_failure(failed, self.record.worker)
        if result is None:
            cause = await self.place.clear_remains()
            if self.record.boot != boot_id():
                return outcomes.of_restart(self.record.worker, str(self.config.config.get("agent.after_reboot") or ""))
            return outcomes.of_lost(self.record.worker, cause)
        was_told = (self.directory.path / abort.SIGN).exists()
        own = str(self.directory.path)
        places = [*([own] if shutil.disk_usage(own).free < LITTLE_BYTES else []), *result.full]
        full = ", ".join(dict.fromkeys(places))
        record = self.record
        return outcomes.of_result(
            result, record.stop, record.worker, was_told=was_told, full_disk=full, container=record.container
        )

    async def _started(self) -> Prepared:
        """Prepare the task and start its runner."""
        try:
            prepared = await self._unless_stopped(self._announce_and_prepare())
            self.stages["start"] = time.monotonic()
            self._raise_if_stopped()
            await self.place.start(prepared.launch)
        except OSError as error:
            log.warning("task %s cannot be prepared", self.task, exc_info=True)
            raise outcomes.unable(error) from None
        return prepared

    async def _announce_and_prepare(self) -> Prepared:
        """Tell the server that the task is taken, and make everything ready that it runs in."""
        record = self.record
        self.console.write(f"task {record.task} pulled from {record.queue} by worker {record.worker}")
        async with asyncio.TaskGroup() as group:
            started = group.create_task(self._mark_started(), name=f"start of {self.task}")
            fetched = group.create_task(self._fetch(), name=f"fetch of {self.task}")
        if failed := started.result() or fetched.result()[1]:
            raise Fenced(failed)
        self.is_announced = True
        self.on_change()
        task = fetched.result()[0]
        contained = await self.place.open(task)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._record_host(task, contained), name=f"host of {self.task}")
            group.create_task(self.place.opened(), name=f"place of {self.task}")
            prepared = group.create_task(
                prepare(
                    task,
                    directory=self.directory,
                    config=self.config,
                    api=self.api,
                    say=self.console.write,
                    contained=contained,
                ),
                name=f"preparation of {self.task}",
            )
        return prepared.result()

    async def _record_host(self, task: dict[str, Any], contained: Contained | None) -> None:
        runtime = host_property(task, contained.properties if contained is not None else {})
        if runtime is not None:
            await self._try("tasks.edit", {"force": True, "runtime": runtime})

    async def _mark_started(self) -> str:
        """tasks.started under the claim, which takes the entry out of the queue for good; returns a refusal's text."""
        body = {
            "task": self.task,
            "force": True,
            "status_reason": "worker started execution",
            "status_message": outcomes.changed_by(self.record.worker),
        }
        try:
            await self.api.call("tasks.started", body)
        except ApiError as error:
            return str(error)
        return ""

    async def _fetch(self) -> tuple[dict[str, Any], str]:
        try:
            found = await self.api.call("tasks.get_by_id", {"task": self.task})
        except ApiError as error:
            return {}, str(error)
        return dict(found.get("task") or {}), ""

    async def _write_back(self, prepared: Prepared) -> None:
        """Record what the task really runs with; beside the run, and never a reason to fail it."""
        for endpoint, body in prepared.write_back:
            await self._try(endpoint, body)

    async def _try(self, endpoint: str, body: dict[str, Any]) -> None:
        try:
            await self.api.call(endpoint, {"task": self.task, **body})
        except (ApiError, BadAnswer) as error:
            log.warning("task %s: %s", self.task, error)

    def _raise_if_stopped(self) -> None:
        if self._stop.is_set():
            raise Stopped

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`; cancels it, waits for its end and raises Stopped when a stop is requested first."""
        job = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((job, stop), return_when=asyncio.FIRST_COMPLETED)
            if not job.done():
                raise Stopped
            return job.result()
        except BaseExceptionGroup as group:
            raise first_of(group) from group
        finally:
            for future in (job, stop):
                future.cancel()
            await asyncio.wait((job, stop))

    # --------------------------------------------------------------------------------------- from the outcome

    def _conclude(self, outcome: Outcome) -> None:
        """Fix what will be reported; from here on the run is over, whatever happens to this process."""
        if self.record.outcome is None:
            self.record.outcome = outcome
            self.directory.save()
            self.on_change()  # its GPUs are free
        self.console.finish(outcome.last_line, outcome.error)

    # ------------------------------------------------------------------------------------------- beside it all

    async def _send_events(self, body: bytes, batch: str) -> None:
        if self.sends_console:
            await send_events(self.api, body, batch)

    async def _ping(self) -> None:
        """Tell the server's watchdog that the task is looked after."""
        while self.config.ping_s > 0:
            await asyncio.sleep(self.config.ping_s)
            try:
                await self.api.call("tasks.ping", {"task": self.task})
            except (ApiError, BadAnswer) as error:
                log.debug("ping of task %s: %s", self.task, error)

    def _keep_token(self, token: str) -> None:
        self.record.token = token
        self.directory.save()

    async def _new_token(self) -> str:
        """A token for this claim in the place of one that has expired; refused when the claim is over."""
        record = self.record
        body = {"worker": record.worker, "task": record.task, "claim": record.claim}
        found = await self._agent_api.call(
            "agents.token", {**body, "use_owner_token": self.config.use_owner_token}, give_up_s=30
        )
        return str(found["token"])

    def _say_stages(self, prepared: Prepared, started_at: float) -> None:
        self.stages = {**prepared.stages, "start": time.monotonic() - self.stages["start"]}
        listed = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in self.stages.items() if seconds >= 0.001)
        self.console.write(f"Stages: {listed}; from claim to start {time.monotonic() - started_at:.3f} s")


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The exception that ended a task group: the run's own errors first."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        known = [error for error in found.exceptions if isinstance(error, RunFailed | Fenced | BaseExceptionGroup)]
        found = (known or list(found.exceptions))[0]
    return found
