"""Docker mode: a task runs in a container of the image that it names, watched over as any other task."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agent.core.conftest import Agent, Tasks, until
from tests.engine import Engine

NewAgent = Callable[..., Agent]

LOOK = """
import json, os, sys
print("SEES " + json.dumps({
    "pid1": open("/proc/1/cmdline").read().split(chr(0))[:-1], "variables": dict(os.environ), "uid": os.getuid(),
    "version": sys.version.split()[0], "mark": os.path.exists("/mark") and open("/mark").read().split(),
}), flush=True)
"""
WAITS = "print('begun now', flush=True)\nimport time; time.sleep(3600)\n"


def sees(tasks: Tasks, task: str) -> dict[str, Any]:
    """What a task that ran LOOK found; it must have completed."""
    done = tasks.finished(task)
    console = tasks.console(task)
    assert done["status"] == "completed", console
    line = next(line for line in console.splitlines() if line.startswith("SEES "))
    return dict(json.loads(line.removeprefix("SEES ")))


def containers(engine: Engine, task: str) -> list[str]:
    return engine.docker("ps", "--all", "--quiet", "--filter", f"label=clearml-task-id={task}").split()


def gone(engine: Engine, task: str, agent: Agent) -> bool:
    """The container and the run's directory, which are removed when the task's end is reported."""
    return bool(until(lambda: containers(engine, task) == [] and agent.runs == [], what="for the run to be removed"))


def variant(engine: Engine, name: str, *changes: str, command: str = "true") -> str:
    """An image made from the base by running `command` in it, with Dockerfile instructions on top."""
    tag = f"test-{name}:latest"
    engine.docker("rm", "--force", f"make-{name}", check=False)
    engine.docker("run", "--name", f"make-{name}", engine.image, "sh", "-c", command)
    engine.docker("commit", *(word for change in changes for word in ("--change", change)), f"make-{name}", tag)
    engine.docker("rm", f"make-{name}")
    return tag


def wheel(folder: Path, name: str, version: str, code: str, *requires: str) -> None:
    """A wheel with one module."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}.py": code,
        f"{info}/METADATA": metadata + "".join(f"Requires-Dist: {line}\n" for line in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digest = {n: base64.urlsafe_b64encode(hashlib.sha256(t.encode()).digest()).rstrip(b"=") for n, t in files.items()}
    record = "".join(f"{n},sha256={digest[n].decode()},{len(t)}\n" for n, t in files.items()) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)


@pytest.mark.rows("S3-084", "S3-087")
def test_task_runs_watched_over_in_a_container_of_the_default_image(
    docker_agent: Agent, tasks: Tasks, engine: Engine
) -> None:
    image = variant(engine, "words", "ENV CHOSEN=by-words")
    docker_agent.start("--docker", image, "-e GIVEN=yes --hostname=there", queue=tasks.queue)
    task = tasks.submit(LOOK)
    seen = sees(tasks, task)
    assert seen["pid1"][-1] == "--contained" and seen["pid1"][-3].endswith("/runner.py")
    assert {name: seen["variables"][name] for name in ("CHOSEN", "GIVEN", "CLEARML_TASK_ID")} == {
        "CHOSEN": "by-words",
        "GIVEN": "yes",
        "CLEARML_TASK_ID": task,
    }
    assert "CLEARML_API_SECRET_KEY" not in seen["variables"]
    console = tasks.console(task)
    steps = [f"of image {image}", "The runner of clearml-agent", "Running task id", "SEES", "Process completed"]
    places = [console.index(step) for step in steps]
    assert places == sorted(places)
    assert tasks.get(task)["container"]["image"] == image
    assert gone(engine, task, docker_agent)


@pytest.mark.rows("S1-023", "S3-085", "S3-087")
def test_image_of_the_task_wins_over_the_agents(docker_agent: Agent, tasks: Tasks, engine: Engine) -> None:
    image = variant(engine, "task", "ENV CHOSEN=by-task")
    docker_agent.start("--docker", queue=tasks.queue)
    own, default = tasks.create(LOOK), tasks.create(LOOK)
    container = {
        "image": image,
        "arguments": "-e MORE='two words'",
        "setup_shell_script": "#!/bin/bash\necho own >/mark",
    }
    tasks.server.call("tasks.edit", {"task": own, "container": container})
    seen = sees(tasks, tasks.enqueue(own))
    assert (seen["variables"]["CHOSEN"], seen["variables"]["MORE"], seen["mark"]) == ("by-task", "two words", ["own"])
    assert tasks.get(own)["container"] == container
    assert "CHOSEN" not in sees(tasks, tasks.enqueue(default))["variables"]
    assert f"of image {engine.image}" in tasks.console(default)


