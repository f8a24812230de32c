"""A task's way through a real agent: run, reported, stopped, failed, with words that help."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from .conftest import Agent, Tasks, is_running, marked_processes, until

FORKS = "import os, time\nif os.fork() == 0:\n    os.setsid()\nos.write(1, b'up\\n')\ntime.sleep(60)\n"


SAYS_ENVIRONMENT = """
import json, os, sys
print("ENV " + json.dumps(dict(os.environ)))
print("ARGV " + json.dumps(open("/proc/self/cmdline").read().split(chr(0))))
print("CONF " + json.dumps(open(os.environ["CLEARML_CONFIG_FILE"]).read()))
"""


def said(console: str, word: str) -> Any:
    line = next(line for line in console.splitlines() if line.startswith(word + " "))
    return json.loads(line.removeprefix(word + " "))


def test_a_task_runs_and_its_record_tells_everything(agent: Agent, tasks: Tasks, server: Any) -> None:
    agent.start(queue=tasks.queue)
    task = tasks.submit("print('hello')\n", requirements={"pip": "attrs\n"})
    found = tasks.finished(task)
    assert (found["status"], found["status_reason"]) == ("completed", "worker execution done")
    assert found["status_message"] == "Changed by clearml-agent tester:0"
    assert found["last_worker"] == "tester:0"
    assert found["runtime"]["_exec_agent_hostname"]
    requirements = found["script"]["requirements"]
    assert any(line.startswith("attrs==") for line in requirements["pip"])
    assert requirements["org_pip"].strip() == "attrs"
    console = tasks.console(task)
    assert console.startswith(f"task {task} pulled from ")
    for line in ("Starting Task Execution:", "hello", "Process completed successfully"):
        assert f"\n{line}\n" in console
    agent.forgets()


def test_the_worker_is_listed_with_its_queue_and_statistics(agent: Agent, tasks: Tasks, server: Any) -> None:
    agent.variables["CLEARML_AGENT_STATUS_REPORT_FREQ_SEC"] = "0.5"
    agent.start(queue=tasks.queue)
    listed = agent.run("list", "--json")
    (worker,) = [w for w in json.loads(listed.stdout) if w["id"] == "tester:0"]
    assert [queue["name"] for queue in worker["queues"]] == [tasks.queue]
    assert "tester:0" in agent.run("list").stdout
    now = int(time.time())
    asked = {"from_date": now - 60, "to_date": now + 120, "interval": 3600, "worker_ids": ["tester:0"]}
    items = [{"key": key, "category": "avg"} for key in ("cpu_usage", "memory_used")]
    until(lambda: server.call("workers.get_stats", {**asked, "items": items})["workers"])
    (found,) = server.call("workers.get_stats", {**asked, "items": items})["workers"]
    cpu, memory = (metric["stats"][0]["values"] for metric in found["metrics"])
    assert len(cpu) == len(memory) >= 1
    assert 0 <= cpu[0] <= 100
    assert memory[0] > 1
    assert agent.stop() == 0
    until(lambda: "tester:0" not in agent.run("list", "--json").stdout)


def test_no_secret_reaches_the_task_its_console_or_a_command_line(agent: Agent, tasks: Tasks, server: Any) -> None:
    agent.variables["CLEARML_AGENT_GIT_PASS"] = "planted-git-password"
    agent.start(queue=tasks.queue)
    task = tasks.submit(SAYS_ENVIRONMENT + "import time\ntime.sleep(1)\n")
    tasks.says(task, "CONF ")
    for pid in marked_processes(str(agent.home)):
        command_line = Path(f"/proc/{pid}/cmdline").read_bytes() if is_running(pid) else b""
        assert server.secret_key.encode() not in command_line
    tasks.finished(task)
    console = tasks.console(task)
    for secret in (server.secret_key, server.access_key, "planted-git-password"):
        assert secret not in console
        assert secret.encode() not in agent.output.read_bytes()
    variables = said(console, "ENV")
    assert variables["CLEARML_TASK_ID"] == variables["TRAINS_TASK_ID"] == task
    assert variables["CLEARML_API_HOST"] == server.api
    assert variables["CLEARML_AUTH_TOKEN"].count(".") == 2
    assert variables["CLEARML_AUTH_TOKEN"] not in " ".join(said(console, "ARGV"))


def test_the_token_of_a_task_writes_only_this_task(agent: Agent, tasks: Tasks, server: Any) -> None:
    agent.start(queue=tasks.queue)
    task = tasks.submit("import os\nprint('TOKEN \"' + os.environ['CLEARML_AUTH_TOKEN'] + '\"')\n")
    tasks.finished(task)
    token = said(tasks.console(task), "TOKEN")
    server.call("tasks.reset", {"task": task})
    tasks.enqueue(task)
    tasks.finished(task)  # claimed again: the first token is fenced
    with pytest.raises(Exception, match="claim"):
        server.call("tasks.edit", {"task": task, "force": True, "comment": "late"}, token=token)


@pytest.mark.parametrize(
    ("script", "reason", "words"),
    [
        ({"diff": "raise ValueError('wrong')\n"}, "worker execution exit code 1", "console"),
        ({"diff": "import os\nos.kill(os.getpid(), 9)\n"}, "worker execution exit code -9", "memory"),
        (
            {"diff": "print(1)\n", "requirements": {"pip": "no-such-package-of-anybody==9.9\n"}},
            "failed installing packages",
            "no-such-package-of-anybody",
        ),
        (
            {"diff": "", "repository": "file:///no/such/repository.git", "branch": "main"},
            "failed cloning repository",
            "/no/such/repository.git",
        ),
        ({"diff": "", "entry_point": ""}, "no script", "Task.init"),
    ],
    ids=["crash", "killed", "package", "repository", "no script"],
)
def test_failures_say_what_to_do(agent: Agent, tasks: Tasks, script: Any, reason: str, words: str) -> None:
    agent.start(queue=tasks.queue)
    task = tasks.submit(**script) if "diff" not in script else tasks.enqueue(tasks.create(script.pop("diff"), **script))
    found = tasks.finished(task)
    assert (found["status"], found["status_reason"]) == ("failed", reason)
    assert words in found["status_message"]
    assert "Process failed, exit code" in tasks.console(task)
    agent.forgets()


def test_an_abort_reaches_the_process_at_once_and_the_status_follows_its_end(
    agent: Agent, tasks: Tasks, server: Any
) -> None:
    agent.start(queue=tasks.queue)
    code = (
        "import os, signal, sys, time\n"
        "def end(*_):\n    print('ENDED %.3f' % time.time(), flush=True)\n    time.sleep(0.3)\n    sys.exit(0)\n"
        "signal.signal(15, end)\nif os.fork() == 0:\n    os.setsid()\n    signal.signal(15, signal.SIG_IGN)\n"
        "    while True: time.sleep(1)\nprint('up', flush=True)\nwhile True: time.sleep(0.05)\n"
    )

    def delay_s() -> float:
        task = tasks.submit(code)
        tasks.says(task, "\nup\n")
        stopped_at = time.time()
        server.call("tasks.stop", {"task": task})
        found = tasks.finished(task)
        assert marked_processes(f"/runs/{task}.") == []
        assert found["status"] == "stopped"
        assert found["status_reason"] == "task was stopped by tasks.stop"
        console = tasks.console(task)
        assert console.endswith("User aborted: stopping task\nProcess aborted by user\n")
        return float(next(line for line in console.splitlines() if line.startswith("ENDED")).split()[1]) - stopped_at

    # The least of three: a busy machine may hold one up, but who is not told of a stop looks for it every 10 s.
    assert min(delay_s() for _ in range(3)) < 1.0


def test_a_stop_is_not_lost_when_the_script_says_that_it_has_started(tasks: Tasks, server: Any) -> None:
    worker, queue = "tester:started", server.call("queues.get_all", {"name": f"^{tasks.queue}$"})["queues"][0]["id"]
    task = tasks.submit("pass\n")
    (entry,) = server.call("agents.wait", {"worker": worker, "queues": [queue], "slots": 1})["entries"]
    server.call("tasks.started", {"task": task, "force": True}, token=entry["token"])
    server.call("tasks.stop", {"task": task})
    server.call("tasks.started", {"task": task, "force": False}, token=entry["token"])
    (stop,) = server.call("agents.wait", {"worker": worker, "queues": [queue], "slots": 0})["stops"]
    assert (stop["task"], stop["reason"]) == (task, "stopping")
    server.call("tasks.stopped", {"task": task}, token=entry["token"])


def test_a_status_changed_by_hand_ends_the_process_and_stays(agent: Agent, tasks: Tasks, server: Any) -> None:
    agent.start(queue=tasks.queue)
    task = tasks.submit("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    tasks.says(task, "\nup\n")
    server.call("tasks.failed", {"task": task, "force": True, "status_reason": "by hand"})
    until(lambda: not agent.runs)
    assert marked_processes(f"/runs/{task}.") == []
    assert (tasks.status(task), tasks.get(task)["status_reason"]) == ("failed", "by hand")


@pytest.mark.parametrize("how", ["SIGINT", "--stop"])
def test_a_stopped_daemon_leaves_nothing_running(agent: Agent, tasks: Tasks, how: str) -> None:
    process = agent.start(queue=tasks.queue)
    task = tasks.submit(FORKS)
    tasks.says(task, "\nup\n")
    if how == "SIGINT":
        process.send_signal(signal.SIGINT)
    else:
        stopped = agent.run("daemon", "--stop")
        assert stopped.returncode == 0
        assert "tester:0" in stopped.stdout
    assert process.wait(60) == 0
    found = tasks.get(task)
    assert (found["status"], found["status_reason"]) == ("stopped", "worker was stopped")
    assert tasks.console(task).endswith("Process terminated by user\n")
    assert marked_processes(str(agent.home)) == []
    assert agent.run("daemon", "--stop").returncode == 1  # there is none any more


def test_a_missing_queue_is_an_error_that_names_the_option(agent: Agent, tasks: Tasks) -> None:
    answer = agent.run("daemon", "--queue", "no such queue", "--foreground")
    assert answer.returncode == 1
    assert "--create-queue" in answer.stderr
    detached = agent.run("daemon", "--queue", "no such queue", "--detached")
    assert detached.returncode == 1
    assert "--create-queue" in detached.stderr


def test_execute_runs_here_and_ends_with_the_tasks_exit_code(agent: Agent, tasks: Tasks, tmp_path: Path) -> None:
    task = tasks.create("import sys\nprint('hello')\nsys.exit(7)\n")
    log = tmp_path / "console.txt"
    done = agent.run("execute", "--id", task, "--log-file", str(log))
    assert done.returncode == 7
    found = tasks.get(task)
    assert (found["status"], found["status_reason"]) == ("failed", "worker execution exit code 7")
    assert "\nhello\n" in done.stdout
    assert "\nhello\n" in log.read_text()
    assert "\nhello\n" in tasks.console(task)
    again = agent.run("execute", "--id", task, "--clone")
    assert again.returncode == 7
    required = agent.run("execute", "--id", task, "--require-queue")
    assert required.returncode == 1
    assert "--require-queue" in required.stderr
    unknown = agent.run("execute", "--id", "0" * 32)
    assert unknown.returncode == 1


def test_an_executed_task_can_be_aborted(agent: Agent, tasks: Tasks, server: Any) -> None:
    task = tasks.create("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    process = subprocess.Popen(agent.command("execute", "--id", task), env=agent.environment, stdout=subprocess.DEVNULL)
    try:
        tasks.says(task, "\nup\n")
        server.call("tasks.stop", {"task": task})
        assert tasks.finished(task)["status"] == "stopped"
        assert process.wait(60) != 0
    finally:
        process.kill()
        process.wait(20)


def test_services_run_side_by_side_under_names_of_their_own(agent: Agent, tasks: Tasks, server: Any) -> None:
    agent.start("--services-mode", "2", queue=tasks.queue)
    ids = [tasks.submit("import time\nprint('up', flush=True)\ntime.sleep(60)\n") for _ in range(3)]
    for task in ids[:2]:
        tasks.says(task, "\nup\n")
    assert tasks.status(ids[2]) == "queued"

    def services() -> set[str]:
        workers = server.call("workers.get_all", {"last_seen": 0})["workers"]
        return {worker["id"] for worker in workers if worker["id"].rpartition(":service:")[2] in ids}

    until(lambda: services() == {f"tester:cpu:0:service:{task}" for task in ids[:2]})
    server.call("tasks.stop", {"task": ids[0]})
    tasks.says(ids[2], "\nup\n")
    assert agent.stop() == 0
    assert {tasks.status(task) for task in ids} == {"stopped"}
    assert services() == set()


def test_configuration_is_printed_without_secrets(agent: Agent, server: Any) -> None:
    printed = agent.run("config")
    assert printed.returncode == 0
    assert f"api.api_server = {server.api}" in printed.stdout
    assert "agent.worker_name = tester" in printed.stdout
    assert server.secret_key not in printed.stdout
    assert json.loads(agent.run("config", "--json").stdout)["api"]["api_server"] == server.api


def test_usage_errors_exit_with_two(agent: Agent) -> None:
    assert agent.run("daemon", "--no-such-option").returncode == 2
    assert agent.run("--config-file", "/no/such/file", "config").returncode == 2
    assert agent.run("--version").stdout.startswith("clearml-agent")


def test_the_commands_start_without_loading_the_server(agent: Agent) -> None:
    code = "import sys, clearml_agent.cli; print([m for m in sys.modules if m.startswith('control_plane')])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert out.stdout.strip() == "[]"


def test_a_repository_with_a_diff_runs_and_its_commit_is_recorded(agent: Agent, tasks: Tasks, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()

    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments]
        return subprocess.run(command, cwd=repository, check=True, capture_output=True, text=True).stdout

    git("init", "-q", "-b", "main")
    (repository / "train.py").write_text("print('committed')\n")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    (repository / "train.py").write_text("print('with the change')\n")
    diff = git("diff")
    agent.start(queue=tasks.queue)
    task = tasks.submit(diff, repository=f"file://{repository}", branch="main", entry_point="train.py")
    found = tasks.finished(task)
    assert found["status"] == "completed", tasks.console(task)
    assert "\nwith the change\n" in tasks.console(task)
    assert found["script"]["version_num"] == git("rev-parse", "HEAD").strip()
    assert found["script"]["diff"] == diff


def test_what_a_killed_task_reported_is_delivered_before_its_status(agent: Agent, tasks: Tasks, server: Any) -> None:
    code = (
        "import os\nfrom clearml import Task\ntask = Task.init(project_name='p', task_name='killed')\n"
        "for i in range(300):\n    task.get_logger().report_scalar('loss', 'train', iteration=i, value=1.0 / (i + 1))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    agent.start(queue=tasks.queue)
    task = tasks.submit(code, requirements={"pip": "clearml\n", "sdk": "clearml-lean==0.1.0"})
    found = tasks.finished(task, 90)
    assert found["status_reason"] == "worker execution exit code -9", tasks.console(task)
    curves = server.call("events.scalar_metrics_iter_histogram", {"task": task})
    assert len(curves["loss"]["train"]["x"]) == 300
    assert found["script"]["requirements"]["sdk"] == "clearml-lean==0.1.0"
    agent.forgets()


def test_a_served_queue_that_is_deleted_and_made_again_is_served_again(server: Any, new_agent: Any) -> None:
    name = f"comes-and-goes-{time.time_ns()}"
    queue = server.call("queues.create", {"name": name})["id"]
    agent = new_agent(server)
    agent.start(queue=name)

    def registered() -> bool:
        workers = server.call("workers.get_all")["workers"]
        return any(served["id"] == queue for worker in workers for served in worker["queues"])

    until(registered, what="for the agent to register")
    server.call("queues.delete", {"queue": queue})
    until(lambda: b"was deleted" in agent.output.read_bytes(), what=f"for the agent to say so: {agent.output}")
    tasks = Tasks(server, name)
    task = tasks.submit("print('served again')")
    assert tasks.finished(task)["status"] == "completed"
    assert agent.output.read_bytes().count(b"was deleted") == 1
