"""How an agent leaves, how a task is stopped, and what each is given before."""

from __future__ import annotations

import contextlib
import getpass
import os
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from clearml_agent import instances
from clearml_agent.runs import Record, read_struct, write_struct

from .conftest import Agent, Tasks, facts, is_running, marked_processes, until

pytestmark = pytest.mark.timeout(180)

UP = "import time\nprint('up', flush=True)\ntime.sleep(60)\n"
DEAF = "import signal\nsignal.signal(15, signal.SIG_IGN)\n" + UP
OURS = {"pip": "clearml\n", "sdk": "clearml-lean==0.1.0"}


def test_sigterm_drains(agent: Agent, tasks: Tasks, server: Any) -> None:
    process = agent.start(queue=tasks.queue)
    task = tasks.submit("import os, time\nprint('up', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.1)\n")
    tasks.says(task, "\nup\n")
    process.send_signal(signal.SIGTERM)
    until(lambda: b"drain" in agent.output.read_bytes(), what="for the agent to hear the signal")
    after = tasks.submit("pass\n")
    (run,) = agent.runs
    started = facts(run / "launch.json")
    open(os.path.join(started["cwd"], "go"), "w").close()
    assert process.wait(60) == 0
    assert tasks.status(task) == "completed"
    assert tasks.status(after) == "queued"
    assert "tester:0" not in agent.run("list", "--json").stdout


@pytest.mark.parametrize("is_nohup", [False, True], ids=["terminal", "nohup"])
def test_a_closed_terminal_drains_an_agent_that_was_not_started_under_nohup(
    agent: Agent, tasks: Tasks, is_nohup: bool
) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if is_nohup else signal.SIG_DFL)
    try:
        process = agent.start(queue=tasks.queue)
    finally:
        signal.signal(signal.SIGHUP, before)
    tasks.finished(tasks.submit("pass\n"))
    process.send_signal(signal.SIGHUP)
    if is_nohup:
        assert tasks.finished(tasks.submit("pass\n"))["status"] == "completed"
        assert agent.stop() == 0
    else:
        assert process.wait(60) == 0


def test_an_abort_is_heard_while_the_agent_drains(agent: Agent, tasks: Tasks, server: Any) -> None:
    process = agent.start(queue=tasks.queue)
    task = tasks.submit(UP)
    tasks.says(task, "\nup\n")
    process.send_signal(signal.SIGTERM)
    until(lambda: b"drain" in agent.output.read_bytes(), what="for the agent to hear the signal")
    server.call("tasks.stop", {"task": task})
    assert process.wait(60) == 0
    assert (tasks.status(task), tasks.get(task)["status_reason"]) == ("stopped", "task was stopped by tasks.stop")


def test_a_second_sigterm_puts_the_task_back_for_another_agent(
    server: Any, tasks: Tasks, new_agent: Callable[..., Agent]
) -> None:
    first, second = new_agent(server), new_agent(server, CLEARML_WORKER_NAME="second")
    process = first.start(queue=tasks.queue)
    task = tasks.submit(
        "import os, time\nworker = os.environ['CLEARML_WORKER_ID']\nprint('ran by', worker, flush=True)\n"
        "time.sleep(600 if worker == 'tester:0' else 0)\n"
    )
    tasks.says(task, "ran by tester:0\n")
    process.send_signal(signal.SIGTERM)
    until(lambda: b"drain" in first.output.read_bytes(), what="for the first signal")  # two at once would be one
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    found = tasks.get(task)
    assert found["status"] == "queued"
    assert "SIGTERM" in found["status_reason"]
    assert marked_processes(f"/runs/{task}.") == []
    assert first.runs == []
    second.start(queue=tasks.queue)
    assert tasks.finished(task)["status"] == "completed"
    assert "it goes back to its queue" in tasks.console(task)
    assert "ran by second:0\n" in tasks.console(task)


