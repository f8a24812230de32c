"""Commands about running agents and their tasks, as a person uses them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agent.core.conftest import until

SLEEP = "import time\nprint('up', flush=True)\ntime.sleep(600)"


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_explain_a_task_from_draft_to_failure(agent: Any, tasks: Any) -> None:
    task = tasks.create("raise MemoryError('too much')")
    assert "waits in no queue" in agent.run("explain", task).stdout
    tasks.enqueue(task)
    waiting = answer(agent.run("explain", task, "--json"))
    assert waiting["what"].startswith(f"it waits in queue {tasks.queue}, as number 1 of 1")
    assert waiting["why"] == [f"no worker serves queue {tasks.queue}"]
    agent.start(queue=tasks.queue)
    tasks.finished(task)
    failed = agent.run("explain", task).stdout
    assert (
        "exit code 1" in failed and "MemoryError: too much" in failed and "-> it was killed or out of memory" in failed
    )
    blocker = tasks.submit(SLEEP)
    tasks.says(blocker, "up")
    second = tasks.submit("")
    until(lambda: "busy with" in agent.run("explain", second).stdout)
    assert "it runs on tester:" in agent.run("explain", blocker).stdout
    unknown = agent.run("explain", "no such task")
    assert unknown.returncode == 1 and "no task with id or name" in unknown.stderr


def test_explain_says_why_an_environment_was_built_anew(
    new_agent: Any, server: Any, tasks: Any, tmp_path: Path, index: Any, index_server: Any
) -> None:
    agent = new_agent(server, CLEARML_AGENT_VENV_CACHE_PATH=str(tmp_path / "envs"))
    agent.variables["CLEARML__AGENT__PACKAGE_MANAGER__EXTRA_INDEX_URL"] = index_server.url()
    index.add("only_here", "1.0")
    index.add("only_here", "2.0")
    agent.start(queue=tasks.queue)

    def reasons(lines: str) -> list[str]:
        task = tasks.submit("import only_here\n", requirements={"pip": lines})
        assert tasks.finished(task)["status"] == "completed", tasks.console(task)
        found = answer(agent.run("explain", task, "--json"))["environment"]
        assert all(reason in agent.run("explain", task).stdout for reason in found)
        return list(found)

    assert reasons("only_here==1.0\n") == ["no environment is in the cache"]
    assert reasons("only_here==1.0\n") == []
    (changed,) = reasons("only_here==2.0\n")
    assert "the packages: not only_here==1.0 but only_here==2.0" in changed
    file = next(index.folder.glob("only_here-1.0-*"))
    assert reasons(f"only_here @ {file.as_uri()}\n") == [
        f"only_here @ {file.as_uri()}: git, editable and local requirements are installed for each task"
    ]


def test_status_shows_what_runs_and_stop_takes_id_name_or_all(new_agent: Any, server: Any, tasks: Any) -> None:
    agent = new_agent(server)
    agent.start(queue=tasks.queue)
    first = agent.process
    task = tasks.submit(SLEEP)
    tasks.says(task, "up")
    daemons = answer(agent.run("daemon", "--status", "--json"))
    assert [(found["worker"], found["tasks"], found["queues"]) for found in daemons] == [
        ("tester:0", [task], [tasks.queue])
    ]
    shown = agent.run("daemon", "--status")
    assert shown.returncode == 0 and "tester:0" in shown.stdout
    waits = tasks.submit("")
    until(lambda: "busy" in agent.run("explain", waits).stdout)
    agent.start(queue=tasks.queue)
    second = agent.process
    agent.start(queue=tasks.queue)
    third = agent.process
    assert agent.run("daemon", "--stop", "tester:1").returncode == 0
    assert second.wait(60) == 0
    missing = agent.run("daemon", "--stop", "nobody:9")
    assert missing.returncode == 1 and "no daemon nobody:9" in missing.stderr
    assert agent.run("daemon", "--stop", "tester", limit_s=90).returncode == 0
    assert (first.wait(60), third.wait(60)) == (0, 0)
    assert tasks.finished(task)["status"] == "stopped"
    agent.start(queue=tasks.queue)
    assert agent.run("daemon", "--stop", "all").returncode == 0
    assert agent.process.wait(60) == 0
    assert answer(agent.run("daemon", "--status", "--json")) == []


def test_drain_and_resume_from_anywhere(agent: Any, tasks: Any) -> None:
    agent.start(queue=tasks.queue)
    task = tasks.submit(SLEEP)
    tasks.says(task, "up")
    until(lambda: task in agent.run("list", "--json").stdout, what="for the worker to say so")
    assert answer(agent.run("drain", "tester:0", "--json")) == {
        "worker": "tester:0",
        "drained": True,
        "running": [task],
    }
    late = agent.run("drain", "tester:0", "--wait", "--timeout", "0.1")
    assert late.returncode == 1 and f"it still runs {task}" in late.stdout
    tasks.server.call("tasks.stop", {"task": task})
    waited = agent.run("drain", "tester:0", "--wait")
    assert waited.returncode == 0 and "it runs nothing" in waited.stdout
    next_one = tasks.submit("print('after')")
    until(lambda: "drained" in agent.run("explain", next_one).stdout)
    assert agent.run("drain", "tester:0", "--resume").returncode == 0
    assert tasks.finished(next_one)["status"] == "completed"
    unknown = agent.run("drain", "nobody:0")
    assert unknown.returncode == 1 and "clearml-agent list" in unknown.stderr


def test_unit_for_systemd(agent: Any, tmp_path: Path) -> None:
    folder = tmp_path / "units"
    options = ["--queue", "default", "two words", "--create-queue", "--child-report-tags", "100%"]
    done = agent.run("install", "--systemd", "--directory", str(folder), "--", *options, "--detached")
    assert done.returncode == 0, done.stderr
    path = folder / "clearml-agent.service"
    text = path.read_text()
    assert "KillMode=process" in text and "Restart=on-failure" in text and "--detached" not in text
    assert f'Environment="CLEARML_AGENT_HOME={agent.home}"' in text
    (command,) = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    assert command.endswith(
        'daemon --queue default --queue "two words" --create-queue --child-report-tags 100%% --foreground'
    )
    assert "systemctl --user enable --now clearml-agent" in done.stdout and "enable-linger" in done.stdout
    again = agent.run("install", "--systemd", "--directory", str(folder), "--", "--queue", "default")
    assert again.returncode == 1 and "--force" in again.stderr and path.read_text() == text
    system = agent.run(
        "install", "--systemd", "--system", "--user", "runner", "--name", "gpu", "--directory", str(folder)
    )
    assert "User=runner" in (folder / "gpu.service").read_text() and "systemctl enable --now gpu" in system.stdout
    if shutil.which("systemd-analyze"):
        judged = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, timeout=60
        )
        assert judged.returncode == 0, judged.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(agent: Any, shell: str) -> None:
    done = agent.run("completion", shell)
    assert done.returncode == 0 and "_CLEARML_AGENT_COMPLETE" in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_completed_words(agent: Any) -> None:
    environment = {**agent.environment, "_CLEARML_AGENT_COMPLETE": "bash_complete"}

    def words(line: str, position: int) -> list[str]:
        variables = environment | {"COMP_WORDS": line, "COMP_CWORD": str(position)}
        done = subprocess.run(agent.command(), env=variables, capture_output=True, text=True, timeout=60, check=False)
        return [entry.partition(",")[2] for entry in done.stdout.split()]

    assert "explain" in words("clearml-agent ex", 1) and "execute" in words("clearml-agent ex", 1)
    assert "--order-fairness" in words("clearml-agent daemon --o", 2)


def test_arguments_from_a_file(agent: Any, tmp_path: Path) -> None:
    file = tmp_path / "arguments"
    file.write_text("list\n--json\n")
    assert isinstance(answer(agent.run(f"@{file}")), list)
    missing = agent.run("@/no/such/file")
    assert missing.returncode == 2 and "No such file" in missing.stderr
