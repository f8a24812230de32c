"""What options and keys change of a run: asserted in the run itself, on the server, or on the disk."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agent.core.conftest import LIMIT_S, is_running, until

SEEN = (
    "import json, os, sys\n"
    "names = ('CUDA_VISIBLE_DEVICES', 'NVIDIA_VISIBLE_DEVICES', 'CLEARML_WORKER_ID', 'CLEARML_LOG_LEVEL', 'SPECIAL',\n"
    "         'FROM_TASK', 'CLEARML_WORKER_TAGS')\n"
    "print('SEEN', json.dumps({n: os.environ.get(n) for n in names} | {'O': sys.flags.optimize, 'at': os.getcwd(),\n"
    "      'prefix': sys.prefix, 'argv': sys.argv}), flush=True)\n"
)


def seen(tasks: Any, task: str) -> dict[str, Any]:
    found = tasks.finished(task)
    console = tasks.console(task)
    assert found["status"] == "completed", console
    (line,) = [line for line in console.splitlines() if line.startswith("SEEN ")]
    return dict(json.loads(line.removeprefix("SEEN ")))


def configured(agent: Any, /, **section: Any) -> Path:
    """A clearml.conf in the agent's home, in force for everything it starts."""
    path = Path(agent.home / "own.conf")
    path.write_text(json.dumps({"agent": section.pop("agent", {}), **section}))
    agent.variables["CLEARML_CONFIG_FILE"] = str(path)
    return path


@pytest.mark.rows("S3-068", "S3-069")
def test_agents_of_one_machine_have_gpus_and_ids_of_their_own(new_agent: Any, server: Any, tasks: Any) -> None:
    first, second = new_agent(server), new_agent(server)
    second.home, third = first.home, new_agent(server)
    server.call("queues.create", {"name": f"{tasks.queue}-pair"})
    first.start("--gpus", "0", queue=tasks.queue)
    one = seen(tasks, tasks.submit(SEEN))
    assert (one["CUDA_VISIBLE_DEVICES"], one["NVIDIA_VISIBLE_DEVICES"]) == ("0", "0")
    assert one["CLEARML_WORKER_ID"] == "tester:gpu0"
    third.start("--gpus", "0,1", queue=f"{tasks.queue}-pair")
    task = tasks.create(SEEN)
    server.call("tasks.enqueue", {"task": task, "queue_name": f"{tasks.queue}-pair"})
    two = seen(tasks, task)
    assert (two["CUDA_VISIBLE_DEVICES"], two["CLEARML_WORKER_ID"]) == ("0,1", "tester:gpu0,1")
    workers = {worker["id"] for worker in server.call("workers.get_all", {"last_seen": 0})["workers"]}
    assert {"tester:gpu0", "tester:gpu0,1"} <= workers
    again = first.run("daemon", "--queue", tasks.queue, "--gpus", "0", "--foreground")
    assert again.returncode == 1 and "tester:gpu0 already runs" in again.stderr


@pytest.mark.rows("S3-065", "S3-070", "S3-071")
@pytest.mark.parametrize("option", [(), ("--order-fairness",)], ids=["by priority", "fair"])
def test_queues_are_served_in_order_or_in_turn(agent: Any, tasks: Any, server: Any, option: Any) -> None:
    names = [f"{tasks.queue}-{name}" for name in ("high", "low")]
    queued: dict[str, str] = {}
    for name in names:
        server.call("queues.create", {"name": name})
    for number in range(3):
        for name in reversed(names):
            task = tasks.create("print('ran')")
            server.call("tasks.enqueue", {"task": task, "queue_name": name})
            queued[task] = f"{name.rpartition('-')[2]}{number}"
    agent.start("--queue", names[1], *option, queue=names[0])
    ended = {task: tasks.finished(task, 2 * LIMIT_S) for task in queued}
    order = [queued[task] for task in sorted(queued, key=lambda task: ended[task]["started"])]
    one_after_another = ["high0", "high1", "high2", "low0", "low1", "low2"]
    in_turn = ["high0", "low0", "high1", "low1", "high2", "low2"]
    assert order == (in_turn if option else one_after_another)


