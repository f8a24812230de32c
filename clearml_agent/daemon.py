"""The agent's loop: one long call waits for entries and stop requests, slots run what comes, leases are renewed.

    wait ──entries──> slots: TaskRun ──> (status, console: by themselves)
      └──stops──────> TaskRun.request_stop
    renew  every third of a lease: this worker and its claims; lost claims are stopped
    report every 30 s and at each change of task: machine statistics

Shutdown is staged: take nothing new; SIGTERM, grace, SIGKILL for what runs; a deadline for the reports; unregister.
Runs that could not be reported in that time (no server) stay on disk for the next start.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from clearml_agent.api import Api
from clearml_agent.config import AgentConfig
from clearml_agent.execution.run import TaskRun
from clearml_agent.queues import Queue, by_name
from clearml_agent.reports import StatusReports, Working
from clearml_agent.runs import Record, RunDirectory, Stop, StopKind
from clearml_agent.watch import Watcher
from clearml_sdk.errors import ApiError, BadAnswer, ServerUnreachable

log = logging.getLogger("clearml_agent")

WAIT_S = 25.0
MISSING_WAIT_S = 5.0
"""How long one call waits while a served queue is gone: it may be made again."""
MAX_SLOTS = 256
"""As many entries as one call may bring."""
RENEW_S = 10.0
TOLD_KEPT_S = 300.0
KINDS = {"stopping": StopKind.USER, "fenced": StopKind.FENCED, "deleted": StopKind.FENCED}
FAULT_DELAY_S, MAX_FAULT_DELAY_S = 2.0, 60.0
REPORT_LIMIT_S = 10.0
"""How long, after the tasks are dead, a stopping daemon tries to report them."""


class Daemon:
    """One worker: its queues, its slots and what runs in them.

    Args:
        echo: gets the console of every task, for a daemon in the foreground.
    """

    def __init__(
        self,
        *,
        config: AgentConfig,
        api: Api,
        worker: str,
        queues: Sequence[Queue],
        order_fairness: bool = False,
        echo: Callable[[str], None] | None = None,
    ) -> None:
        self.config, self.api, self.worker, self.queues = config, api, worker, list(queues)
        self._order_fairness, self._echo = order_fairness, echo
        self._runs: dict[str, TaskRun] = {}
        self._draining = asyncio.Event()
        self._freed = asyncio.Event()
        self._reports = StatusReports(config=config, api=api, working=self._working)
        self._told: dict[str, float] = {}
        """Tasks whose stop the server has told, and when (monotonic, s): it would tell them again at once."""
        self._is_held = False
        self._missing: list[str] = []
        """Served queues that the server says are gone."""
        self._drain_reason = ""
        self._kill = False

    @property
    def queue_ids(self) -> list[str]:
        return [queue.id for queue in self.queues]

    def free_slots(self) -> int:
        own = sum(1 for run in self._runs.values() if run.record.worker == self.worker)
        return 0 if self._draining.is_set() else max(0, self.config.slots - own)

    def drain(self, reason: str) -> None:
        """Begin to stop; called again, kill what still runs. May be called from a signal handler of the loop."""
        if self._draining.is_set():
            log.warning("stopping at once (%s)", reason)
            self._kill = True
            for run in self._runs.values():
                run.request_stop(Stop(StopKind.AGENT, reason), now=True)
        self._drain_reason = reason
        self._draining.set()

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until `drain` is called; returns when nothing of this worker is left running."""
        with Watcher() as watcher:
            async with asyncio.TaskGroup() as group:
                slots = Slots(group, watcher, self)
                for directory in list(RunDirectory.orphans(self.config.runs)):
                    log.info("taking over task %s", directory.record.task)
                    slots.start(directory)
                entries = group.create_task(self._serve(slots, on_ready), name="wait for entries")
                renewal = group.create_task(self._renew_loop(), name="renew leases")
                reports = group.create_task(self._reports.run(), name="report")
                await self._draining.wait()
                entries.cancel()
                await self._stop_runs(slots)
                renewal.cancel()
                reports.cancel()
        await self._unregister()

    # ------------------------------------------------------------------------------------------------- loops

    async def _serve(self, slots: Slots, on_ready: Callable[[], None]) -> None:
        body = {"worker": self.worker, "queues": self.queue_ids, "tags": self._tags()}
        await self.api.call("workers.register", body)
        await self._renew(is_start=True)
        on_ready()
        await self._wait_loop(slots)

    async def _wait_loop(self, slots: Slots) -> None:
        """Wait for entries and stop requests, one call after the other."""
        while True:
            free = 0 if self._is_held else self.free_slots()
            self._freed.clear()
            body = {
                "worker": self.worker,
                "queues": self.queue_ids,
                "order_fairness": self._order_fairness,
                "slots": min(free, MAX_SLOTS),
                "known_stops": self._known_stops(),
                "known_drain": self._is_held,
                "known_missing": self._missing,
                "timeout_s": MISSING_WAIT_S if self._missing else WAIT_S,
            }
            answer = await self._wait_call(body, interruptible=free == 0)
            for stop in answer.get("stops") or ():
                self._stop_run(stop)
            for entry in answer.get("entries") or ():
                await self._accept(slots, entry)
            self._hold(bool(answer.get("drain", self._is_held)))
            await self._note_missing(answer.get("missing", self._missing))

    async def _note_missing(self, missing: Sequence[str]) -> None:
        """Say once that a served queue was deleted; one that is made again under its name is served again."""
        for queue in self.queues:
            if queue.id in missing and queue.id not in self._missing:
                log.warning("queue %s was deleted: it is not served until there is one of that name again", queue.name)
        self._missing = [queue.id for queue in self.queues if queue.id in missing]
        if not self._missing:
            return
        for queue in self.queues:
            if queue.id in self._missing and (found := await self._find_again(queue.name)):
                log.info("queue %s is there again (%s)", queue.name, found)
                self._missing.remove(queue.id)
                queue.id = found

    async def _find_again(self, name: str) -> str | None:
        try:
            found = await by_name(self.api, name)
        except (ApiError, BadAnswer) as error:
            log.debug("%s", error)
            return None
        return found.id if found else None

    async def _wait_call(self, body: dict[str, Any], *, interruptible: bool) -> dict[str, Any]:
        """One `agents.wait`. A call that may bring entries is never given up by us: they would wait for their lease."""
        call = asyncio.ensure_future(self._call_quietly("agents.wait", body, timeout_s=WAIT_S + 15))
        freed = asyncio.ensure_future(self._freed.wait())
        try:
            await asyncio.wait((call, freed) if interruptible else (call,), return_when=asyncio.FIRST_COMPLETED)
            return call.result() if call.done() else {}
        finally:
            for future in (call, freed):
                future.cancel()
            await asyncio.wait((call, freed))

    async def _call_quietly(self, endpoint: str, body: dict[str, Any], *, timeout_s: float = 30.0) -> dict[str, Any]:
        """A call of a loop that goes on whatever the server says; a refusal is logged and waited out."""
        try:
            return await self.api.call(endpoint, body, timeout_s=timeout_s)
        except (ApiError, BadAnswer) as error:
            log.error("%s", error)
            await asyncio.sleep(5.0)
            return {}

    async def _accept(self, slots: Slots, entry: dict[str, Any]) -> None:
        """Write a claim down, then run it; a claim that cannot be written down goes back to its queue."""
        record = Record(
            task=str(entry["task"]),
            claim=int(entry["claim"]),
            token=str(entry["token"]),
            worker=self.worker,
            queue=str(entry.get("queue") or ""),
            claimed_at=time.time(),
        )
        try:
            directory = RunDirectory.create(self.config.runs, record)
        except OSError as error:
            log.error("task %s cannot be run here and goes back to its queue: %s", record.task, error)
            body = {"worker": self.worker, "task": record.task, "claim": record.claim, "reason": str(error)}
            await self._call_quietly("agents.release", body)
            await asyncio.sleep(1.0)  # what is wrong with this disk is wrong for the next entry as well
            return
        slots.start(directory)

    def _hold(self, is_held: bool) -> None:
        """Take nothing new while the server wants this worker drained; what runs goes on."""
        if is_held != self._is_held:
            self._is_held = is_held
            log.info("drained: this worker takes nothing new" if is_held else "this worker takes tasks again")

    def _known_stops(self) -> list[str]:
        """What the server need not tell again; of a run that is over only until the server has forgotten it too."""
        oldest = time.monotonic() - TOLD_KEPT_S
        self._told = {task: at for task, at in self._told.items() if task in self._runs or at > oldest}
        return sorted(self._told)

    def _stop_run(self, stop: dict[str, Any]) -> None:
        run = self._runs.get(str(stop.get("task")))
        self._told[str(stop.get("task"))] = time.monotonic()
        if run is None or int(stop.get("claim") or run.record.claim) != run.record.claim:
            return
        reason = str(stop.get("reason") or "stopping")
        if reason == "status changed: completed":
            return  # a script may complete its own task and go on (contract: agent_behaviour.md 13)
        run.request_stop(Stop(KINDS.get(reason, StopKind.STATUS), reason))

    async def _renew_loop(self) -> None:
        """Keep the leases of this worker and of every claim it looks after, also those of a worker it took over."""
        while True:
            period_s = await self._renew()
            await asyncio.sleep(period_s)

    async def _renew(self, *, is_start: bool = False) -> float:
        """Renew once; returns the seconds until the next time.

        Args:
            is_start: entries that this worker took before and does not know return to their queues at once.
        """
        period_s = RENEW_S
        for worker in sorted({self.worker} | {run.record.worker for run in self._runs.values()}):
            body: dict[str, Any] = {
                "worker": worker,
                "queues": self._queues_of(worker),
                "claims": self._claims(worker),
            }
            if is_start and worker == self.worker:
                body["is_start"] = True
            answer = await self._call_quietly("agents.renew", body)
            for lost in answer.get("lost") or ():
                self._stop_run({"reason": "fenced", **{name: lost.get(name) for name in ("task", "claim")}})
            if lease_s := answer.get("lease_s"):
                period_s = min(RENEW_S, max(0.2, float(lease_s) / 3))
        return period_s

    def _claims(self, worker: str) -> list[dict[str, Any]]:
        runs = [run for run in self._runs.values() if run.record.worker == worker and run.record.claim]
        return [{"task": run.task, "claim": run.record.claim} for run in runs]

    def _working(self) -> list[Working]:
        """What this process's workers do: each task under the worker that claimed it; this one also when it waits."""
        found = [
            Working(self._name_of(run), self._queues_of(run.record.worker), run.task, run.record.queue)
            for run in self._runs.values()
        ]
        if not any(working.worker == self.worker for working in found):
            found.append(Working(self.worker, self.queue_ids))
        return found

    def _name_of(self, run: TaskRun) -> str:
        """The worker under which a run is reported: in services mode each has one (contract: agent_behaviour.md 9)."""
        return f"{run.record.worker}:service:{run.task}" if self.config.services else run.record.worker

    def _queues_of(self, worker: str) -> list[str]:
        return self.queue_ids if worker == self.worker else []

    def _tags(self) -> list[str] | None:
        return list(self.config.tags) or None

    # ---------------------------------------------------------------------------------------------- shutdown

    async def _stop_runs(self, slots: Slots) -> None:
        """Stop everything that runs, wait until it is dead and reported; leave to the next start what is not."""
        if self._runs:
            log.info("stopping %d task(s): %s", len(self._runs), ", ".join(sorted(self._runs)))
        for run in list(self._runs.values()):
            run.request_stop(Stop(StopKind.AGENT, self._drain_reason), now=self._kill)
        tasks = list(slots.tasks)
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self.config.grace_s + REPORT_LIMIT_S)
        for task in late:
            log.warning("%s is not reported yet; the next start of an agent here does it", task.get_name())
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def _unregister(self) -> None:
        """Leave; entries on their way to the last, broken off `agents.wait` return to their queues at once."""
        body: dict[str, Any] = {"worker": self.worker, "queues": self.queue_ids}
        try:
            await self.api.call(
                "agents.renew", {**body, "claims": self._claims(self.worker), "is_start": True}, give_up_s=2
            )
        except (ApiError, BadAnswer, ServerUnreachable) as error:
            log.debug("%s", error)
        await self._reports.leave()


