"""The agent's loop: one long call waits for entries and stop requests, slots run what comes, leases are renewed.

    wait ──entries──> slots: TaskRun ──> (status, console: by themselves)
      └──stops──────> TaskRun.request_stop
    renew  every third of a lease: this worker and its claims; lost claims are stopped
    report every 30 s and at each change of task: machine statistics

It leaves in stages (`leaving.py`); all of this goes on until the last run is over. Runs that could not be reported by
then (no server) stay on disk for the next start.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from clearml_agent.api import Api, call_quietly
from clearml_agent.config import AgentConfig
from clearml_agent.execution.run import TaskRun
from clearml_agent.leases import Leases
from clearml_agent.leaving import Stage, next_stage, order
from clearml_agent.placing import NoRoom, Placing, Room
from clearml_agent.placing import Slots as PlainSlots
from clearml_agent.queues import Queue, Served
from clearml_agent.reports import StatusReports, Working
from clearml_agent.runs import Record, RunDirectory, Stop, StopKind
from clearml_agent.schedule import entries, schedule
from clearml_agent.slots import Slots
from clearml_agent.watch import Watcher

if TYPE_CHECKING:
    from clearml_agent.docker.containers import Containers

log = logging.getLogger("clearml_agent")

WAIT_S = 25.0
MISSING_WAIT_S = 5.0
"""How long one call waits while a served queue is gone: it may be made again."""
MAX_SLOTS = 256
"""As many entries as one call may bring."""
TOLD_KEPT_S = 300.0
KINDS = {"stopping": StopKind.USER, "fenced": StopKind.FENCED, "deleted": StopKind.FENCED}
Beside = Callable[[Callable[[], Sequence[TaskRun]], Callable[[], None]], Coroutine[Any, Any, None]]
REPORT_LIMIT_S = 6.0
"""How long, after the tasks are dead, a stopping daemon tries to report them."""


class Daemon:
    """One worker: its queues, its slots and what runs in them.

    Args:
        placing: decides what is taken and where it runs; None: as many tasks at a time as are configured.
        beside: runs as long as the daemon; gets what tells its runs, and what to call when `placing` has news.
        echo: gets the console of every task, for a daemon in the foreground.
        containers: gives each run its container, in docker mode.
    """

    def __init__(
        self,
        *,
        config: AgentConfig,
        api: Api,
        worker: str,
        queues: Sequence[Queue],
        order_fairness: bool = False,
        placing: Placing | None = None,
        beside: Beside | None = None,
        echo: Callable[[str], None] | None = None,
        containers: Containers | None = None,
    ) -> None:
        self.config, self.api, self.worker, self._served = config, api, worker, Served(api, queues)
        self._order_fairness, self._echo, self._containers = order_fairness, echo, containers
        self._placing, self._beside = placing or PlainSlots(config.slots, worker), beside
        self._stage = Stage.SERVING
        self._staged = asyncio.Event()
        """Set at each change of the stage."""
        self._freed = asyncio.Event()
        """Set when the call that waits may have to ask for something else."""
        self._reports = StatusReports(config=config, api=api, working=self._working)
        self._slots: Slots | None = None
        self._told: dict[str, float] = {}
        """Tasks whose stop the server has told, and when (monotonic, s): it would tell them again at once."""
        self._schedule = schedule(*(entries(config.config.get(f"agent.{name}")) for name in ("uptime", "downtime")))
        self._is_held = self._is_off_duty = False
        self._leases = Leases(api, worker, queues=self._queues_of, runs=lambda: self.runs, lose=self._stop_run)

    @property
    def queue_ids(self) -> list[str]:
        return self._served.ids

    @property
    def runs(self) -> list[TaskRun]:
        return list(self._slots or ())

    def on_signal(self, name: str, actor: str = "") -> None:
        """Go one stage further; may be called from a signal handler of the loop.

        Args:
            actor: who asked for it, where that is known.
        """
        self.leave(next_stage(self._stage, name), name, actor)

    def leave(self, stage: Stage, reason: str, actor: str = "") -> None:
        """Go to a stage of leaving; `run` returns when nothing is left running."""
        if stage <= self._stage:
            return
        self._stage = stage
        log.info("leaving (%s%s): %s, %d task(s)", reason, actor and f", {actor}", stage.name.lower(), len(self.runs))
        said = order(stage, reason, actor)
        for run in self.runs:
            if stage is Stage.KILL:
                run.kill()
            elif said is not None:
                run.request_stop(said)
        self._freed.set()
        self._staged.set()

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until it is time to leave; returns when nothing of this worker is left running."""
        with Watcher() as watcher:
            async with asyncio.TaskGroup() as group:
                self._slots = slots = Slots(
                    group,
                    watcher,
                    config=self.config,
                    api=self.api,
                    echo=self._echo,
                    # GPUs are free when a task's processes are dead, a plain slot when its run is over.
                    on_change=self._reports.changed if self._beside is None else self._changed,
                    on_end=self._changed,
                    containers=self._containers,
                )
                for directory in list(RunDirectory.orphans(self.config.runs)):
                    log.info("taking over task %s", directory.record.task)
                    slots.start(directory)
                jobs = [
                    group.create_task(self._serve(slots, on_ready), name="wait for entries"),
                    group.create_task(self._leases.run(), name="renew leases"),
                    group.create_task(self._reports.run(), name="report"),
                ]
                if self._beside is not None:
                    jobs.append(group.create_task(self._beside(lambda: self.runs, self._freed.set), name="beside"))
                await self._staged.wait()
                await self._finish(slots)
                for job in jobs:
                    job.cancel()
        await self._leases.end()
        await self._reports.leave()

    def _changed(self) -> None:
        self._freed.set()
        self._reports.changed()

    # ------------------------------------------------------------------------------------------------- loops

    async def _serve(self, slots: Slots, on_ready: Callable[[], None]) -> None:
        body = {"worker": self.worker, "queues": self.queue_ids, "tags": self._tags()}
        await self.api.call("workers.register", body)
        await self._leases.renew(is_start=True)
        on_ready()
        while True:
            await self._wait(slots)

    async def _wait(self, slots: Slots) -> None:
        """Wait for entries and stop requests once."""
        self._freed.clear()
        room = self._room(slots)
        tasks = 0 if room.queues is not None and not room.queues else min(room.tasks, MAX_SLOTS)
        body = {
            "worker": self.worker,
            "queues": self.queue_ids,
            "take_from": room.queues,
            "known_waiting": room.known_waiting,
            "order_fairness": self._order_fairness,
            "slots": tasks,
            "known_stops": self._known_stops(slots),
            "known_drain": self._is_held,
            "known_missing": self._served.missing,
            **self._duty(min(MISSING_WAIT_S if self._served.missing else WAIT_S, room.again_s or WAIT_S)),
            "use_owner_token": self.config.use_owner_token,
        }
        answer = await self._wait_call(body, lambda: self._room(slots).queues != room.queues)
        if answer is None:
            # What the call that was broken off may have brought returns to its queue.
            await self._leases.renew(is_start=True)
            return
        for stop in answer.get("stops") or ():
            self._stop_run(stop)
        for entry in answer.get("entries") or ():
            await self._accept(slots, entry)
        self._hold(bool(answer.get("drain", self._is_held)))
        if "waiting" in answer:
            self._placing.hear(answer["waiting"])
        await self._served.note_missing(answer.get("missing", self._served.missing))

    def _room(self, slots: Slots) -> Room:
        if self._is_held or self._stage is not Stage.SERVING:
            return Room(0)
        return self._placing.room(slots.records)

    def _duty(self, longest_s: float) -> dict[str, Any]:
        """Whether the timetable lets this worker take tasks, and how long one call may wait before that changes."""
        now = datetime.now()
        is_off = self._schedule is not None and not self._schedule.is_on(now)
        if is_off != self._is_off_duty:
            self._is_off_duty = is_off
            log.info("off duty by its timetable: takes nothing new" if is_off else "on duty by its timetable")
        left_s = self._schedule.seconds_to_change(now) if self._schedule is not None else None
        return {"is_off_duty": is_off, "timeout_s": longest_s if left_s is None else min(longest_s, left_s + 0.01)}

    async def _wait_call(self, body: dict[str, Any], is_outdated: Callable[[], bool]) -> dict[str, Any] | None:
        """One `agents.wait`; None when it was broken off although it might have brought entries.

        That is done only to leave, or to ask for other queues: such entries wait for their lease, or for our renewal.
        """
        call = asyncio.ensure_future(call_quietly(self.api, "agents.wait", body, timeout_s=WAIT_S + 15))
        try:
            while True:
                freed = asyncio.ensure_future(self._freed.wait())
                try:
                    await asyncio.wait((call, freed), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    freed.cancel()
                if call.done():
                    return call.result()
                if not body["slots"]:
                    return {}
                if self._stage is not Stage.SERVING or is_outdated():
                    return None
                self._freed.clear()
        finally:
            call.cancel()
            await asyncio.wait((call,))

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
        self._told.pop(record.task, None)  # what was told was about an older claim
        try:
            self._placing.place(record, slots.records)
            directory = RunDirectory.create(self.config.runs, record)
        except (OSError, NoRoom) as error:
            log.error("task %s cannot be run here and goes back to its queue: %s", record.task, error)
            body = {"worker": self.worker, "task": record.task, "claim": record.claim, "reason": str(error)}
            await call_quietly(self.api, "agents.release", body)
            await asyncio.sleep(1.0)  # what is wrong with this disk is wrong for the next entry as well
            return
        slots.start(directory)

    def _hold(self, is_held: bool) -> None:
        """Take nothing new while the server wants this worker drained; what runs goes on."""
        if is_held != self._is_held:
            self._is_held = is_held
            log.info("drained: this worker takes nothing new" if is_held else "this worker takes tasks again")

    def _known_stops(self, slots: Slots) -> list[str]:
        """What the server need not tell again; of a run that is over only until the server has forgotten it too."""
        oldest = time.monotonic() - TOLD_KEPT_S
        self._told = {task: at for task, at in self._told.items() if slots.get(task) or at > oldest}
        return sorted(self._told)

    def _stop_run(self, stop: dict[str, Any]) -> None:
        task = str(stop.get("task"))
        self._told[task] = time.monotonic()
        run = self._slots.get(task, int(stop.get("claim") or 0)) if self._slots else None
        reason = str(stop.get("reason") or "stopping")
        # A script may complete its own task and go on (contract: agent_behaviour.md 13).
        if run is not None and reason != "status changed: completed":
            run.request_stop(Stop(KINDS.get(reason, StopKind.STATUS), reason))

    def _working(self) -> list[Working]:
        """What this process's workers do: each task under the worker that claimed it; this one also when it waits."""
        found = [
            Working(self._name_of(run), self._queues_of(run.record.worker), run.task, run.record.queue, run.record.gpus)
            for run in self.runs
        ]
        if not any(working.worker == self.worker for working in found):
            found.append(Working(self.worker, self.queue_ids))
        return found

    def _name_of(self, run: TaskRun) -> str:
        """The worker under which a run is reported: in services mode each has one (contract: agent_behaviour.md 9)."""
        return f"{run.record.worker}:service:{run.task}" if self.config.services else run.record.shown_worker

    def _queues_of(self, worker: str) -> list[str]:
        return self.queue_ids if worker == self.worker else []

    def _tags(self) -> list[str] | None:
        return list(self.config.tags) or None

    # ---------------------------------------------------------------------------------------------- leaving

    async def _finish(self, slots: Slots) -> None:
        """Wait until every run is over; once they are stopped, only so long, and leave the rest to the next start."""
        deadline: float | None = None
        while slots.tasks:
            self._staged.clear()
            if deadline is None and self._stage >= Stage.REQUEUE:
                deadline = time.monotonic() + self.config.grace_s + REPORT_LIMIT_S
            left_s = None if deadline is None else deadline - time.monotonic()
            if left_s is not None and left_s <= 0:
                break
            staged = asyncio.ensure_future(self._staged.wait())
            try:
                await asyncio.wait((staged, *slots.tasks), timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                staged.cancel()
        late = set(slots.tasks)
        for task in late:
            log.warning("%s is not reported yet; the next start of an agent here does it", task.get_name())
            task.cancel()
        if late:
            await asyncio.wait(late)