@pytest.mark.rows("S3-066", "S3-075")
def test_detached_returns_and_lives_on_foreground_keeps_its_output(agent: Any, tasks: Any) -> None:
    done = agent.run("daemon", "--queue", tasks.queue, "--detached")
    assert done.returncode == 0 and "runs in the background" in done.stdout
    (facts,) = json.loads(agent.run("daemon", "--status", "--json").stdout)
    try:
        assert is_running(facts["pid"]) and os.getsid(facts["pid"]) != os.getsid(0)
        task = tasks.submit("print('from the background')")
        assert tasks.finished(task)["status"] == "completed"
        assert "from the background" in Path(facts["log"]).read_text()
        assert "from the background" not in done.stdout
    finally:
        assert agent.run("daemon", "--queue", tasks.queue, "--stop").returncode == 0
    assert not is_running(facts["pid"])
    agent.start(queue=tasks.queue)
    second = tasks.submit("print('on this terminal')")
    tasks.finished(second)
    until(lambda: "on this terminal" in agent.output.read_text())
    assert json.loads(agent.run("daemon", "--status", "--json").stdout)[0]["log"] == ""


@pytest.mark.rows("S3-072", "S3-073")
def test_execute_runs_a_task_without_a_queue_or_a_clone_of_it(agent: Any, tasks: Any, server: Any) -> None:
    task = tasks.create(SEEN)
    server.call("tasks.edit", {"task": task, "name": f"single {tasks.queue}", "force": True})
    cloned = agent.run("execute", "--id", task, "--clone")
    assert cloned.returncode == 0, cloned.stderr
    assert tasks.status(task) == "created"
    found = server.call("tasks.get_all", {"parent": task, "only_fields": ["id", "name", "status"]})["tasks"]
    assert [(clone["name"], clone["status"]) for clone in found] == [(f"Clone of single {tasks.queue}", "completed")]
    file = agent.home / "console.txt"
    options = ["-O", "--log-level", "debug", "--cpu-only", "--log-file", str(file)]
    done = agent.run("execute", "--id", f"single {tasks.queue}", *options)
    assert done.returncode == 0, done.stderr
    values = seen(tasks, task)
    assert (values["O"], values["CLEARML_LOG_LEVEL"].upper(), values["NVIDIA_VISIBLE_DEVICES"]) == (1, "DEBUG", "none")
    assert "SEEN" in file.read_text() and "SEEN" in done.stdout


