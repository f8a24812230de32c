"""The GPUs of one `--dynamic-gpus` daemon: which queues may be asked now, and what the task that came is given.

What is held is what the records of runs say, of this agent and of others of this user, so an agent that was killed
finds everything as it was. A run holds its GPUs from its first record until its process tree is dead.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from clearml_agent.errors import AgentError, UsageError
from clearml_agent.gpus.devices import Reader
from clearml_agent.gpus.packing import WHOLE, Allocation, Board, Request, place
from clearml_agent.gpus.turns import Turns
from clearml_agent.placing import NoRoom, Room
from clearml_agent.queues import Queue
from clearml_agent.runs import Record, read_struct, take_lock

log = logging.getLogger("clearml_agent")

LEAST_WAIT_S = 0.05


class Pool:
    """Args:
    queues: most important first; requests: of each.
    runs: the directory of runs.
    outsiders: tells which GPUs are to be left alone now.
    """

    def __init__(
        self,
        queues: Sequence[Queue],
        requests: Sequence[Request],
        boards: Sequence[Board],
        *,
        turns: Turns,
        runs: Path,
        outsiders: Callable[[], frozenset[str]] = frozenset,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.queues, self.requests, self.boards = list(queues), list(requests), list(boards)
        self._turns, self._runs, self._outsiders, self._clock = turns, runs, outsiders, clock
        self._waiting: list[str] = []
        self._kept: frozenset[str] = frozenset()
        """GPUs that were kept for another queue when it was last said what can be taken."""
        for queue, request in zip(queues, requests, strict=True):
            if request.least > len(boards) * WHOLE:
                raise UsageError(f"queue {queue.name} wants {request}, and this agent has {len(boards)}")

    def room(self, running: Sequence[Record]) -> Room:
        """One task of a queue whose task fits; how long that holds."""
        now = self._clock()
        plan = self._turns.plan(self._available(), self.held(running), now)
        self._kept = plan.kept
        return Room(
            tasks=1 if plan.ask else 0,
            queues=[self.queues[number].id for number in plan.ask],
            known_waiting=list(self._waiting),
            again_s=None if plan.again_at is None else max(LEAST_WAIT_S, plan.again_at - now),
        )

    def hear(self, waiting: Sequence[str]) -> None:
        """The server says which queues hold tasks."""
        known = {queue.id for queue in self.queues}
        self._waiting = [queue for queue in waiting if queue in known]
        numbers = [number for number, queue in enumerate(self.queues) if queue.id in self._waiting]
        self._turns.heard(numbers, self._clock())

    def place(self, record: Record, running: Sequence[Record]) -> None:
        """Give the task its GPUs. Raises NoRoom when they have gone to somebody else meanwhile."""
        number = next((i for i, queue in enumerate(self.queues) if queue.id == record.queue), None)
        if number is None:
            raise NoRoom(f"this agent does not serve queue {record.queue} any more")
        open_boards = [board for board in self._available() if board.uuid not in self._kept]
        allocation = place(self.requests[number], open_boards, self.held(running))
        if allocation is None:
            raise NoRoom(f"{self.requests[number]} were free a moment ago, and are not any more")
        record.gpus = allocation
        self._turns.taken(number, self._clock())
        log.info("task %s gets %s", record.task, allocation.name)

    def held(self, running: Sequence[Record]) -> list[Allocation]:
        """What is given out now."""
        own = {record.run_id for record in running}
        records = [*running, *(record for record in records_of(self._runs) if record.run_id not in own)]
        return [record.gpus for record in records if record.gpus is not None and record.outcome is None]

    def _available(self) -> list[Board]:
        left_alone = self._outsiders()
        return [board for board in self.boards if board.uuid not in left_alone]


def records_of(runs: Path) -> Iterator[Record]:
    """The records of all runs on this machine, whoever looks after them."""
    for path in runs.glob("[!.]*/run.json"):
        try:
            yield read_struct(path, Record)
        except (OSError, msgspec.DecodeError):
            continue  # gone in this moment


def find_boards(reader: Reader, visible: str | None) -> list[Board]:
    """The GPUs that `--gpus` names. Raises AgentError when NVML tells of none, or not of all of them."""
    from clearml_agent.gpus.visible import names

    boards = reader.boards()
    if not boards:
        raise AgentError(
            f"--dynamic-gpus needs GPUs that NVML tells of, and for --gpus {visible or 'all'} it tells of none; "
            "`nvidia-smi -L` lists those of this machine"
        )
    for name in names(visible) or ():
        if not any(_is_of(board, name) for board in boards):
            known = ", ".join(board.name for board in boards)
            raise AgentError(
                f"--gpus {visible}: there is no GPU {name} on this machine (of those named it has {known})"
            )
    return boards


def _is_of(board: Board, name: str) -> bool:
    index = board.name.partition(":")[0]
    return name in (board.name, index) or (not name.isdigit() and board.uuid.startswith(name)) or name[:4] == "GPU-"


class BoardLocks:
    """A daemon's hold on the GPUs that it gives out; ends with the process."""

    def __init__(self, home: Path, boards: Sequence[Board]) -> None:
        """Raises AgentError when another daemon gives one of them out."""
        folder = home / "gpus"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._fds: list[int] = []
        for board in boards:
            fd = take_lock(folder / f"{board.uuid.replace('/', '_')}.lock")
            if fd is None:
                self.close()
                raise AgentError(
                    f"GPU {board.name} ({board.uuid}) is given out by another agent of this machine; "
                    "`clearml-agent daemon --status` lists them"
                )
            self._fds.append(fd)

    def close(self) -> None:
        for fd in self._fds:
            os.close(fd)
        self._fds = []
