"""What docker mode costs: from enqueue to the first line of user code in a container, beside plain `docker run`.

The image and the environment (one small package) are warm. The image has pip and git, which the official agent would
else install in each container; it still installs itself there, from the same package index.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.measure import Figure, console, report
from benchmarks.start import LIMIT_S
from tests.compat.official import BIN, agent_environment, official_environment, process
from tests.conftest import RunningServer, running_server
from tests.engine import Engine, docker_program, running_engine

SCRIPT = """import time
first_line = time.time()
import os, {module}
with open(os.path.join({folder!r}, {name!r}), "w") as mark:
    mark.write(str(first_line))
"""
GOAL_MS = 800
IMAGE = "bench-docker:latest"
CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")


def prepared_image(engine: Engine) -> str:
    """The base image with pip, as most images for Python have it."""
    if not engine.docker("images", "--quiet", IMAGE):
        with contextlib.suppress(RuntimeError):
            engine.docker("rm", "--force", "make-bench")
        install = "apt-get update -qq && apt-get install -qq -y --no-install-recommends python3-pip python3-dev"
        command = [docker_program(), "-H", engine.url, "run", "--name", "make-bench", "--network=host", engine.image]
        subprocess.run([*command, "sh", "-c", install], check=True, capture_output=True, timeout=600)
        engine.docker("commit", "make-bench", IMAGE)
        engine.docker("rm", "make-bench")
    return IMAGE


def once(server: RunningServer, queue: str, folder: Path, module: str) -> float:
    """Send one task through `queue`; returns seconds from the call of tasks.enqueue to its first line."""
    mark = folder / f"{queue}-{time.time_ns()}"
    script = {
        "binary": "python3",
        "entry_point": "task.py",
        "working_dir": ".",
        "diff": SCRIPT.format(folder=str(folder), name=mark.name, module=module),
        "requirements": {"pip": f"{module}\n"},
    }
    task = server.call("tasks.create", {"name": "docker", "type": "training", "script": script})["id"]
    began = time.time()
    server.call("tasks.enqueue", {"task": task, "queue_name": queue})
    deadline = time.monotonic() + LIMIT_S
    while not (mark.exists() and mark.read_text()):
        found = server.call("tasks.get_by_id", {"task": task})["task"]
        if found["status"] in ("failed", "stopped") or time.monotonic() > deadline:
            raise RuntimeError(f"the task on {queue} is {found['status']}: {found.get('status_message')}")
        time.sleep(0.05)
    first_line = float(mark.read_text())
    while server.call("tasks.get_by_id", {"task": task})["task"]["status"] == "in_progress":
        time.sleep(0.05)
    return first_line - began


def plain(engine: Engine, image: str, folder: Path) -> float:
    """The same by `docker run` alone."""
    mark = folder / f"plain-{time.time_ns()}"
    code = SCRIPT.format(folder=str(folder), name=mark.name, module="json")
    began = time.time()
    engine.docker("run", "--rm", "--network=host", "-v", f"{folder}:{folder}", image, "python3", "-c", code)
    return float(mark.read_text()) - began


def configured(path: Path, text: str, image: str, folder: Path) -> Path:
    """A configuration for containers that see `folder`, the package index and its certificates."""
    arguments = ["--network=host", "-v", f"{folder}:{folder}"]
    files = {os.environ[name] for name in CERTIFICATES if os.environ.get(name)}
    arguments += [word for file in sorted(files) for word in ("-v", f"{file}:{file}:ro")]
    arguments += [word for name in CERTIFICATES if name in os.environ for word in ("-e", f"{name}={os.environ[name]}")]
    section = {"extra_docker_arguments": arguments, "default_docker": {"image": image}}
    path.write_text(f"{text}\nagent: {json.dumps(section)}\n")
    return path


def run(title: str, *, rounds: int) -> None:
    official_bin = agent_environment()
    with (
        running_engine() as engine,
        running_server() as server,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name,
        ExitStack() as up,
    ):
        folder = Path(name)
        image = prepared_image(engine)
        daemon = ("daemon", "--docker", "--cpu-only", "--create-queue", "--foreground", "--queue")
        ours_env = server.environment(
            CLEARML_AGENT_HOME=str(folder / "agent"),
            CLEARML_WORKER_NAME="ours",
            CLEARML_CONFIG_FILE=str(configured(folder / "ours.conf", "", image, folder)),
            DOCKER_HOST=engine.url,
        )
        up.enter_context(process("ours", folder, str(BIN / "clearml-agent"), *daemon, "ours", env=ours_env))
        once(server, "ours", folder, "six")
        ours: list[float] = []
        official: list[float] = []
        bare: list[float] = []
        theirs = official_side(server, engine, folder, image, official_bin, daemon, up)
        for _ in range(rounds):
            ours.append(once(server, "ours", folder, "six"))
            bare.append(plain(engine, image, folder))
            if theirs:
                official.append(once(server, "official", folder, "six"))
    over = [own - limit for own, limit in zip(ours, bare, strict=True)]
    report(title, [Figure("enqueue -> first line", ours, official or [float("nan")])], {"plain docker run": bare})
    said = statistics.median(over) * 1e3
    console.print(
        f"over plain docker run: {said:.0f} ms (goal <= {GOAL_MS} ms: {'held' if said <= GOAL_MS else 'MISSED'})"
    )


def official_side(
    server: RunningServer, engine: Engine, folder: Path, image: str, bin: Path, daemon: tuple[str, ...], up: ExitStack
) -> bool:
    """Start the official agent on the same engine and warm it; False, saying why, where it cannot work here."""
    home = folder / "official"
    home.mkdir()
    environment = official_environment(server, home, bin)
    path = Path(environment["CLEARML_CONFIG_FILE"])
    configured(path, path.read_text(), image, folder)
    environment |= {"DOCKER_HOST": engine.url, "PATH": f"{Path(docker_program()).parent}:{environment['PATH']}"}
    command = (str(bin / "clearml-agent"), *daemon, "official")
    log = up.enter_context(process("official", folder, *command, env=environment))
    try:
        once(server, "official", folder, "six")
    except RuntimeError as error:
        console.print(f"the official agent does not get a task through here: {error}")
        console.print(log.read_text(errors="replace")[-2000:])
        return False
    return True