def test_execute_does_not_run_a_second_time_what_runs_elsewhere(agent: Any, tasks: Any, server: Any) -> None:
    agent.start(queue=tasks.queue)
    task = tasks.submit("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    tasks.says(task, "\nup\n")
    until(lambda: task in agent.run("list", "--json").stdout, what="for the worker to say so")
    done = agent.run("execute", "--id", task)
    assert done.returncode == 1 and f"task {task} runs on tester:0" in done.stderr and "--clone" in done.stderr
    assert tasks.status(task) == "in_progress" and tasks.console(task).count("\nup\n") == 1
    server.call("tasks.stop", {"task": task})
    assert tasks.finished(task)["status"] == "stopped"


def test_execute_that_requires_a_queue_and_reports_nothing(agent: Any, tasks: Any) -> None:
    task = tasks.create("print('quiet')")
    refused = agent.run("execute", "--id", task, "--require-queue")
    assert refused.returncode == 1 and "--require-queue" in refused.stderr
    done = agent.run("execute", "--id", task, "--disable-monitoring")
    assert done.returncode == 0 and "quiet" in done.stdout
    assert tasks.status(task) == "completed" and "quiet" not in tasks.console(task)


def test_tags_of_the_worker_and_of_its_tasks(agent: Any, tasks: Any, server: Any) -> None:
    agent.start("--child-report-tags", "blue", "large", "--polling-interval", "9", queue=tasks.queue)
    assert seen(tasks, tasks.submit(SEEN))["CLEARML_WORKER_TAGS"] == "blue large"
    workers = {worker["id"]: worker for worker in server.call("workers.get_all", {"last_seen": 0})["workers"]}
    assert workers["tester:0"]["tags"] == ["blue", "large"]


@pytest.mark.rows("S3-054")
def test_edited_configuration_counts_for_the_next_task_only_when_it_is_to_be_read_again(
    agent: Any, tasks: Any, server: Any
) -> None:
    body = {"task": "", "hyperparams": [{"section": "Environment", "name": "FROM_TASK", "value": "yes"}]}

    def run() -> Any:
        task = tasks.create(SEEN)
        server.call("tasks.edit_hyper_params", {**body, "task": task})
        return seen(tasks, tasks.enqueue(task))["FROM_TASK"]

    path = configured(agent, agent={"reload_config": True, "enable_task_env": False})
    agent.start(queue=tasks.queue)
    assert run() is None
    path.write_text(json.dumps({"agent": {"reload_config": True, "enable_task_env": True}}))
    assert run() == "yes"
    path.write_text("agent { this is { not")
    assert run() == "yes"
    assert "cannot be read" in agent.output.read_text()
    agent.stop()
    configured(agent, agent={"enable_task_env": False})
    agent.start(queue=tasks.queue)
    path.write_text(json.dumps({"agent": {"enable_task_env": True}}))
    assert run() is None


@pytest.mark.rows("S3-063")
@pytest.mark.parametrize("is_on", [False, True])
def test_section_environment_of_a_task_becomes_its_variables_only_where_allowed(
    agent: Any, tasks: Any, server: Any, is_on: bool
) -> None:
    configured(agent, agent={"enable_task_env": is_on})
    task = tasks.create(SEEN)
    params = [{"section": "Environment", "name": "FROM_TASK", "value": "set by the task"}]
    server.call("tasks.edit_hyper_params", {"task": task, "hyperparams": params})
    assert agent.run("execute", "--id", task).returncode == 0
    assert seen(tasks, task)["FROM_TASK"] == ("set by the task" if is_on else None)


@pytest.mark.rows("S3-046", "S3-049", "S3-051")
def test_environments_are_built_where_the_configuration_says(agent: Any, tasks: Any, tmp_path: Path) -> None:
    """`venvs_cache.path` comes first, then `venvs_dir`; without both they lie in the agent's own folder."""
    agent.variables["CLEARML_AGENT_VENV_CACHE_PATH"] = ""
    wheel = tmp_path / "thing-1.0-py3-none-any.whl"
    subprocess.run([agent.command()[0], "-c", WHEEL, str(wheel)], check=True, timeout=60)
    places = {
        "default": (agent.home / "envs", {"venv_update": {"enabled": True}}),
        "venvs_dir": (tmp_path / "builds", {"venvs_dir": str(tmp_path / "builds")}),
        "cache": (
            tmp_path / "cache",
            {"venvs_dir": str(tmp_path / "unused"), "venvs_cache": {"path": str(tmp_path / "cache")}},
        ),
    }
    for folder, section in places.values():
        assert not folder.exists()
        configured(agent, agent=section)
        task = tasks.create(
            "import thing\nprint('at', thing.__file__)", requirements={"pip": f"thing @ file://{wheel}"}
        )
        assert agent.run("execute", "--id", task, limit_s=2 * LIMIT_S).returncode == 0, tasks.console(task)
        assert [path for path in folder.iterdir() if path.is_dir()]
    assert not (tmp_path / "unused").exists()


WHEEL = """
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    wheel.writestr("thing.py", "VALUE = 1\\n")
    wheel.writestr("thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: thing\\nVersion: 1.0\\n")
    about = "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    wheel.writestr("thing-1.0.dist-info/WHEEL", about)
    wheel.writestr("thing-1.0.dist-info/RECORD", "")
"""


def test_sections_environment_and_files_of_the_configuration(agent: Any, tasks: Any, tmp_path: Path) -> None:
    files = {
        "settings": {"path": str(tmp_path / "made/settings.json"), "contents": {"a": [1]}, "mode": "0644"},
        "key": {"path": str(tmp_path / "made/key"), "contents": "c2VjcmV0", "format": "base64"},
        "kept": {"path": str(tmp_path / "kept"), "contents": "new", "overwrite": False},
    }
    (tmp_path / "kept").write_text("old")
    configured(agent, environment={"SPECIAL": "from the file"}, files=files)
    task = tasks.create(SEEN)
    assert agent.run("execute", "--id", task).returncode == 0
    assert seen(tasks, task)["SPECIAL"] == "from the file"
    assert json.loads((tmp_path / "made/settings.json").read_text()) == {"a": [1]}
    assert (tmp_path / "made/settings.json").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "made/key").read_bytes() == b"secret" and (tmp_path / "made/key").stat().st_mode & 0o77 == 0
    assert (tmp_path / "kept").read_text() == "old"
    configured(agent, agent={"apply_environment": False}, environment={"SPECIAL": "from the file"})
    second = tasks.create(SEEN)
    assert agent.run("execute", "--id", second).returncode == 0
    assert seen(tasks, second)["SPECIAL"] is None
    configured(agent, files={"bad": {"path": str(tmp_path / "kept" / "below"), "contents": "x"}})
    refused = agent.run("execute", "--id", second)
    assert refused.returncode == 2 and "files.bad" in refused.stderr


