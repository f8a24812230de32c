"""A container is stopped, outlives its agent, and is missed when somebody removes it."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from clearml_agent.gpus.watching import pids_of
from tests.e2e.agent.core.conftest import LIMIT_S, Agent, Tasks, is_running, until
from tests.engine import Engine

from .test_containers import WAITS, containers, gone

LAST_WORDS = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: (print('last words', flush=True), sys.exit(130)))
"""
COUNTS = "import time\nfor n in range({}):\n    print('line', n, flush=True)\n    time.sleep(0.02)\n"


def pid(engine: Engine, task: str) -> int:
    """Of the container's first process, as this machine counts."""
    return int(engine.docker("inspect", "--format", "{{.State.Pid}}", *containers(engine, task)))


def test_abort_gives_the_task_its_grace(docker_agent: Agent, tasks: Tasks, engine: Engine, server: Any) -> None:
    docker_agent.start("--docker", queue=tasks.queue)
    task = tasks.submit(LAST_WORDS + WAITS)
    tasks.says(task, "begun now")
    server.call("tasks.stop", {"task": task})
    done = tasks.finished(task)
    assert done["status"] == "stopped"
    assert "last words" in tasks.console(task)
    assert gone(engine, task, docker_agent)


def test_second_interrupt_kills_what_ignores_the_first(
    docker_agent: Agent, tasks: Tasks, engine: Engine, server: Any
) -> None:
    docker_agent.start("--docker", queue=tasks.queue)
    task = tasks.submit("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAITS)
    tasks.says(task, "begun now")
    first = pid(engine, task)
    outside = docker_agent.runs[0] / "outside"
    until(outside.exists, what="for the runner's pid outside of the container")
    assert json.loads(outside.read_text())["pid"] == first
    assert len(pids_of(docker_agent.runs[0])) == 2, "the task and its relay, and nothing else of this machine"
    assert docker_agent.process is not None
    docker_agent.process.send_signal(signal.SIGINT)
    until(lambda: b"leaving (SIGINT)" in docker_agent.output.read_bytes(), what="for the first signal")
    assert is_running(first)
    docker_agent.process.send_signal(signal.SIGINT)
    docker_agent.process.wait(LIMIT_S)
    assert not is_running(first)
    assert tasks.finished(task)["status"] == "stopped"
    assert gone(engine, task, docker_agent)


def test_container_outlives_its_agent_and_its_console_has_no_gap(
    docker_agent: Agent, tasks: Tasks, engine: Engine
) -> None:
    docker_agent.start("--docker", queue=tasks.queue)
    task = tasks.submit(COUNTS.format(400))
    tasks.says(task, "line 5\n")
    before = pid(engine, task)
    docker_agent.kill()
    assert pid(engine, task) == before
    docker_agent.start("--docker", queue=tasks.queue)
    done = tasks.finished(task)
    assert done["status"] == "completed", tasks.console(task)
    assert tasks.numbers(task, "line") == list(range(400))
    assert gone(engine, task, docker_agent)


def test_agent_killed_while_the_container_is_prepared_starts_again(
    docker_agent: Agent, tasks: Tasks, engine: Engine, server: Any
) -> None:
    docker_agent.start("--docker", queue=tasks.queue)
    task = tasks.create("print('ran', flush=True)")
    gate = docker_agent.home / "gate"
    container = {
        "arguments": f"-v {docker_agent.home}:/gate",
        "setup_shell_script": "while [ ! -e /gate/gate ]; do sleep 0.1; done",
    }
    server.call("tasks.edit", {"task": task, "container": container})
    tasks.enqueue(task)
    until(lambda: containers(engine, task), what="for the container")
    first = containers(engine, task)
    docker_agent.kill()
    gate.touch()
    docker_agent.start("--docker", queue=tasks.queue)
    assert tasks.finished(task)["status"] == "completed", tasks.console(task)
    assert tasks.console(task).count("\nran\n") == 1
    assert gone(engine, task, docker_agent) and first


def test_abort_while_the_container_is_prepared(docker_agent: Agent, tasks: Tasks, engine: Engine, server: Any) -> None:
    docker_agent.start("--docker", queue=tasks.queue)
    task = tasks.create(WAITS)
    server.call("tasks.edit", {"task": task, "container": {"setup_shell_script": "echo preparing; sleep 3600"}})
    tasks.enqueue(task)
    tasks.says(task, "preparing")
    server.call("tasks.stop", {"task": task})
    assert tasks.finished(task)["status"] == "stopped"
    assert gone(engine, task, docker_agent)


def test_docker_stop_gives_the_task_its_grace(
    docker_agent: Agent, tasks: Tasks, engine: Engine, tmp_path: Path
) -> None:
    """Also where the image says how its own program, which does not run, is stopped and checked."""
    (folder := tmp_path / "image").mkdir()
    (folder / "Dockerfile").write_text(f"FROM {engine.image}\nSTOPSIGNAL SIGQUIT\nHEALTHCHECK CMD false\n")
    image = "test-stops:latest"
    engine.docker("build", "--tag", image, str(folder))
    docker_agent.start("--docker", image, queue=tasks.queue)
    task = tasks.submit(LAST_WORDS + WAITS)
    tasks.says(task, "begun now")
    (found,) = json.loads(engine.docker("inspect", *containers(engine, task)))
    assert "Health" not in found["State"]
    engine.docker("stop", "--time", "20", *containers(engine, task))
    assert tasks.finished(task)["status"] == "stopped"
    assert "last words" in tasks.console(task)


@pytest.mark.rows("S3-084")
def test_container_removed_from_outside_ends_the_task_with_the_cause(
    docker_agent: Agent, tasks: Tasks, engine: Engine
) -> None:
    docker_agent.start("--docker", queue=tasks.queue)
    for command, expected in ((("rm", "--force"), "was removed from outside"), (("kill",), "was killed from outside")):
        task = tasks.submit(WAITS)
        tasks.says(task, "begun now")
        engine.docker(*command, *containers(engine, task))
        done = tasks.finished(task)
        assert (done["status"], expected in done["status_message"]) == ("failed", True), done["status_message"]
        assert gone(engine, task, docker_agent)


def test_container_of_a_run_that_is_over_is_removed_at_the_next_start(
    docker_agent: Agent, tasks: Tasks, engine: Engine
) -> None:
    docker_agent.start("--docker", queue=tasks.queue)
    task = tasks.submit("print('done')")
    tasks.finished(task)
    docker_agent.stop()
    (label,) = {
        found["Config"]["Labels"].get("clearml-agent-home")
        for found in json.loads(engine.docker("inspect", *_left_over(engine, docker_agent)))
    }
    assert label
    docker_agent.start("--docker", queue=tasks.queue)
    assert engine.docker("ps", "--all", "--quiet", "--filter", f"label=clearml-agent-home={label}") == ""


def _left_over(engine: Engine, agent: Agent) -> list[str]:
    """A container as an agent leaves it that is killed between the end of a run and its removal."""
    from clearml_agent.docker.naming import home_mark

    labels = {"clearml-agent-home": home_mark(str(agent.home)), "clearml-run": "gone.1", "clearml-task-id": "gone"}
    words = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
    return [engine.docker("create", *words, engine.image)]