@pytest.mark.rows("S3-083", "S3-086")
def test_gpus_are_asked_of_the_engine(docker_agent: Agent, tasks: Tasks, engine: Engine) -> None:
    docker_agent.start("--docker", "--gpus", "0,1", queue=tasks.queue)
    task = tasks.submit(LOOK)
    done = tasks.finished(task)
    assert "--gpus device=0,1" in tasks.console(task)
    # This engine has no runtime for GPUs: that it says so shows that it was asked for them.
    assert done["status"] == "failed" and "[[gpu]]" in done["status_message"], done["status_message"]
    docker_agent.stop()
    docker_agent.start("--docker", "--cpu-only", queue=tasks.queue)
    assert sees(tasks, tasks.submit(LOOK))["variables"]["NVIDIA_VISIBLE_DEVICES"] == "none"


@pytest.mark.rows("S3-088")
def test_runner_in_the_container_is_of_this_version(docker_agent: Agent, tasks: Tasks) -> None:
    docker_agent.start("--docker", "--force-current-version", queue=tasks.queue)
    code = (
        "import hashlib\nrunner = open('/proc/1/cmdline').read().split(chr(0))[3]\n"
        "print('INSIDE', hashlib.sha256(open(runner, 'rb').read()).hexdigest())"
    )
    task = tasks.submit(code)
    tasks.finished(task)
    ours = Path(__file__).parents[4] / "clearml_agent" / "runner.py"
    assert f"INSIDE {hashlib.sha256(ours.read_bytes()).hexdigest()}" in tasks.console(task)


@pytest.mark.rows("S3-089")
def test_mounts_come_from_the_hosts_path(
    server: Any, engine: Engine, new_docker_agent: NewAgent, tasks: Tasks, tmp_path: Path
) -> None:
    """The agent's own folder has another path on the host: here a link stands for the mount of its container."""
    agent = new_docker_agent()
    outer = tmp_path / "outer"
    agent.home.rename(outer)
    agent.home.symlink_to(outer)
    agent.variables["CLEARML_AGENT_K8S_HOST_MOUNT"] = f"{outer}:{agent.home}"
    agent.variables["CLEARML_AGENT_VENV_CACHE_PATH"] = str(agent.home / "envs")
    agent.start("--docker", queue=tasks.queue)
    task = tasks.submit(WAITS)
    tasks.says(task, "begun now")
    (found,) = json.loads(engine.docker("inspect", *containers(engine, task)))
    sources = [mount["Source"] for mount in found["Mounts"]]
    assert sources and all(source.startswith(f"{outer}/") for source in sources)
    assert {mount["Destination"] for mount in found["Mounts"]} >= {str(agent.home / "envs"), str(agent.runs[0])}
    assert "the container lacks it" in tasks.console(task)  # the folders of this test's user
    server.call("tasks.stop", {"task": task})
    assert tasks.finished(task)["status"] == "stopped"
    agent.stop()
    (wheels := agent.home / "wheels").mkdir()
    wheel(wheels, "present", "2.0", "version = '2.0'")
    agent.variables |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    agent.start("--docker", queue=tasks.queue)
    task = tasks.submit("import present; print('GOT', present.version)", requirements={"pip": "present"})
    assert tasks.finished(task)["status"] == "completed", tasks.console(task)
    assert "GOT 2.0" in tasks.console(task)


def test_packages_that_the_image_has_are_not_installed_again(
    new_docker_agent: NewAgent, tasks: Tasks, engine: Engine, tmp_path: Path
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel(wheels, "present", "2.0", "version = '2.0'")
    wheel(wheels, "present", "1.5", "version = '1.5, installed'")
    wheel(wheels, "wanting", "1.0", "import present", "present>=1")
    site = "/usr/lib/python3/dist-packages"
    image = variant(
        engine,
        "present",
        command=f"echo \"version = 'of the image'\" >{site}/present.py; mkdir {site}/present-1.5.dist-info; "
        f"printf 'Metadata-Version: 2.1\\nName: present\\nVersion: 1.5\\n' >{site}/present-1.5.dist-info/METADATA",
    )
    agent = new_docker_agent(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels))
    agent.start("--docker", image, queue=tasks.queue)
    code = "import present, wanting, sys; print('GOT', present.version, wanting.__file__)"
    for lines in ("wanting", "present==1.5\nwanting==1.0", "wanting"):
        task = tasks.submit(code, requirements={"pip": lines})
        done = tasks.finished(task)
        assert "GOT of the image" in tasks.console(task), tasks.console(task)
    assert ": reused in" in tasks.console(task)
    assert done["script"]["requirements"]["pip"] == ["wanting==1.0"]
    task = tasks.submit(code, requirements={"pip": "present==2.0\nwanting"})
    assert tasks.finished(task)["status"] == "completed"
    assert "GOT 2.0" in tasks.console(task)


