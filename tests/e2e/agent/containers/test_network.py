"""A container reaches a server on this machine's loopback in whatever network it is, and only that."""

from __future__ import annotations

import socket

import pytest

from tests.e2e.agent.core.conftest import Agent, Tasks, until
from tests.engine import Engine

from .test_containers import containers, gone

ASKS = """
import json, os, time, urllib.request
def ask(url):
    with urllib.request.urlopen(url + "/debug.ping", timeout=60) as answer:
        return json.load(answer)["meta"]["result_code"]
"""
SAYS = ASKS + 'print("ANSWER", ask(os.environ["CLEARML_API_HOST"]), flush=True)\n'


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "--network none",
        pytest.param("--network host", marks=pytest.mark.full),
        pytest.param("--init --user 4321:4321", marks=pytest.mark.full),
    ],
)
def test_the_server_is_reached_from_every_network(
    docker_agent: Agent, tasks: Tasks, engine: Engine, arguments: str
) -> None:
    docker_agent.start("--docker", queue=tasks.queue)
    task = tasks.create(SAYS)
    tasks.server.call("tasks.edit", {"task": task, "container": {"arguments": arguments}})
    done = tasks.finished(tasks.enqueue(task))
    assert (done["status"], "ANSWER 200" in tasks.console(task)) == ("completed", True), tasks.console(task)
    assert "in use in this container" not in tasks.console(task)
    assert gone(engine, task, docker_agent)


def test_nothing_else_of_the_loopback_is_reached(docker_agent: Agent, tasks: Tasks) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        docker_agent.start("--docker", queue=tasks.queue)
        task = tasks.submit(
            f"{SAYS}import socket\ntry:\n    socket.create_connection(('127.0.0.1', {other.getsockname()[1]}), 5)\n"
            "except ConnectionRefusedError:\n    print('CLOSED', flush=True)\n"
            "try:\n    open(os.environ['CLEARML_AGENT_RUN'] + '/loopback/localhost:1', 'w')\n"
            "except OSError as error:\n    print('WRITE', error.strerror, flush=True)\n"
        )
        tasks.finished(task)
        console = tasks.console(task)
        assert "ANSWER 200" in console and "CLOSED" in console and "WRITE Read-only file system" in console, console


def test_a_relay_that_is_killed_and_an_agent_that_is_restarted_are_not_missed(
    docker_agent: Agent, tasks: Tasks, engine: Engine
) -> None:
    docker_agent.start("--docker", queue=tasks.queue)
    task = tasks.submit(
        f"""{SAYS}
import signal
def relay():
    parents = dict((int(name), open(f"/proc/{{name}}/stat").read().rpartition(")")[2].split()[1])
                   for name in os.listdir("/proc") if name.isdigit())
    return next((pid for pid, parent in parents.items() if parent == "1" and pid != os.getpid()), None)
first = relay()
os.kill(first, signal.SIGKILL)
while relay() in (None, first):
    time.sleep(0.01)
again = None
while again is None:  # between its start and its listening
    try:
        again = ask(os.environ["CLEARML_API_HOST"])
    except OSError:
        time.sleep(0.01)
print("RELAYS", first != relay(), again, flush=True)
while not os.path.exists("/tmp/go"):
    time.sleep(0.01)
print("AGAIN", ask(os.environ["CLEARML_API_HOST"]), flush=True)
"""
    )
    until(lambda: "RELAYS True 200" in tasks.console(task) or tasks.status(task) == "failed", what="for the relay")
    assert "RELAYS True 200" in tasks.console(task), tasks.console(task)
    docker_agent.kill()
    engine.docker("exec", *containers(engine, task), "touch", "/tmp/go")
    docker_agent.start("--docker", queue=tasks.queue)
    assert tasks.finished(task)["status"] == "completed", tasks.console(task)
    assert "AGAIN 200" in tasks.console(task)
    assert gone(engine, task, docker_agent)