def test_forced_code_and_script_and_a_user_that_is_refused(agent: Any, tasks: Any, tmp_path: Path) -> None:
    code = tmp_path / "code" / "inner"
    code.mkdir(parents=True)
    (code / "other.py").write_text(SEEN)
    agent.variables |= {
        "CLEARML_AGENT_FORCE_CODE_DIR": str(tmp_path / "code"),
        "CLEARML_AGENT_FORCE_EXEC_SCRIPT": "inner:other.py",
    }
    task = tasks.create("raise SystemExit('recorded')", repository="https://127.0.0.1:1/nothing.git")
    assert agent.run("execute", "--id", task).returncode == 0, tasks.console(task)
    assert seen(tasks, task)["at"] == str(code)
    agent.variables["CLEARML_AGENT_EXEC_USER"] = "nobody"
    refused = agent.run("execute", "--id", task)
    assert refused.returncode == 2 and "start the agent itself as nobody" in refused.stderr


def test_printed_configuration_hides_what_it_is_told_to(agent: Any) -> None:
    section = {
        "git_pass": "hidden-1",
        "my_word": "shown",
        "package_manager": {"extra_index_url": ["https://u:hidden-2@index.example/simple"]},
        "sanitize_config_printout": {"hide_secrets": ["pass", "^my_word$"], "dont_hide_secrets": ["^git_pass$"]},
    }
    configured(agent, agent=section, environment={"NAME": "hidden-3"})
    shown = json.loads(agent.run("config", "--json").stdout)
    assert (shown["agent"]["git_pass"], shown["agent"]["my_word"]) == ("hidden-1", "****")
    assert shown["agent"]["package_manager"]["extra_index_url"] == ["https://u:****@index.example/simple"]
    assert shown["environment"]["NAME"] == "****"


def test_progress_bars_keep_their_last_state_or_every_one(agent: Any, tasks: Any) -> None:
    code = "import sys\nfor n in range(3): sys.stdout.write(f'\\r{n} of 2')\nprint()"
    for suppressed, expected in ((True, ["2 of 2"]), (False, ["0 of 2", "1 of 2", "2 of 2"])):
        configured(agent, agent={"suppress_carriage_return": suppressed})
        task = tasks.create(code)
        assert agent.run("execute", "--id", task).returncode == 0
        assert [line for line in tasks.console(task).splitlines() if " of 2" in line] == expected