class Slots:
    """The runs in progress, as tasks of the daemon's group."""

    def __init__(self, group: asyncio.TaskGroup, watcher: Watcher, daemon: Daemon) -> None:
        self._group, self._watcher, self._daemon = group, watcher, daemon
        self.tasks: set[asyncio.Task[None]] = set()

    def start(self, directory: RunDirectory) -> None:
        """Run what the directory holds; in parallel with everything else."""
        self._daemon._told.pop(directory.record.task, None)  # what was told was about an older claim
        task = self._group.create_task(self._see_through(directory), name=f"task {directory.record.task}")
        self._daemon._runs[directory.record.task] = self._run(directory)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def _run(self, directory: RunDirectory) -> TaskRun:
        daemon = self._daemon
        return TaskRun(
            directory,
            config=daemon.config,
            api=daemon.api,
            watcher=self._watcher,
            echo=daemon._echo,
            on_change=daemon._reports.changed,
        )

    async def _see_through(self, directory: RunDirectory) -> None:
        """See one run to its end; a fault of ours in it ends no other one, and is tried again from what is on disk."""
        daemon, name = self._daemon, directory.record.task
        delay_s = FAULT_DELAY_S
        try:
            while True:
                try:
                    await daemon._runs[name].run()
                    return
                except Exception:  # the top of one slot's work
                    log.exception("task %s could not be seen to its end; trying again in %.0f s", name, delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, MAX_FAULT_DELAY_S)
                again = RunDirectory.adopt(directory.path)
                if again is None:
                    return
                daemon._runs[name] = self._run(again)
        finally:
            del daemon._runs[name]
            daemon._freed.set()
            daemon._reports.changed()
