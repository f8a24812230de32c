"""`clearml-agent build --docker` on a real engine: images run their tasks, and hold what they should alone."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.agent.containers.conftest import new_docker_agent
from tests.e2e.agent.core.conftest import Agent, Tasks, until
from tests.engine import Engine, docker_program

__all__ = ["new_docker_agent"]

pytestmark = pytest.mark.timeout(600)
BUILD_S = 300.0

CODE = """import importlib.metadata as m, os, sys
from clearml import Task
task = Task.init()
print("attrs", m.version("attrs"), "in", sys.prefix, "of", Task.current_task().id, flush=True)
task.get_logger().report_scalar("loss", "train", 0.5, 1)
"""
REQUIREMENTS = {"pip": "attrs==25.3.0\nclearml\n", "sdk": "clearml-lean"}


@pytest.fixture
def builder(server: Any, new_agent: Callable[..., Agent], engine: Engine) -> Agent:
    """An agent that builds with the engine of the tests."""
    return new_agent(server, DOCKER_HOST=engine.url)


@pytest.fixture
def image_name(engine: Engine) -> Iterator[str]:
    """A name for one image, which is removed at the end."""
    name = f"built-{uuid.uuid4().hex[:8]}"
    yield name
    engine.docker("image", "rm", "--force", name, check=False)


def credentials(server: Any) -> dict[str, str]:
    """What any client is given."""
    given = {key: value for key, value in server.environment().items() if key.startswith("CLEARML_")}
    return {key: value for key, value in given.items() if not key.endswith(("CONFIG_FILE", "RUNTIME_DIR"))}


def run_image(engine: Engine, server: Any, name: str, *, file: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`docker run` of a built image; how its server is given to any client: by variables, or by a clearml.conf."""
    given = [word for key, value in credentials(server).items() for word in ("--env", f"{key}={value}")]
    if file is not None:
        given = ["--volume", f"{file}:/root/clearml.conf:ro"]
    command = [docker_program(), "-H", engine.url, "run", "--rm", "--network", "host", *given, name]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def layers(engine: Engine, name: str) -> list[str]:
    """The ids of the image and of what it was made of, the image's own first."""
    return engine.docker("image", "history", "--quiet", "--no-trunc", name).splitlines()


def left_behind(engine: Engine) -> list[str]:
    """The containers of builds that have ended; others may be building at the same time."""
    names = engine.docker("ps", "--all", "--format", "{{.Names}}", "--filter", "name=^/clearml-build-").split()
    return [name for name in names if not Path(f"/proc/{name.split('-')[2]}").exists()]


