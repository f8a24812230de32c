"""One daemon's GPUs: what is held is read from the directories of runs, whoever looks after them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from clearml_agent.errors import AgentError, UsageError
from clearml_agent.gpus.packing import Board, parse_request
from clearml_agent.gpus.pool import BoardLocks, Pool
from clearml_agent.gpus.turns import Turns
from clearml_agent.placing import NoRoom
from clearml_agent.queues import Queue
from clearml_agent.runs import Outcome, Record, RunDirectory

from .simulated import boards


def pool(runs: Path, gpus: Sequence[Board], outsiders: frozenset[str] = frozenset(), **wanted: str) -> Pool:
    requests = [parse_request(text) for text in wanted.values()]
    queues = [Queue(f"id-{name}", name) for name in wanted]
    turns = Turns(requests)
    return Pool(queues, requests, gpus, turns=turns, runs=runs, outsiders=lambda: outsiders, clock=lambda: 0.0)


def record(task: str, queue: str) -> Record:
    return Record(task=task, claim=1, token="t", worker="host:dgpuall", queue=f"id-{queue}")


def test_what_other_agents_and_earlier_ones_hold_is_not_given_again(tmp_path: Path) -> None:
    earlier = pool(tmp_path, boards(2), single="1", half="0.5")
    first = record("first", "single")
    earlier.place(first, [])
    directory = RunDirectory.create(tmp_path, first)
    later = pool(tmp_path, boards(2), single="1", half="0.5")
    second = record("second", "half")
    later.place(second, [])
    assert (first.shown_worker, second.shown_worker) == ("host:gpu0", "host:gpu1.5a")
    assert later.room([second]).queues == ["id-half"]
    with pytest.raises(NoRoom, match="1 GPU"):
        later.place(record("third", "single"), [second])
    directory.record.outcome = Outcome("tasks.completed")
    directory.save()
    later.place(record("third", "single"), [second])


def test_gpus_that_others_occupy_are_not_given(tmp_path: Path) -> None:
    gpus = boards(2)
    found = pool(tmp_path, gpus, frozenset({gpus[0].uuid}), single="1", dual="2")
    assert found.room([]).queues == ["id-single"]
    taken = record("task", "single")
    found.place(taken, [])
    assert taken.shown_worker == "host:gpu1"
    with pytest.raises(NoRoom):
        found.place(record("other", "single"), [taken])


def test_task_of_a_queue_that_is_not_served_has_no_place(tmp_path: Path) -> None:
    with pytest.raises(NoRoom, match="does not serve"):
        pool(tmp_path, boards(1), single="1").place(record("task", "other"), [])


def test_queue_that_can_never_be_served_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="queue quad wants 4 GPUs, and this agent has 2"):
        pool(tmp_path, boards(2), quad="4")


def test_two_daemons_do_not_give_out_the_same_gpu(tmp_path: Path) -> None:
    first, second, third = boards(3)
    held = BoardLocks(tmp_path, [first, second])
    with pytest.raises(AgentError, match=r"GPU 1 .* is given out by another agent"):
        BoardLocks(tmp_path, [third, second])
    beside = BoardLocks(tmp_path, [third])  # which the refused one let go again
    held.close()
    BoardLocks(tmp_path, [first, second]).close()
    beside.close()
