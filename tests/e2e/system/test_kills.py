"""kill -9 of each process at a bad moment: every task runs exactly once, with every console line and its exit code."""

from __future__ import annotations

import time

import pytest

from .conftest import System

LINES = 40


def check_ran_once(system: System, name: str, task: str, *, code: int = 0, lines: int = LINES) -> None:
    document = system.wait_ended(task)
    assert document["status"] == ("failed" if code else "completed"), document.get("status_reason")
    if code:
        assert f"exit code {code}" in document["status_reason"]
    assert system.runs(name) == 1
    assert system.printed(task) == [f"line {n}" for n in range(lines)]


def test_server_killed_between_two_enqueues_keeps_both(system: System) -> None:
    first, second = (system.create(name, lines=LINES) for name in ("first", "second"))
    system.enqueue(first)
    system.server.kill()
    system.server.restart()
    system.enqueue(second)
    system.start_agent()
    check_ran_once(system, "first", first)
    check_ran_once(system, "second", second)


def test_server_killed_while_a_task_runs_loses_nothing(system: System) -> None:
    system.start_agent()
    go = system.folder / "go"
    task = system.create("long", lines=LINES, pause_s=0.05, code=3, gate=str(go))
    system.enqueue(task)
    system.wait_until(lambda: system.printed(task), "the first line arrives")
    system.server.kill()
    go.touch()
    system.wait_until(lambda: list(system.folder.glob("agent/runs/*/result.json")), "the script ends meanwhile")
    system.server.restart()
    check_ran_once(system, "long", task, code=3)


def test_store_killed_between_two_enqueues_keeps_both(system: System) -> None:
    first, second = (system.create(name, lines=LINES) for name in ("first", "second"))
    system.enqueue(first)
    system.kill_store()
    system.wait_until(lambda: system.task(first)["status"] == "queued", "the store is back")
    system.enqueue(second)
    system.start_agent()
    check_ran_once(system, "first", first)
    check_ran_once(system, "second", second)


def test_store_killed_while_a_task_runs_loses_nothing(system: System) -> None:
    system.start_agent()
    go = system.folder / "go"
    task = system.create("long", lines=LINES, pause_s=0.05, gate=str(go))
    system.enqueue(task)
    system.wait_until(lambda: system.printed(task), "the first line arrives")
    system.kill_store()
    go.touch()
    check_ran_once(system, "long", task)


@pytest.mark.parametrize("delay_ms", [0, 10, 30, 80, 200, 500])
def test_agent_killed_at_any_moment_after_an_enqueue(system: System, delay_ms: int) -> None:
    """The moments fall between pop and start, into the environment's making, and into the run."""
    agent = system.start_agent()
    warm = system.create("warm", lines=1)
    system.enqueue(warm)
    check_ran_once(system, "warm", warm, lines=1)

    task = system.create("job", lines=LINES, pause_s=0.01, code=7)
    system.enqueue(task)
    time.sleep(delay_ms / 1000)  # the moment of the kill is what the test varies
    agent.kill()
    agent.wait()
    system.start_agent()
    check_ran_once(system, "job", task, code=7)


def test_agent_killed_while_a_task_runs_and_restarted_after_its_end(system: System) -> None:
    agent = system.start_agent()
    go = system.folder / "go"
    task = system.create("job", lines=LINES, pause_s=0.02, code=5, gate=str(go))
    system.enqueue(task)
    system.wait_until(lambda: system.runs("job"), "the script runs")
    agent.kill()
    agent.wait()
    go.touch()
    run_dirs = system.folder / "agent" / "runs"
    system.wait_until(lambda: list(run_dirs.glob("*/result.json")), "the script ends without its agent")
    assert system.task(task)["status"] == "in_progress"
    system.start_agent()
    check_ran_once(system, "job", task, code=5)
    system.wait_until(lambda: not list(run_dirs.iterdir()), "the run's folder is gone once it was acknowledged")
