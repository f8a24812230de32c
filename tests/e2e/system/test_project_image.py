"""The project's own image: built by its script, well, without privileges, and a task goes through it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.session import Session
from tests.e2e.agent.core.conftest import until
from tests.engine import Engine, docker_program

PROJECT = Path(__file__).resolve().parents[3]
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
COMPRESSED_LIMIT = 200_000_000
CODE = """from clearml import Task
task = Task.init()
for step in range(3):
    task.get_logger().report_scalar("loss", "train", 1 / (step + 1), step)
task.upload_artifact("numbers", {"a": 1})
print("trained in the image", flush=True)
"""


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((PROJECT / "compose.yaml").read_text()))


def test_compose_and_dockerfile_name_what_there_is() -> None:
    """What a build at full size would find, without one."""
    services = compose()["services"]
    assert set(services) == {"server", "agent"}
    assert services["server"]["command"][0] == "clearml-server"
    assert "--with-services" in services["server"]["command"]
    assert services["agent"]["command"][2:4] == ["clearml-agent", "daemon"]
    dockerfile = (PROJECT / "Dockerfile").read_text()
    for name in re.findall(r"packaging/\S+", dockerfile):
        assert (PROJECT / name).is_file(), name
    assert subprocess.run(["bash", "-n", str(PROJECT / "scripts" / "build-image")], check=False).returncode == 0


@pytest.fixture(scope="module")
def image(engine: Engine) -> Iterator[str]:
    name = f"clearml-lean-test:{uuid.uuid4().hex[:8]}"
    env = {**os.environ, "DOCKER_HOST": engine.url, "BASE_IMAGE": engine.image}
    built = subprocess.run(
        ["bash", "scripts/build-image", name],
        cwd=PROJECT,
        env=env,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert built.returncode == 0, built.stdout[-4000:] + built.stderr[-4000:]
    yield name
    engine.docker("image", "rm", "--force", name, check=False)


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_a_task_goes_through_server_and_agent_of_the_image(image: str, engine: Engine, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex[:8]
    volume = f"clearml-test-{mark}"
    # One network namespace, this machine's: there is no other way to its package index from here.
    common = ["--network", "host", "--init", "--detach", "--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"]
    common += ["--env", f"SSL_CERT_FILE={CERTIFICATES}"]
    services = compose()["services"]
    ports = ["--api-port", "0", "--web-port", "0", "--files-port", "0"]
    server_command = [*services["server"]["command"], *ports]
    server_command[server_command.index("0.0.0.0")] = "127.0.0.1"
    names = [f"server-{mark}", f"agent-{mark}"]
    try:
        engine.docker("run", "--name", names[0], *common, "--volume", f"{volume}:/data", image, *server_command)
        read = ("exec", names[0], "cat", "/data/server/ready.json")
        text = until(lambda: engine.docker(*read, check=False), 60, "for the server")
        facts = json.loads(text)
        agent_command = services["agent"]["command"]
        mounts = ["--volume", f"{volume}:/server:ro"]
        engine.docker("run", "--name", names[1], *common, *mounts, image, *agent_command)
        session = Session(
            ApiSettings(api_server=facts["api_server"], access_key=facts["access_key"], secret_key=facts["secret_key"])
        )
        served = lambda: {  # noqa: E731 - one expression, asked again and again
            queue["name"]
            for worker in session.call("workers.get_all", {"last_seen": 0})["workers"]
            for queue in worker["queues"]
        }
        until(lambda: served() == {"default", "services"}, 60, "for the agents")
        requirements = {"pip": "clearml\n", "sdk": "clearml-lean"}
        script = {"binary": "python3", "entry_point": "train.py", "diff": CODE, "requirements": requirements}
        task = session.call("tasks.create", {"name": "in the image", "type": "training", "script": script})["id"]
        session.call("tasks.enqueue", {"task": task, "queue_name": "default"})

        def ended() -> dict[str, Any] | None:
            found: dict[str, Any] = session.call("tasks.get_by_id", {"task": task})["task"]
            return found if found["status"] in ("completed", "failed", "stopped") else None

        found = until(ended, 180, "for the task")
        log = session.call("events.get_task_log", {"task": task, "batch_size": 500, "order": "asc"})["events"]
        said = "".join(event["msg"] for event in log)
        assert found["status"] == "completed", said
        assert "trained in the image\n" in said
        curve = session.call("events.scalar_metrics_iter_histogram", {"task": task})["loss"]["train"]
        assert curve["y"] == [1.0, 0.5, pytest.approx(1 / 3)]
        assert [artifact["key"] for artifact in found["execution"]["artifacts"]] == ["numbers"]
        for name in names:
            check = ["/opt/clearml/bin/python", "/opt/clearml/bin/healthcheck.py"]
            assert engine.docker("exec", name, *check) == "well"
            assert engine.docker("exec", name, "id", "-u") == "1000"
        until(
            lambda: engine.docker("inspect", "-f", "{{.State.Health.Status}}", names[0]) == "healthy", 90, "for health"
        )
        session.close()
        engine.docker("stop", "--time", "30", names[0])
        assert engine.docker("inspect", "-f", "{{.State.ExitCode}}", names[0]) == "0"
    finally:
        engine.docker("rm", "--force", "--volumes", *names, check=False)
        engine.docker("volume", "rm", "--force", volume, check=False)


def outcome(session: Session, queue: str, code: str) -> str:
    """Status and console of a task that went through a queue, once that is there."""
    until(lambda: session.call("queues.get_all", {"name": f"^{queue}$"})["queues"], 60, f"for queue {queue}")
    script = {"binary": "python3", "entry_point": "main.py", "diff": code}
    task = session.call("tasks.create", {"name": "composed", "type": "training", "script": script})["id"]
    session.call("tasks.enqueue", {"task": task, "queue_name": queue})

    def ended() -> str:
        status = str(session.call("tasks.get_by_id", {"task": task})["task"]["status"])
        return status if status in ("completed", "failed", "stopped") else ""

    status = until(ended, 120, "for the task")
    log = session.call("events.get_task_log", {"task": task, "batch_size": 500, "order": "asc"})["events"]
    return f"{status}\n" + "".join(event["msg"] for event in log)


def compose_command(engine: Engine) -> list[str]:
    """Docker's compose: its plugin where there is one, else the older program of its own."""
    plugin = [docker_program(), "compose"]
    if subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode == 0:
        return plugin
    if program := shutil.which("docker-compose"):
        return [program]
    pytest.skip("no docker compose here (apt-get install docker-compose)")


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_compose_file_makes_a_system_that_runs_tasks(image: str, engine: Engine, tmp_path: Path) -> None:
    """compose.yaml as it is, but for the image's name and for ports of this machine, which may be in use."""
    text = (PROJECT / "compose.yaml").read_text().replace("image: clearml-lean", f"image: {image}")
    text, replaced = re.subn(r'"(80\d\d):\1"', r'"127.0.0.1::\1"', text)
    assert replaced == 3
    (tmp_path / "compose.yaml").write_text(text)
    project = f"test{uuid.uuid4().hex[:8]}"
    command = [*compose_command(engine), "--file", str(tmp_path / "compose.yaml"), "--project-name", project]

    def run(*words: str) -> str:
        env = {**os.environ, "DOCKER_HOST": engine.url}
        done = subprocess.run([*command, *words], env=env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    try:
        run("up", "--detach")
        facts = json.loads(run("exec", "-T", "server", "cat", "/data/server/ready.json"))
        api = f"http://{run('port', 'server', '8008')}"
        session = Session(ApiSettings(api_server=api, access_key=facts["access_key"], secret_key=facts["secret_key"]))
        for queue in ("default", "services"):
            said = outcome(session, queue, "print('composed', flush=True)\n")
            assert said.startswith("completed") and "composed\n" in said, said
        session.close()
    finally:
        run("down", "--volumes", "--timeout", "20")


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_the_image_runs_every_command_and_is_small(image: str, engine: Engine, tmp_path: Path) -> None:
    for command in ("clearml-server", "clearml-agent", "clearml-task", "clearml-init", "clearml"):
        said = engine.docker("run", "--rm", "--network", "none", image, command, "--help")
        assert "usage" in said.lower(), command
    saved = subprocess.Popen([docker_program(), "-H", engine.url, "save", image], stdout=subprocess.PIPE)
    packed = subprocess.run(["gzip", "-6"], stdin=saved.stdout, stdout=subprocess.PIPE, check=True).stdout
    assert saved.wait(60) == 0
    assert saved.stdout is not None
    saved.stdout.close()
    assert len(packed) <= COMPRESSED_LIMIT
