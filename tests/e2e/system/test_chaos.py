"""Agent, server and store killed again and again while tasks come in: each task runs once, whole."""

from __future__ import annotations

import random
import time

import pytest

from .conftest import System

LINES = 25


def through_the_storm(system: System, *, tasks: int, kills: int, seed: int) -> None:
    draw = random.Random(seed)
    agent = system.start_agent()
    names = [f"job{n}" for n in range(tasks)]
    ids = {name: system.create(name, lines=LINES, pause_s=0.02, code=n % 3) for n, name in enumerate(names)}
    waiting, deaths = list(names), ["agent", "server", "store"] * kills
    draw.shuffle(deaths)
    for victim in deaths[:kills]:
        for name in waiting[: max(1, tasks // kills + 1)]:
            system.wait_until(lambda name=name: _enqueued(system, ids[name]), f"{name} is enqueued")  # type: ignore[misc]
            waiting.remove(name)
        time.sleep(draw.uniform(0.05, 1.5))  # the moment of the kill is what the test varies
        if victim == "agent":
            agent.kill()
            agent.wait()
            agent = system.start_agent()
        elif victim == "server":
            system.server.kill()
            system.server.restart()
        else:
            system.kill_store()
    for name in waiting:
        system.wait_until(lambda name=name: _enqueued(system, ids[name]), f"{name} is enqueued")  # type: ignore[misc]
    for n, name in enumerate(names):
        document = system.wait_ended(ids[name], limit_s=240)
        assert document["status"] == ("failed" if n % 3 else "completed"), (name, document.get("status_reason"))
        if n % 3:
            assert f"exit code {n % 3}" in document["status_reason"]
        assert system.runs(name) == 1, name
        assert system.printed(ids[name]) == [f"line {k}" for k in range(LINES)], name


def _enqueued(system: System, task: str) -> bool:
    """Enqueue, or see that an earlier try whose answer was lost had done it."""
    if system.task(task)["status"] == "created":
        system.enqueue(task)
    return True


@pytest.mark.timeout(300)
def test_a_few_tasks_through_a_few_kills(system: System) -> None:
    through_the_storm(system, tasks=6, kills=6, seed=1)


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(2, 5))
def test_many_tasks_through_many_kills(system: System, seed: int) -> None:
    through_the_storm(system, tasks=60, kills=45, seed=seed)
