"""A machine with GPUs and a server with queues, in simulated time: what the agent's own rules make of a load."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from clearml_agent.gpus.packing import WHOLE, Allocation, Board, Request, place, used
from clearml_agent.gpus.turns import Turns


def boards(count: int, memory_mib: int = 80_000) -> list[Board]:
    return [Board(str(index), f"GPU-{index:04d}", memory_mib) for index in range(count)]


@dataclass
class Job:
    """A task of queue number `queue`; times in s."""

    queue: int
    length_s: float
    arrives_at: float = 0.0
    head_at: float = 0.0
    started_at: float = -1.0
    allocation: Allocation | None = None


@dataclass
class Machine:
    """Runs jobs to their end, as an agent with these queues would; `check` holds after every change."""

    requests: Sequence[Request]
    gpus: list[Board]
    turns: Turns
    now: float = 0.0
    waiting: list[list[Job]] = field(default_factory=list)
    running: list[tuple[float, int, Job]] = field(default_factory=list)
    busy_s: float = 0.0
    """GPU-seconds given out so far."""
    started: list[Job] = field(default_factory=list)

    def run(self, jobs: Sequence[Job], *, until_s: float = float("inf")) -> None:
        """Until everything has run, or that time."""
        self.waiting = [[] for _ in self.requests]
        arrivals = sorted(jobs, key=lambda job: job.arrives_at)
        while self.now < until_s:
            while arrivals and arrivals[0].arrives_at <= self.now:
                self._arrive(arrivals.pop(0))
            while self.running and self.running[0][0] <= self.now:
                heapq.heappop(self.running)
            again_at = self._serve()
            times = [job.arrives_at for job in arrivals[:1]] + [end for end, _, _ in self.running[:1]]
            times += [again_at] if again_at is not None else []
            if not times or not (arrivals or self.running or any(self.waiting)):
                return
            self._pass_until(min(*times, until_s) if len(times) > 1 else min(times[0], until_s))

    @property
    def held(self) -> list[Allocation]:
        return [job.allocation for _, _, job in self.running if job.allocation is not None]

    def check(self) -> None:
        taken = used(self.held)
        assert all(0 < share <= WHOLE for share in taken.values())
        names = [part.name + part.letter for allocation in self.held for part in allocation.parts]
        assert len(names) == len(set(names))
        for board in self.gpus:
            parts = [part for allocation in self.held for part in allocation.parts if part.uuid == board.uuid]
            assert sum(part.memory_mib for part in parts) <= board.memory_mib
            assert len(parts) <= 1 or not any(part.is_whole for part in parts)

    def _arrive(self, job: Job) -> None:
        queue = self.waiting[job.queue]
        queue.append(job)
        if len(queue) == 1:
            job.head_at = self.now

    def _serve(self) -> float | None:
        while True:
            self.turns.heard([number for number, queue in enumerate(self.waiting) if queue], self.now)
            plan = self.turns.plan(self.gpus, self.held, self.now)
            for number in plan.ask:
                left = [board for board in self.gpus if board.uuid not in plan.kept]
                allocation = place(self.requests[number], left, self.held)
                assert allocation is not None, "a queue was asked whose task has no room"
                if self.waiting[number]:
                    self._start(number, allocation)
                    break
            else:
                return plan.again_at

    def _start(self, number: int, allocation: Allocation) -> None:
        job = self.waiting[number].pop(0)
        job.allocation, job.started_at = allocation, self.now
        if self.waiting[number]:
            self.waiting[number][0].head_at = self.now
        heapq.heappush(self.running, (self.now + job.length_s, len(self.started), job))
        self.started.append(job)
        self.turns.taken(number, self.now)
        self.check()

    def _pass_until(self, time: float) -> None:
        self.busy_s += (time - self.now) * sum(used(self.held).values()) / WHOLE
        self.now = time
