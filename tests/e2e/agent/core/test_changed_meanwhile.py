"""What people do to a task while it runs, and what a task does to the place in which it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from .conftest import Agent, Tasks, marked_processes, until

pytestmark = pytest.mark.timeout(180)

RUNS_ON = (
    "import time\nprint('up', flush=True)\n"
    "for n in range(600):\n    print('line', n, flush=True)\n    time.sleep(0.1)\n"
)


def gone(agent: Agent, task: str) -> None:
    """Nothing of the run is left on the machine."""
    until(lambda: not agent.runs, what="for the run to be forgotten")
    assert marked_processes(f"/runs/{task}.") == []


def test_a_task_deleted_while_it_runs_is_ended_and_the_agent_goes_on(agent: Agent, tasks: Tasks, server: Any) -> None:
    agent.start(queue=tasks.queue)
    task = tasks.submit(RUNS_ON)
    tasks.says(task, "\nup\n")
    server.call("tasks.delete", {"task": task, "force": True})
    gone(agent, task)
    assert server.call("tasks.get_all", {"id": [task]})["tasks"] == []
    assert tasks.finished(tasks.submit("print('next')"))["status"] == "completed"
    assert b"Traceback" not in agent.output.read_bytes()


def test_a_task_reset_while_it_runs_is_ended_and_stays_as_new(agent: Agent, tasks: Tasks, server: Any) -> None:
    agent.start(queue=tasks.queue)
    task = tasks.submit(RUNS_ON)
    tasks.says(task, "\nup\n")
    server.call("tasks.reset", {"task": task, "force": True})
    gone(agent, task)
    assert tasks.status(task) == "created" and tasks.console(task) == ""
    assert tasks.finished(tasks.submit("print('next')"))["status"] == "completed"


def test_a_task_queued_elsewhere_while_it_runs_is_ended_here_and_runs_there(
    new_agent: Callable[..., Agent], tasks: Tasks, server: Any
) -> None:
    here, there = new_agent(server), new_agent(server, CLEARML_WORKER_NAME="other")
    here.start(queue=tasks.queue)
    task = tasks.submit("import os\nprint('on', os.environ['CLEARML_WORKER_ID'], flush=True)\n" + RUNS_ON)
    tasks.says(task, "on tester:0\n")
    server.call("tasks.reset", {"task": task, "force": True})
    server.call("tasks.enqueue", {"task": task, "queue_name": f"{tasks.queue}-there", "update_execution_queue": True})
    gone(here, task)
    there.start(queue=f"{tasks.queue}-there")
    tasks.says(task, "on other:0\n")
    assert "on tester" not in tasks.console(task)
    server.call("tasks.stop", {"task": task})
    assert tasks.finished(task)["status"] == "stopped"


def test_a_task_published_or_renamed_while_it_runs_goes_on(agent: Agent, tasks: Tasks, server: Any) -> None:
    agent.start(queue=tasks.queue)
    task = tasks.submit("import os, time\nprint('up', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.05)\n")
    tasks.says(task, "\nup\n")
    server.call("tasks.edit", {"task": task, "force": True, "name": "another name", "comment": "x"})
    project = server.call("projects.create", {"name": f"moved {time.time_ns()}"})["id"]
    server.call("tasks.move", {"ids": [task], "project": project})
    (run,) = agent.runs
    (next((run / "code").rglob("main.py")).parent / "go").touch()
    found = tasks.finished(task)
    assert (found["status"], found["name"], found["project"]) == ("completed", "another name", project)


@pytest.mark.parametrize(
    "code",
    [
        "import os, shutil\nshutil.rmtree(os.getcwd())\nprint('gone', flush=True)\n",
        "import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').close()\nos.chmod('a/b', 0)\nos.chmod('a', 0)\n",
        "import os\nos.symlink('/', 'root')\nos.mkfifo('pipe')\nfor n in range(3000): open(f'f{n}', 'w').close()\n",
        "import os, socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('s')\n"
        "for n in range(200):\n    os.makedirs('d')\n    os.chdir('d')\n",
    ],
    ids=["removes its folder", "without rights", "links and pipes", "deep"],
)
def test_what_a_task_does_to_its_folder_keeps_nothing_from_its_end(agent: Agent, tasks: Tasks, code: str) -> None:
    agent.start(queue=tasks.queue)
    task = tasks.submit(code)
    assert tasks.finished(task)["status"] == "completed", tasks.console(task)
    gone(agent, task)
    assert tasks.finished(tasks.submit("print('next')"))["status"] == "completed"


def test_a_task_outlives_its_token(
    new_server: Callable[..., AbstractContextManager[Any]], new_agent: Callable[..., Agent]
) -> None:
    code = (
        "import time\nfrom clearml import Task\ntask = Task.init(project_name='p', task_name='long')\n"
        "logger = task.get_logger()\n"
        "for n in range(30):\n"
        "    logger.report_scalar('loss', 'train', iteration=n, value=n)\n"
        "    print('line', n, flush=True)\n"
        "    time.sleep(0.4 if n % 10 else 5)\n"
        "task.upload_artifact('end', {'is': 'here'})\ntask.set_parameter('General/end', 1)\n"
    )
    with new_server(env={"CLEARML_SERVER_TOKEN_LIFETIME_S": "3"}) as server:
        agent, tasks = new_agent(server), Tasks(server, "default")
        agent.start()
        task = tasks.submit(code, requirements={"pip": "clearml\n", "sdk": "clearml-lean==0.1.0"})
        found = tasks.finished(task, 120)
        assert found["status"] == "completed", tasks.console(task)
        assert tasks.numbers(task, "line") == list(range(30))
        curves = server.call("events.scalar_metrics_iter_histogram", {"task": task})
        assert curves["loss"]["train"]["x"] == list(range(30))
        assert found["execution"]["artifacts"][0]["key"] == "end"
        assert found["hyperparams"]["General"]["end"]["value"] == "1"
        assert b"Traceback" not in agent.output.read_bytes()
