"""Who uses how much of which GPU, as NVML tells: budgets of memory are held to, outsiders' GPUs left alone.

NVML announces nothing, so it is asked once a second, while there is something to watch: a task with a share of a GPU,
or the wish to leave occupied GPUs alone. In a container NVML tells the numbers that processes have outside it: then
neither can be known, which is said.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clearml_agent.gpus.devices import Reader, Use
from clearml_agent.gpus.packing import Allocation
from clearml_agent.runner import descendants
from clearml_agent.runs import CONTAINED, OUTSIDE, RunnerPid, Stop, StopKind, read_struct

if TYPE_CHECKING:
    from clearml_agent.execution.run import TaskRun

log = logging.getLogger("clearml_agent")

WATCH_S = 1.0


def excess(allocation: Allocation, uses: Iterable[Use], pids: frozenset[int]) -> str:
    """What a task with these processes uses beyond its budget, in words; empty: nothing. Pure."""
    for part in allocation.parts:
        used = sum(use.memory or 0.0 for use in uses if use.uuid == part.uuid and use.pid in pids)
        if part.memory_mib and used > part.memory_mib:
            return (
                f"the task uses {used:.0f} MiB of GPU {part.name}, and its budget is {part.memory_mib} MiB "
                f"({part.share_text} of the GPU)"
            )
    return ""


def outsiders(uses: Iterable[Use], own: Iterable[frozenset[int]]) -> frozenset[tuple[str, int]]:
    """(GPU, pid) of the processes that belong to none of our runs. Pure."""
    known: frozenset[int] = frozenset().union(*own)
    return frozenset((use.uuid, use.pid) for use in uses if use.pid not in known)


def foreign(uses: Iterable[Use], is_here: Callable[[int], bool]) -> frozenset[int]:
    """The processes that NVML tells of and this machine does not know: just ended, or numbered by another namespace."""
    return frozenset(use.pid for use in uses if not is_here(use.pid))


def pids_of(directory: Path) -> frozenset[int]:
    """The processes of a run, as far as they are under its runner; a container's lock has another system's number."""
    try:
        runner = read_struct(directory / (OUTSIDE if (directory / CONTAINED).exists() else "lock"), RunnerPid).pid
    except (OSError, ValueError):  # not started yet
        return frozenset()
    return frozenset(descendants(runner, -1))


class Watch:
    """Args:
    enforce: stop a task that is beyond its budget, instead of saying so in its console.
    leave_occupied: keep an eye on whose processes are where.
    """

    def __init__(self, reader: Reader, runs: Path, *, enforce: bool = False, leave_occupied: bool = False) -> None:
        self._reader, self._runs, self._enforce, self._leave_occupied = reader, runs, enforce, leave_occupied
        self._warned: set[str] = set()
        self._seen: frozenset[tuple[str, int]] = frozenset()
        self._left_alone: frozenset[str] = frozenset()
        self._foreign: frozenset[int] = frozenset()
        self._is_blind = False
        """The numbers of processes are of another namespace; it has been said."""

    def left_alone(self) -> frozenset[str]:
        """The GPUs that outsiders occupied at the last two looks: who ends between two readings is nobody's at one."""
        return self._left_alone

    async def run(self, running: Callable[[], Sequence[TaskRun]], changed: Callable[[], None]) -> None:
        """Look again and again; `changed` is called when GPUs are occupied or left by outsiders."""
        while True:
            await self.look(running(), changed)
            await asyncio.sleep(WATCH_S)

    async def look(self, running: Sequence[TaskRun], changed: Callable[[], None] = lambda: None) -> None:
        limited = [run for run in running if run.record.gpus and any(p.memory_mib for p in run.record.gpus.parts)]
        if not limited and not self._leave_occupied:
            return
        uses, pids = await asyncio.to_thread(self._read)
        self._check_namespace(uses)
        for run in limited:
            if run.record.gpus and (said := excess(run.record.gpus, uses, pids.get(run.record.run_id, frozenset()))):
                self._beyond(run, said)
        if self._leave_occupied:
            seen = outsiders(uses, pids.values())
            left_alone = frozenset(uuid for uuid, _ in seen & self._seen)
            self._seen = seen
            if left_alone != self._left_alone:
                log.info("GPUs left alone, as others use them: %s", ", ".join(sorted(left_alone)) or "none")
                self._left_alone = left_alone
                changed()

    def _check_namespace(self, uses: Sequence[Use]) -> None:
        """Say once that processes cannot be told; who ends between two readings is unknown at one look only."""
        seen = foreign(uses, lambda pid: Path(f"/proc/{pid}").exists())
        if seen & self._foreign and not self._is_blind:
            self._is_blind = True
            log.warning(
                "NVML tells of processes that are not here (%s), as in a container of its own process numbers: budgets "
                "of GPU memory are not watched, and no outsider is told from a task; run the container with --pid=host",
                ", ".join(map(str, sorted(seen & self._foreign))),
            )
        self._foreign = seen

    def _read(self) -> tuple[list[Use], Mapping[str, frozenset[int]]]:
        uses = self._reader.uses()
        return uses, {path.name: pids_of(path) for path in self._runs.glob("[!.]*")}

    def _beyond(self, run: TaskRun, said: str) -> None:
        if self._enforce:
            if run.record.stop is None:
                run.request_stop(Stop(StopKind.LIMIT, said))
        elif run.record.run_id not in self._warned:
            self._warned.add(run.record.run_id)
            run.console.write(f"Warning: {said}. Others on this GPU may run out of memory.")
