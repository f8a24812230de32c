"""Whose turn it is, on simulated hosts: they are busy, nobody is starved, and nothing is given twice.

`Machine.check` holds the second after every start of a task.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearml_agent.gpus.packing import WHOLE, Request, parse_request
from clearml_agent.gpus.turns import PATIENCE_S, TURN_S, Turns

from .simulated import Job, Machine, boards

MEAN_S = 600.0


def machine(gpus: int, wanted: Sequence[str], *, in_rotation: bool = False) -> Machine:
    requests = [parse_request(text) for text in wanted]
    return Machine(requests, boards(gpus), Turns(requests, in_rotation=in_rotation))


def backlog(requests: Sequence[Request], gpu_s: float, seed: int = 1) -> list[Job]:
    """Tasks of very different lengths that all wait from the start: of each queue more than the host can run."""
    dice = random.Random(seed)
    counts = [int(1.2 * gpu_s / MEAN_S * WHOLE / min(request.most, WHOLE)) for request in requests]
    return [Job(queue, dice.expovariate(1 / MEAN_S)) for queue, count in enumerate(counts) for _ in range(count)]


@pytest.mark.parametrize("in_rotation", [False, True], ids=["by importance", "in rotation"])
@pytest.mark.parametrize(
    ("gpus", "wanted"),
    [(8, ("1", "2", "4", "0.5")), (8, ("4", "2", "1", "0.5")), (4, ("1", "4")), (8, ("0.25", "0.5", "1", "1-4"))],
    ids=str,
)
def test_host_is_busy_under_a_mixed_load_and_every_queue_is_served(
    gpus: int, wanted: Sequence[str], in_rotation: bool
) -> None:
    """The GPUs are given out for all but the 4 % of the time that turns may cost, once that evens out."""
    host = machine(gpus, wanted, in_rotation=in_rotation)
    until_s = 1200 / gpus * MEAN_S
    host.run(backlog(host.requests, until_s * gpus), until_s=until_s)
    assert all(host.waiting)
    assert host.busy_s / (until_s * gpus) > 0.95
    assert {job.queue for job in host.started} == set(range(len(wanted)))


def test_queue_of_large_tasks_is_served_although_small_ones_never_cease() -> None:
    host = machine(4, ("1", "4"))
    dice = random.Random(5)
    small = [Job(0, dice.uniform(200, 1000)) for _ in range(4000)]
    large = [Job(1, 600.0) for _ in range(20)]
    host.run([*small, *large], until_s=400 * MEAN_S)
    assert sum(job.queue == 1 for job in host.started) == len(large)
    assert host.busy_s / (host.now * 4) > 0.95


def test_small_task_does_not_take_what_is_kept_for_a_large_one() -> None:
    host = machine(2, ("1", "2"))
    jobs = [Job(0, 100.0), Job(0, 200.0), Job(1, 50.0, arrives_at=1.0), Job(0, 300.0, arrives_at=2.0)]
    host.run(jobs)
    large, late = jobs[2], jobs[3]
    # The first GPU is free at 100 s, when the large task has been passed over for long enough.
    assert large.started_at == 200.0 and late.started_at == 250.0
    assert PATIENCE_S < 99.0


def test_turn_in_vain_ends_and_the_gpus_go_to_others() -> None:
    host = machine(2, ("1", "2"))
    weeks = Job(0, 30 * 24 * 3600.0)
    jobs = [weeks, Job(0, 100.0), Job(1, 50.0, arrives_at=1.0), Job(0, 300.0, arrives_at=2.0)]
    host.run(jobs, until_s=2 * TURN_S)
    assert jobs[2].started_at < 0
    assert 0 < jobs[3].started_at <= PATIENCE_S + TURN_S + 1


@settings(max_examples=60, deadline=None)
@given(
    gpus=st.integers(1, 6),
    wanted=st.lists(st.sampled_from(["0.25", "0.333", "0.5", "0.75", "1", "2", "1-3", "4"]), min_size=1, max_size=4),
    in_rotation=st.booleans(),
    data=st.data(),
)
def test_everything_that_can_run_here_does(
    gpus: int, wanted: list[str], in_rotation: bool, data: st.DataObject
) -> None:
    wanted = [text for text in wanted if parse_request(text).least <= gpus * 1000] or ["1"]
    host = machine(gpus, wanted, in_rotation=in_rotation)
    jobs = data.draw(
        st.lists(
            st.builds(
                Job, st.integers(0, len(wanted) - 1), st.floats(0.1, 1e4), st.floats(0, 1e4)
            ),
            max_size=25,
        )
    )  # fmt: skip
    host.run(jobs)
    assert all(job.started_at >= job.arrives_at for job in jobs)
    assert len(host.started) == len(jobs)


def test_rotation_takes_from_one_queue_after_the_other() -> None:
    requests = [Request(1000, 1000)] * 3
    turns, host = Turns(requests, in_rotation=True), boards(1)
    turns.heard([0, 1, 2], 0.0)
    order = []
    for now in range(6):
        queue = turns.plan(host, [], float(now)).ask[0]
        order.append(queue)
        turns.taken(queue, float(now))
    assert order == [0, 1, 2, 0, 1, 2]
    assert Turns(requests).plan(host, [], 0.0).ask == (0, 1, 2)
