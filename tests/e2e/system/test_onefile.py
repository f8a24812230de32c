"""The commands in one file, on a machine that has no Python."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.session import Session
from tests.e2e.agent.core.conftest import until
from tests.engine import Engine

PROJECT = Path(__file__).resolve().parents[3]
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
BARE = """FROM {base}
RUN rm -rf /usr/bin/python3* /usr/lib/python3* /usr/lib/*/libssl.so* /usr/lib/*/libsqlite3.so* && ! command -v python3
"""
CODE = """import json, sys
from clearml import Task
task = Task.init()
task.get_logger().report_scalar("loss", "train", 0.25, 1)
print("SEEN", json.dumps({"version": sys.version_info[:2], "prefix": sys.prefix}), flush=True)
"""


def test_the_script_of_the_file_unpacks_once_and_tells_what_is_wrong(tmp_path: Path) -> None:
    """The shell part alone, around a Python that is a script."""
    text = (PROJECT / "packaging" / "onefile.sh").read_text()
    text = text.replace("@VERSION@", "1").replace("@ID@", "1-abc").replace("@LIBC@", "glibc 2")
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as zipped, tarfile.open(fileobj=zipped, mode="w|") as tar:
        content = b'#!/bin/sh\necho "$@"\n'
        facts = tarfile.TarInfo("bin/python3")
        facts.size, facts.mode = len(content), 0o755
        tar.addfile(facts, io.BytesIO(content))
    file = tmp_path / "clearml"
    offset = len(text.replace("@OFFSET@", "9999").encode()) + 1
    assert 1000 <= offset <= 9999
    file.write_bytes(text.replace("@OFFSET@", str(offset)).encode() + packed.getvalue())
    file.chmod(0o755)
    agent = tmp_path / "clearml-agent"
    agent.symlink_to(file)
    env = {"PATH": os.defpath, "CLEARML_ONEFILE_DIR": str(tmp_path / "place")}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)

    both = [subprocess.Popen([str(agent), "daemon"], env=env, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert {process.communicate(timeout=30)[0] for process in both} == {"-P -m clearml_sdk.cli clearml-agent daemon\n"}
    assert run(str(file), "server", "--help").stdout == "-P -m clearml_sdk.cli server --help\n"
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["1-abc"]
    assert sorted(path.name for path in (tmp_path / "place" / "1-abc").iterdir()) == ["bin", "complete"]
    file.write_bytes(file.read_bytes()[:-40])
    env["CLEARML_ONEFILE_DIR"] = str(tmp_path / "other")
    broken = run(str(file))
    assert broken.returncode == 1
    assert "cannot be unpacked" in broken.stderr
    assert list((tmp_path / "other").iterdir()) == []


@pytest.fixture(scope="module")
def onefile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("onefile") / "clearml"
    command = ["bash", "scripts/build-binary", str(target)]
    built = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=900, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return target


@pytest.fixture(scope="module")
def bare(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image without Python."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "Dockerfile").write_text(BARE.format(base=engine.image))
    name = f"bare-{uuid.uuid4().hex[:8]}"
    engine.docker("build", "--quiet", "--tag", name, str(folder))
    yield name
    engine.docker("image", "rm", "--force", name, check=False)


@pytest.mark.full
@pytest.mark.timeout(1200)
def test_one_file_is_server_and_agent_in_a_container_without_python(onefile: Path, bare: str, engine: Engine) -> None:
    mark = uuid.uuid4().hex[:8]
    names = [f"one-server-{mark}", f"one-agent-{mark}"]
    common = ["--network", "host", "--init", "--detach", "--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"]
    common += ["--env", f"SSL_CERT_FILE={CERTIFICATES}"]
    mounts = [
        *("--volume", f"{onefile}:/usr/local/bin/clearml-server:ro"),
        *("--volume", f"{onefile}:/usr/local/bin/clearml-agent:ro"),
    ]
    ports = ["--api-port", "0", "--web-port", "0", "--files-port", "0", "--ready-file", "/ready.json"]
    try:
        server = ["clearml-server", *ports, "--data-dir", "/data"]
        engine.docker("run", "--name", names[0], *common, *mounts, bare, *server)
        text = until(lambda: engine.docker("exec", names[0], "cat", "/ready.json", check=False), 120, "for the server")
        facts = json.loads(text)
        variables = {
            "CLEARML_API_HOST": facts["api_server"],
            "CLEARML_FILES_HOST": facts["files_server"],
            "CLEARML_API_ACCESS_KEY": facts["access_key"],
            "CLEARML_API_SECRET_KEY": facts["secret_key"],
        }
        env = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
        agent = ["clearml-agent", "daemon", "--queue", "default", "--create-queue", "--foreground"]
        engine.docker("run", "--name", names[1], *common, *mounts, *env, bare, *agent)
        settings = ApiSettings(facts["api_server"], access_key=facts["access_key"], secret_key=facts["secret_key"])
        session = Session(settings)
        until(lambda: session.call("queues.get_all", {"name": "^default$"})["queues"], 120, "for the agent")
        requirements = {"pip": "attrs\nclearml\n", "sdk": "clearml-lean"}
        script = {"binary": "python3", "entry_point": "train.py", "diff": CODE, "requirements": requirements}
        task = session.call("tasks.create", {"name": "bare", "type": "training", "script": script})["id"]
        session.call("tasks.enqueue", {"task": task, "queue_name": "default"})

        def ended() -> dict[str, Any] | None:
            found: dict[str, Any] = session.call("tasks.get_by_id", {"task": task})["task"]
            return found if found["status"] in ("completed", "failed", "stopped") else None

        found = until(ended, 240, "for the task")
        log = session.call("events.get_task_log", {"task": task, "batch_size": 500, "order": "asc"})["events"]
        said = "".join(event["msg"] for event in log)
        assert found["status"] == "completed", said
        (line,) = [line for line in said.splitlines() if line.startswith("SEEN ")]
        assert "/runs/" in json.loads(line.removeprefix("SEEN "))["prefix"]
        assert session.call("events.scalar_metrics_iter_histogram", {"task": task})["loss"]["train"]["y"] == [0.25]
        session.close()
    finally:
        engine.docker("rm", "--force", "--volumes", *names, check=False)