def test_secrets_are_neither_in_the_log_nor_in_what_the_engine_tells(
    new_docker_agent: NewAgent, tasks: Tasks, engine: Engine, server: Any
) -> None:
    agent = new_docker_agent(
        {"extra_docker_arguments": ["-e", "MY_TOKEN=$OF_THE_HOST", "-e", "URL=https://me:pass-word@host/x"]},
        OF_THE_HOST="host-secret",
    )
    agent.start("--docker", queue=tasks.queue)
    code = f"import os; print('HAS', os.environ['MY_TOKEN'] == 'host' + '-secret', flush=True)\n{WAITS}"
    task = tasks.submit(code)
    tasks.says(task, "begun now")
    assert "HAS True" in tasks.console(task)
    record = json.loads((agent.runs[0] / "run.json").read_text())
    shown = engine.docker("inspect", *containers(engine, task)) + tasks.console(task)
    for secret in ("host-secret", "pass-word", record["token"], server.secret_key):
        assert secret not in shown
    assert "MY_TOKEN=********" in shown
    server.call("tasks.stop", {"task": task})
    tasks.finished(task)


@pytest.mark.rows("S3-058")
def test_scripts_run_in_their_order_before_the_task(new_docker_agent: NewAgent, tasks: Tasks) -> None:
    agent = new_docker_agent(
        {
            "docker_init_bash_script": ["echo init >>/mark", "false"],
            "extra_docker_shell_script": ["echo extra >>/mark", "echo said by the script"],
            "docker_container_name_format": "mine-{task_id}-{rand_string:.4}",
        }
    )
    agent.start("--docker", queue=tasks.queue)
    task = tasks.create(LOOK)
    tasks.server.call("tasks.edit", {"task": task, "container": {"setup_shell_script": "[[ 1 ]] && echo task >>/mark"}})
    assert sees(tasks, tasks.enqueue(task))["mark"] == ["init", "extra", "task"]
    console = tasks.console(task)
    assert "said by the script" in console
    assert f"Container mine-{task}-" in console


@pytest.mark.rows("S3-057", "S3-061", "S3-062")
def test_arguments_of_the_configuration_reach_the_container_and_not_the_task(
    new_docker_agent: NewAgent, tasks: Tasks, engine: Engine
) -> None:
    agent = new_docker_agent(
        {
            "default_docker": {"image": engine.image, "arguments": "-e OF_DEFAULT=1 -e BOTH=default"},
            "extra_docker_arguments": ["-e", "OF_EXTRA=2", "-e", "BOTH=extra"],
        }
    )
    agent.start("--docker", queue=tasks.queue)
    task = tasks.submit(LOOK)
    seen = sees(tasks, task)["variables"]
    assert (seen["OF_DEFAULT"], seen["OF_EXTRA"], seen["BOTH"]) == ("1", "2", "default")
    recorded = tasks.get(task)["container"]
    assert recorded == {"image": engine.image, "arguments": "-e OF_DEFAULT=1 -e BOTH=default"}