@pytest.mark.rows("S3-067")
def test_stop_ends_at_once_what_does_not_listen_and_says_who_wanted_it(agent: Agent, tasks: Tasks) -> None:
    agent.variables["CLEARML__AGENT__STOP_GRACE_SEC"] = "0.5"
    process = agent.start(queue=tasks.queue)
    task = tasks.submit(DEAF)
    tasks.says(task, "\nup\n")
    stopped = agent.run("daemon", "--queue", tasks.queue, "--stop")
    assert stopped.returncode == 0, stopped.stderr
    assert process.wait(60) == 0
    found = tasks.get(task)
    assert (found["status"], found["status_reason"]) == ("stopped", "worker was stopped")
    assert f"by {getpass.getuser()}@" in found["status_message"]
    assert "daemon --stop" in found["status_message"]
    assert marked_processes(str(agent.home)) == []


def test_a_daemon_that_does_not_answer_is_stopped_all_the_same(
    agent: Agent, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its task runs on under the runner, and the next start reports it."""
    agent.variables["CLEARML__AGENT__STOP_GRACE_SEC"] = "0.5"
    monkeypatch.setattr(instances, "STOP_LIMIT_S", 2.0)
    process = agent.start(queue=tasks.queue)
    task = tasks.submit("import sys, time\nprint('up', flush=True)\ntime.sleep(4)\nsys.exit(3)\n")
    tasks.says(task, "\nup\n")
    process.send_signal(signal.SIGSTOP)
    (found,) = instances.running(agent.home)
    assert instances.stop(found, home=agent.home)
    assert process.wait(60) == -signal.SIGKILL
    agent.start(queue=tasks.queue)
    assert tasks.finished(task)["status_reason"] == "worker execution exit code 3"


CALLBACK = """
import os, time
from clearml import Task
task = Task.init(project_name='p', task_name='aborted')
def callback():
    print('CALLBACK', flush=True)
    while not os.path.exists('go'): time.sleep(0.1)
    task.upload_artifact('last words', {'a': 1}, wait_on_upload=True)
task.register_abort_callback(callback, 60)
print('up', flush=True)
time.sleep(120)
"""


@pytest.mark.rows("S2-101")
def test_an_abort_waits_for_the_tasks_callback_which_may_still_report(agent: Agent, tasks: Tasks, server: Any) -> None:
    agent.start(queue=tasks.queue)
    task = tasks.submit(CALLBACK, requirements=OURS)
    tasks.says(task, "\nup\n")
    server.call("tasks.stop", {"task": task})
    tasks.says(task, "CALLBACK\n")
    found = tasks.get(task)
    assert (found["status"], found["status_message"]) == ("in_progress", "stopping")
    tasks.says(task, "Abort: waiting up to")
    (run,) = agent.runs
    open(os.path.join(facts(run / "launch.json")["cwd"], "go"), "w").close()
    found = tasks.finished(task)
    assert (found["status"], found["status_reason"]) == ("stopped", "task was stopped by tasks.stop")
    assert [artifact["key"] for artifact in found["execution"]["artifacts"]] == ["last words"]
    assert marked_processes(f"/runs/{task}.") == []


def test_an_abort_runs_the_workers_own_command_where_the_task_runs(agent: Agent, tasks: Tasks, server: Any) -> None:
    agent.variables["CLEARML_AGENT_ABORT_CALLBACK_CMD"] = "echo command for $CLEARML_TASK_ID in $(ls main.py); exit 4"
    agent.start(queue=tasks.queue)
    task = tasks.submit(UP)
    tasks.says(task, "\nup\n")
    server.call("tasks.stop", {"task": task})
    assert tasks.finished(task)["status"] == "stopped"
    console = tasks.console(task)
    assert f"command for {task} in main.py\n" in console
    assert "Abort command: exit code 4\n" in console


@pytest.mark.parametrize(("policy", "status"), [("fail", "failed"), ("requeue", "queued"), ("retries", "queued")])
def test_a_restarted_machine_fails_or_requeues(
    agent: Agent, tasks: Tasks, server: Any, policy: str, status: str
) -> None:
    """The restart is told from the boot id that the run's record holds; everything of the run is dead by then."""
    agent.variables["CLEARML__AGENT__AFTER_REBOOT"] = policy
    agent.start(queue=tasks.queue)
    task = tasks.create(UP)
    if policy == "retries":
        asks = [{"section": "properties", "name": "retries", "value": "1"}]
        server.call("tasks.edit_hyper_params", {"task": task, "hyperparams": asks})
    tasks.enqueue(task)
    tasks.says(task, "\nup\n")
    agent.kill()
    (run,) = agent.runs
    for pid in marked_processes(str(run)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not [pid for pid in marked_processes(str(run)) if is_running(pid)])
    record = read_struct(run / "run.json", Record)
    record.boot = "the boot before"
    write_struct(run / "run.json", record)
    server.call("queues.update", {"queue": record.queue, "tags": ["force_workers:off"]})  # so that it stays queued
    agent.start(queue=tasks.queue)
    until(lambda: tasks.status(task) == status and not agent.runs, what=f"for the status {status}")
    assert "restarted" in tasks.get(task)["status_message"] + tasks.get(task)["status_reason"]
    assert "The machine of the worker was restarted" in tasks.console(task)


def test_a_timetable_and_the_queues_tags_say_when_tasks_are_taken(agent: Agent, tasks: Tasks, server: Any) -> None:
    later = (datetime.now() + timedelta(hours=2)).hour  # not now, nor when the hour ends meanwhile
    agent.start("--uptime", f"{later}-{(later + 1) % 24}", queue=tasks.queue)
    until(lambda: b"off duty" in agent.output.read_bytes(), what="for the timetable")
    task = tasks.submit("pass\n")
    queue = server.call("queues.get_all", {"name": f"^{tasks.queue}$"})["queues"][0]["id"]
    server.call("queues.update", {"queue": queue, "tags": ["force_workers:on"]})
    assert tasks.finished(task)["status"] == "completed"
    server.call("queues.update", {"queue": queue, "tags": ["force_workers:off"]})
    waits = tasks.submit("pass\n")
    agent.stop()
    assert tasks.status(waits) == "queued"


def test_a_timetable_that_cannot_be_read_is_a_usage_error(agent: Agent, tasks: Tasks) -> None:
    answer = agent.run("daemon", "--queue", tasks.queue, "--create-queue", "--foreground", "--uptime", "9-17 MONDAY")
    assert answer.returncode == 2
    assert "SUN, MON" in answer.stderr


def test_a_task_can_act_as_its_owner(agent: Agent, tasks: Tasks, server: Any) -> None:
    server.call("users.create", {"id": "somebody", "name": "somebody else", "role": "user"})
    script = {"entry_point": "main.py", "binary": "python3", "diff": "import time\nprint('up', flush=True)\n"}
    body = {"name": "of somebody", "type": "training", "script": script}
    task = server.call("tasks.create", body, headers={"X-Clearml-Act-As": "somebody"})["id"]
    script["diff"] = (
        "import json, os, urllib.request\n"
        "request = urllib.request.Request(os.environ['CLEARML_API_HOST'] + '/users.get_current_user', b'{}',"
        " {'Content-Type': 'application/json', 'Authorization': 'Bearer ' + os.environ['CLEARML_AUTH_TOKEN']})\n"
        "print('I AM', json.load(urllib.request.urlopen(request))['data']['user']['id'])\n"
    )
    server.call("tasks.edit", {"task": task, "script": script, "force": True})
    agent.start("--use-owner-token", queue=tasks.queue)
    tasks.enqueue(task)
    assert tasks.finished(task)["status"] == "completed"
    assert "\nI AM somebody\n" in tasks.console(task)
