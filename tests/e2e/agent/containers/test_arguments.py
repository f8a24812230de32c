"""Container arguments that are decided when the task is known: templates, and ports that are free."""

from __future__ import annotations

import socket
from collections.abc import Callable

from tests.e2e.agent.core.conftest import Agent, Tasks
from tests.engine import Engine

from .test_containers import LOOK, sees


def test_templates_stand_for_facts_of_the_task(
    new_docker_agent: Callable[..., Agent], tasks: Tasks, engine: Engine
) -> None:
    arguments = "-e OF_ITS_NAME=${CLEARML_TASK.name} --hostname h-${CLEARML_TASK_ID}"
    agent = new_docker_agent({"extra_docker_arguments": arguments})
    agent.start("--docker", queue=tasks.queue)
    task = tasks.create(LOOK)
    own = {"image": engine.image, "arguments": "-e OF_ITS_ID=${CLEARML_TASK_ID} -e OF_ITS_QUEUE=${CLEARML_QUEUE_ID}"}
    tasks.server.call("tasks.edit", {"task": task, "container": own})
    tasks.enqueue(task)
    seen = sees(tasks, task)["variables"]
    recorded = tasks.get(task)
    assert seen["OF_ITS_NAME"] == recorded["name"]
    assert (seen["OF_ITS_ID"], seen["OF_ITS_QUEUE"]) == (task, recorded["execution"]["queue"])
    assert seen["HOSTNAME"] == f"h-{task}"
    assert recorded["container"]["arguments"] == own["arguments"]


def test_a_task_is_told_where_its_published_port_is(
    new_docker_agent: Callable[..., Agent], tasks: Tasks, engine: Engine
) -> None:
    with socket.socket() as taken, socket.socket() as other:
        for one in (taken, other):
            one.bind(("0.0.0.0", 0))
            one.listen()
        used, free = taken.getsockname()[1], other.getsockname()[1]
        other.close()
        agent = new_docker_agent(
            {
                "docker_args_allowed_port_range": [free, free + 20],
                "extra_docker_arguments": ["-p", f"{used}:6006", "--network", "bridge" if engine.gateway else "none"],
            },
            CLEARML_AGENT_FORCE_HOST_MACHINE_IP="192.0.2.7",
        )
        agent.start("--docker", queue=tasks.queue)
        task = tasks.submit(LOOK)
        assert sees(tasks, task)["variables"]["CLEARML_AGENT_HOST_IP"] == "192.0.2.7"
        found = tasks.get(task)["runtime"]["_external_host_tcp_port_mapping"]
        assert list(found) == ["6006"] and free <= found["6006"] <= free + 20