def build(builder: Agent, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = builder.run("build", *arguments, limit_s=BUILD_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.rows("S3-076", "S3-077")
def test_an_image_runs_its_task_or_a_fresh_clone_of_it_each_time(
    builder: Agent, tasks: Tasks, server: Any, engine: Engine, image_name: str, tmp_path: Path
) -> None:
    task = tasks.create(CODE, requirements=REQUIREMENTS)
    words = ("--id", task, "--docker", engine.image, "--target", image_name, "--entry-point")
    done = build(builder, *words, "reuse_task")
    assert done.stdout.strip() == image_name
    first = layers(engine, image_name)
    ran = run_image(engine, server, image_name)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = tasks.get(task)
    assert (found["status"], found["status_reason"]) == ("completed", "worker execution done")
    console = tasks.console(task)
    assert f"attrs 25.3.0 in /usr of {task}\n" in console
    assert "\n- attrs==25.3.0\n" in console
    metrics = server.call("events.scalar_metrics_iter_histogram", {"task": task})
    assert metrics["loss"]["train"]["y"] == [0.5]

    everything = engine.docker("image", "inspect", image_name) + engine.docker("history", "--no-trunc", image_name)
    for secret in (server.access_key, server.secret_key):
        assert secret not in everything
    search = [
        "grep",
        "-rlF",
        "-e",
        server.secret_key,
        "/clearml",
        "/root",
        "/etc",
        "/tmp",
        "/usr/local",
        "/dev/clearml",
    ]
    left = engine.docker("run", "--rm", "--entrypoint", search[0], image_name, *search[1:], check=False)
    assert left == ""

    again = build(builder, *words, "reuse_task")  # every layer is there
    assert layers(engine, image_name) == first
    assert "as built before" in again.stderr
    build(builder, *words, "clone_task")
    before = tasks.get(task)["completed"]
    file = tmp_path / "clearml.conf"
    keys = {"access_key": server.access_key, "secret_key": server.secret_key}
    places = {"api_server": server.api, "web_server": server.web, "files_server": server.files}
    file.write_text(json.dumps({"api": {**places, "credentials": keys}}))
    for given in (None, file):
        ran = run_image(engine, server, image_name, file=given)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    clones = server.call("tasks.get_all", {"parent": task, "only_fields": ["id", "status"]})["tasks"]
    assert [clone["status"] for clone in clones] == ["completed", "completed"]
    assert task not in [clone["id"] for clone in clones]
    assert tasks.get(task)["completed"] == before


@pytest.mark.rows("S3-078")
def test_an_image_without_an_entry_point_is_a_base_with_the_packages(
    builder: Agent, tasks: Tasks, engine: Engine, image_name: str
) -> None:
    container = {"image": engine.image, "setup_shell_script": "echo set up > /etc/set-up"}
    task = tasks.create("import attr\n", requirements={"pip": "attrs==25.3.0\n"})
    tasks.server.call("tasks.edit", {"task": task, "container": container})
    build(builder, "--id", task, "--docker", "--target", image_name)
    question = "import attr, importlib.metadata as m; print(m.version('attrs'), open('/etc/set-up').read())"
    assert engine.docker("run", "--rm", image_name, "python3", "-c", question) == "25.3.0 set up"
    config = json.loads(engine.docker("image", "inspect", image_name))[0]["Config"]
    base = json.loads(engine.docker("image", "inspect", engine.image))[0]["Config"]
    assert (config.get("Entrypoint") or [], config["Cmd"]) == (base.get("Entrypoint") or [], base["Cmd"])
    own = [entry for entry in config["Env"] or () if not entry.startswith("PATH=")]
    assert (config.get("User"), own) == (base.get("User"), [])
    assert (
        engine.docker("run", "--rm", image_name, "sh", "-c", "ls -d /clearml /dev/clearml 2>/dev/null", check=False)
        == ""
    )
    assert left_behind(engine) == []


@pytest.mark.rows("S3-079")
def test_a_built_image_is_a_base_for_tasks_by_their_container_or_by_the_configuration(
    builder: Agent, tasks: Tasks, server: Any, engine: Engine, image_name: str, new_docker_agent: Callable[..., Agent]
) -> None:
    code = "import attr, importlib.metadata as m\nprint('SEES', m.version('attrs'), attr.__file__)\n"
    recorded = tasks.create(code, requirements={"pip": "attrs==25.3.0\n"})
    build(builder, "--id", recorded, "--docker", engine.image, "--target", image_name)
    configured = new_docker_agent({"default_docker": {"image": image_name}})
    configured.start("--docker", queue=tasks.queue)
    by_configuration = tasks.submit(code, requirements={"pip": "attrs==25.3.0\n"})
    by_container = tasks.create(code, requirements={"pip": "attrs==25.3.0\n"})
    for task in (by_configuration, by_container):
        if task == by_container:
            configured.stop()
            new_docker_agent().start("--docker", queue=tasks.queue)
            server.call("tasks.edit", {"task": task, "container": {"image": image_name}})
            tasks.enqueue(task)
        assert tasks.finished(task, 120)["status"] == "completed", tasks.console(task)
        (line,) = [line for line in tasks.console(task).splitlines() if line.startswith("SEES ")]
        version, file = line.split()[1:]
        assert version == "25.3.0"
        assert file.startswith(("/usr/", "/opt/"))  # the image's own: nothing was installed again
        assert tasks.get(task)["container"]["image"] == image_name


@pytest.mark.full
def test_stopping_a_container_or_its_task_ends_both(
    builder: Agent, tasks: Tasks, server: Any, engine: Engine, image_name: str
) -> None:
    task = tasks.create("import time\nprint('up', flush=True)\ntime.sleep(600)\n")
    build(builder, "--id", task, "--docker", engine.image, "--target", image_name, "--entry-point", "reuse_task")
    variables = [word for name, value in credentials(server).items() for word in ("--env", f"{name}={value}")]
    for stops_container in (True, False):
        server.call("tasks.reset", {"task": task, "force": True})
        id = engine.docker("run", "--detach", "--network", "host", *variables, image_name)
        try:
            tasks.says(task, "\nup\n")
            if stops_container:
                engine.docker("stop", id)
            else:
                server.call("tasks.stop", {"task": task})
            assert tasks.finished(task)["status"] == "stopped"
            assert engine.docker("wait", id) != "137"  # it has ended by itself, and had the time to report
        finally:
            engine.docker("rm", "--force", id, check=False)


@pytest.mark.full
def test_a_killed_build_is_cleared_away_by_the_next_one(
    builder: Agent, tasks: Tasks, server: Any, engine: Engine, image_name: str
) -> None:
    slow, quick = tasks.create("print(1)\n"), tasks.create("print(1)\n")
    container = {"image": engine.image, "setup_shell_script": "echo slow; sleep 600"}
    server.call("tasks.edit", {"task": slow, "container": container})
    command = builder.command("build", "--id", slow, "--docker", "--target", "never")
    process = subprocess.Popen(
        command, env=builder.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    mine = ("ps", "--all", "--quiet", "--filter", f"name=clearml-build-{process.pid}-")
    try:
        until(lambda: engine.docker(*mine), 60, "for the container")
    finally:
        process.kill()
        process.wait(20)
    assert engine.docker(*mine)
    build(builder, "--id", quick, "--docker", engine.image, "--target", image_name)
    assert not engine.docker(*mine)


def test_a_build_that_cannot_be_says_why(builder: Agent, tasks: Tasks, engine: Engine) -> None:
    task = tasks.create("import attr\n", requirements={"pip": "no-such-package-of-anybody==9.9\n"})
    done = builder.run("build", "--id", task, "--docker", engine.image, "--target", "never", limit_s=BUILD_S)
    assert done.returncode == 1
    assert "no-such-package-of-anybody" in done.stderr
    assert "Traceback" not in done.stderr
    assert left_behind(engine) == []
    assert not list((builder.home / "builds").iterdir())
    missing = builder.run("build", "--id", task, "--docker", "no-such-image-of-anybody:1", "--target", "never")
    assert missing.returncode == 1
    assert "no-such-image-of-anybody:1" in missing.stderr