@pytest.mark.rows("S3-055", "S3-056", "S3-059")
def test_caches_are_mounted_and_opencv_gets_its_system_libraries(
    new_docker_agent: NewAgent, tasks: Tasks, engine: Engine, tmp_path: Path
) -> None:
    """The image's apt-get writes down what it is asked for: what the archive has is not this test's matter."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel(wheels, "opencv_python", "4.0", "version = '4'")
    stand_in = "printf '#!/bin/sh\\necho \"$@\" >>/mark\\n' >/usr/bin/apt-get"
    image = variant(engine, "opencv", command=stand_in)
    caches = {name: str(tmp_path / name) for name in ("docker_pip_cache", "docker_apt_cache")}
    agent = new_docker_agent(dict(caches), PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels))
    agent.start("--docker", image, queue=tasks.queue)
    code = "print('ASKED', open('/mark').read().split(), flush=True)\n" + WAITS
    task = tasks.submit(code, requirements={"pip": "opencv-python==4.0"})
    tasks.says(task, "begun now")
    (asked,) = [line for line in tasks.console(task).splitlines() if line.startswith("ASKED ")]
    for word in ("install", "libsm6", "libxext6", "libxrender1", "libglib2.0-0"):
        assert f"'{word}'" in asked
    (found,) = json.loads(engine.docker("inspect", *containers(engine, task)))
    places = {mount["Source"]: mount["Destination"] for mount in found["Mounts"]}
    assert places[caches["docker_pip_cache"]] == "/root/.cache/pip"
    assert places[caches["docker_apt_cache"]] == "/var/cache/apt/archives"
    tasks.server.call("tasks.stop", {"task": task})
    tasks.finished(task)


def test_container_of_another_user_can_do_its_work(docker_agent: Agent, tasks: Tasks, engine: Engine) -> None:
    docker_agent.start("--docker", queue=tasks.queue)
    task = tasks.create(LOOK + "open('own-file', 'w').write('x'); open(os.path.expanduser('~/f'), 'w')\n")
    tasks.server.call("tasks.edit", {"task": task, "container": {"arguments": "--user 4321:4321"}})
    assert sees(tasks, tasks.enqueue(task))["uid"] == 4321
    assert gone(engine, task, docker_agent)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_arguments_that_a_task_may_not_give_are_left_out(new_docker_agent: NewAgent, tasks: Tasks) -> None:
    agent = new_docker_agent({"docker_allow_host_access": False, "docker_allowed_mounts": ["/usr/share"]})
    agent.start("--docker", queue=tasks.queue)
    code = "import os; print('SEES', os.path.exists('/host'), os.path.exists('/allowed'), os.path.exists('/dev/kmsg'))"
    task = tasks.create(code)
    arguments = "--privileged -v /:/host -v /usr/share:/allowed --pid=host --entrypoint /bin/false"
    tasks.server.call("tasks.edit", {"task": task, "container": {"arguments": arguments}})
    assert tasks.finished(tasks.enqueue(task))["status"] == "completed"
    console = tasks.console(task)
    assert "SEES False True False" in console
    for said in (
        "a task may not be privileged (set agent.docker_allow_host_access",
        "may not mount /",
        "pid namespace",
    ):
        assert said in console
    assert "--entrypoint /bin/false is left out: agent.forbidden_docker_args" in console


@pytest.mark.rows("S3-074")
def test_execute_runs_one_task_in_a_container(docker_agent: Agent, tasks: Tasks, engine: Engine) -> None:
    task = tasks.create("import sys; print('IN', open('/proc/1/cmdline').read()); sys.exit(3)")
    done = docker_agent.run("execute", "--id", task, "--docker", engine.image)
    assert done.returncode == 3, done.stderr
    assert "runner.py" in done.stdout
    assert tasks.status(task) == "failed"
    assert gone(engine, task, docker_agent)


def test_what_cannot_be_run_says_what_to_do(docker_agent: Agent, tasks: Tasks, engine: Engine) -> None:
    nothing = variant(engine, "nothing", command="rm -f /usr/bin/python3* /usr/bin/apt-get")
    docker_agent.start("--docker", queue=tasks.queue)
    for container, expected in (
        ({"image": "no.such.registry.invalid/image:1"}, "there is no image 'no.such.registry.invalid/image:1'"),
        ({"image": nothing}, "has no Python 3.6 or newer"),
        ({"arguments": "--no-such-thing"}, "--no-such-thing is not supported"),
        ({"arguments": "-v /no-such-folder"}, "-v /no-such-folder names no place for it"),
        ({"arguments": "--memory much"}, "--memory is no size"),
        ({"setup_shell_script": "exit 5"}, "ended with exit code 5 before its runner started"),
    ):
        task = tasks.create(LOOK)
        tasks.server.call("tasks.edit", {"task": task, "container": container})
        done = tasks.finished(tasks.enqueue(task))
        assert (done["status"], expected in done["status_message"]) == ("failed", True), done["status_message"]
        assert gone(engine, task, docker_agent)


@pytest.mark.rows("S3-060")
def test_image_that_is_here_serves_when_it_cannot_be_pulled_again(
    new_docker_agent: NewAgent, tasks: Tasks, engine: Engine
) -> None:
    engine.docker("tag", engine.image, "localhost:1/mine:1")
    agent = new_docker_agent({"docker_force_pull": True})
    agent.start("--docker", "localhost:1/mine:1", queue=tasks.queue)
    task = tasks.submit(LOOK)
    sees(tasks, task)
    console = tasks.console(task)
    assert "Pulling image localhost:1/mine:1" in console and "the one that is here is used" in console


def test_daemon_without_an_engine_says_so_at_once(docker_agent: Agent, tmp_path: Path) -> None:
    docker_agent.variables["DOCKER_HOST"] = f"unix://{tmp_path}/no-engine.sock"
    done = docker_agent.run("daemon", "--queue", "default", "--create-queue", "--foreground", "--docker")
    assert done.returncode == 1
    assert "no-engine.sock does not answer" in done.stderr and "Start it" in done.stderr
