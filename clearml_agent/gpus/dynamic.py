"""`--dynamic-gpus`, from its options to a pool: which GPUs, for which queues, by which settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from clearml_agent.config import AgentConfig
from clearml_agent.errors import UsageError
from clearml_agent.gpus.devices import Reader
from clearml_agent.gpus.packing import Board, Request, parse_queue
from clearml_agent.gpus.pool import BoardLocks, Pool, find_boards
from clearml_agent.gpus.turns import IDLE_SHARE, PATIENCE_S, Turns
from clearml_agent.gpus.watching import Watch
from clearml_agent.queues import Queue


class DynamicGpus:
    """The GPUs that this process gives out, and the queues as they were asked for."""

    def __init__(self, config: AgentConfig, wanted: dict[str, Request], boards: Sequence[Board], watch: Watch) -> None:
        self._config, self._wanted, self._boards, self.watch = config, wanted, boards, watch

    @property
    def names(self) -> list[str]:
        """Of the queues, without their numbers of GPUs."""
        return list(self._wanted)

    def pool(self, queues: Sequence[Queue], *, in_rotation: bool) -> Pool:
        """For the queues that these names stand for, in the same order. Raises UsageError."""
        requests = list(self._wanted.values())
        if len(queues) != len(requests):
            raise UsageError("two of the names after --queue mean the same queue: name each once")
        number = self._config.config.number
        turns = Turns(
            requests,
            in_rotation=in_rotation,
            patience_s=number("agent.gpu.reserve_after_sec", PATIENCE_S),
            idle_share=number("agent.gpu.reserve_idle_percent", 100 * IDLE_SHARE) / 100,
        )
        return Pool(
            queues, requests, self._boards, turns=turns, runs=self._config.runs, outsiders=self.watch.left_alone
        )


@asynccontextmanager
async def opened(config: AgentConfig, queue_names: Sequence[str]) -> AsyncIterator[DynamicGpus]:
    """Find and hold the GPUs. Raises UsageError for what cannot be meant, AgentError for GPUs that are not there."""
    if config.gpus == "none":
        raise UsageError("--dynamic-gpus and --cpu-only cannot be meant together")
    if not queue_names:
        raise UsageError("--dynamic-gpus needs to know what each queue gets: --queue NAME=GPUS ...")
    wanted = dict(parse_queue(name) for name in queue_names)
    if len(wanted) != len(queue_names):
        raise UsageError("a queue is named twice after --queue: name each once")
    reader = Reader(config.gpus)
    await asyncio.to_thread(reader.open)
    try:
        boards = find_boards(reader, config.gpus)
        locks = BoardLocks(config.home, boards)
        try:
            flag = config.config.flag
            enforce, leave_occupied = flag("agent.gpu.enforce"), flag("agent.gpu.leave_occupied")
            watch = Watch(reader, config.runs, enforce=enforce, leave_occupied=leave_occupied)
            for _ in range(2):  # as many looks as it takes to believe that somebody is there
                await watch.look(())
            yield DynamicGpus(config, wanted, boards, watch)
        finally:
            locks.close()
    finally:
        reader.close()
