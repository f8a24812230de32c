"""What a task in a container may do: on this machine, on the server, with files that are its agent's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer
from tests.e2e.agent.core.conftest import LIMIT_S, Agent, Tasks
from tests.engine import Engine

from .test_containers import LOOK, gone, sees, wheel

SOMEBODY = 54321
TRAINS = """
from clearml import Task
task = Task.init()
for n in range(3):
    task.get_logger().report_scalar("loss", "train", value=n / 2, iteration=n)
task.upload_artifact("numbers", {"one": 1})
"""


@dataclass
class OthersAgent(Agent):
    """An agent of another user, who may read what root may: its Python is root's."""

    def command(self, *arguments: str) -> list[str]:
        rights = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
        who = (f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups")
        return ["setpriv", *who, *rights, *super().command(*arguments)]


@pytest.fixture
def others_agent(server: RunningServer, engine: Engine, tmp_path: Path) -> Iterator[Agent]:
    socket = engine.url.removeprefix("unix://")
    mode = os.stat(socket).st_mode
    home = tmp_path / "others"
    for folder in (home, home / "uv"):
        folder.mkdir()
        os.chown(folder, SOMEBODY, SOMEBODY)
    variables = {"DOCKER_HOST": engine.url, "UV_CACHE_DIR": str(home / "uv")}
    agent = OthersAgent(server, home, home / "cache", variables)
    os.chmod(socket, 0o666)
    yield agent
    if agent.stop() is None or (agent.process is not None and agent.process.poll() is None):
        agent.kill()
    os.chmod(socket, mode)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="no setpriv here")
def test_files_belong_to_an_agent_that_is_not_root(others_agent: Agent, tasks: Tasks, engine: Engine) -> None:
    (wheels := others_agent.home / "wheels").mkdir()
    wheel(wheels, "present", "2.0", "version = '2.0'")
    others_agent.variables |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    others_agent.start("--docker", engine.image, queue=tasks.queue)
    code = LOOK + "open('own', 'w'); open(os.path.expanduser('~/f'), 'w')\n"
    task = tasks.create(code, requirements={"pip": "present"})
    tasks.server.call("tasks.edit", {"task": task, "container": {"setup_shell_script": "id -u >/mark"}})
    seen = sees(tasks, tasks.enqueue(task))
    assert (seen["uid"], seen["mark"]) == (SOMEBODY, ["0"])
    assert gone(engine, task, others_agent), "with all that the task wrote"
    owners = {path.lstat().st_uid for path in others_agent.home.rglob("*")}
    assert owners <= {SOMEBODY, 0} and list(others_agent.cache.glob("envs/env-*"))
    assert {path.lstat().st_uid for path in others_agent.cache.rglob("*")} == {SOMEBODY}
    task = tasks.create(LOOK)
    tasks.server.call("tasks.edit", {"task": task, "container": {"arguments": "--user 1:1"}})
    assert "leave --user out" in tasks.finished(tasks.enqueue(task))["status_message"]


def test_task_of_an_agents_key_reaches_nothing_of_the_host(
    server: RunningServer, engine: Engine, new_agent: Callable[..., Agent], tasks: Tasks
) -> None:
    """Where there are keys of the role `agent`, people have roles: what is dangerous has to be allowed."""
    key = server.call("auth.create_credentials", {"role": "agent", "label": "agents"})["credentials"]
    known = {**server.facts, "access_key": key["access_key"], "secret_key": key["secret_key"]}
    limited = RunningServer(server.data_dir, server.runtime_dir, server.process, known)
    agent = new_agent(limited, DOCKER_HOST=engine.url)
    agent.start("--docker", engine.image, queue=tasks.queue)
    task = tasks.create("import os; print('SEES', os.path.exists('/host'))")
    tasks.server.call("tasks.edit", {"task": task, "container": {"arguments": "-v /:/host --privileged"}})
    assert tasks.finished(tasks.enqueue(task))["status"] == "completed", tasks.console(task)
    assert "SEES False" in tasks.console(task)
    assert "agent.docker_allow_host_access" in tasks.console(task)


def test_sdk_reports_from_a_container(docker_agent: Agent, tasks: Tasks, engine: Engine, server: Any) -> None:
    docker_agent.start("--docker", queue=tasks.queue)
    for network in ("host", "none"):  # the package index is reached over the first one alone, the server over both
        task = tasks.create(TRAINS, requirements={"pip": "clearml\n", "sdk": "clearml-lean"})
        server.call("tasks.edit", {"task": task, "container": {"arguments": f"--network {network}"}})
        done = tasks.finished(tasks.enqueue(task), 4 * LIMIT_S)
        assert done["status"] == "completed", tasks.console(task)
    assert [artifact["key"] for artifact in done["execution"]["artifacts"]] == ["numbers"]
    (metric,) = [item for item in done["last_metrics"].values() if any(v["metric"] == "loss" for v in item.values())]
    (series,) = metric.values()
    assert (series["value"], series["max_value"]) == (1.0, 1.0)
    assert gone(engine, task, docker_agent)


def test_code_of_a_repository_runs_in_a_container(
    docker_agent: Agent, tasks: Tasks, engine: Engine, tmp_path: Path
) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    git = ["git", "-C", str(repository), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    (repository / "package").mkdir()
    (repository / "package" / "tool.py").write_text("WORD = 'from the repository'\n")
    (repository / "main.py").write_text(
        "import subprocess\nfrom package.tool import WORD\n"
        "print(WORD, subprocess.run(['git', 'log', '--format=%s'], capture_output=True, text=True).stdout)\n"
    )
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "the commit"]):
        subprocess.run([*git, *command], check=True)
    docker_agent.start("--docker", queue=tasks.queue)
    task = tasks.submit("", repository=str(repository), branch="main", entry_point="main.py", working_dir=".")
    assert tasks.finished(task)["status"] == "completed", tasks.console(task)
    assert "from the repository the commit" in tasks.console(task)
