"""From `clearml-task --docker` to a container of an image that the agent's machine has never seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.e2e.agent.commands.test_data_and_tasks import command
from tests.e2e.agent.containers.test_containers import variant
from tests.e2e.agent.core.conftest import Agent, Tasks
from tests.engine import Engine
from tests.registry import registry_of


@pytest.mark.rows("S0-007")
@pytest.mark.timeout(600)
def test_the_image_of_the_command_line_is_pulled_and_runs_the_code(
    server: RunningServer, docker_agent: Agent, tasks: Tasks, engine: Engine, tmp_path: Path
) -> None:
    made = variant(engine, "registry", "ENV CHOSEN=by-registry")
    (folder := tmp_path / "registry").mkdir()
    with registry_of(engine, made, folder) as registry:
        image = f"{registry.host}/examples/trainer:1"
        assert engine.docker("images", "--quiet", image) == ""
        (tmp_path / "show.py").write_text("import os\nprint('CHOSEN', os.environ['CHOSEN'])\n")
        docker_agent.start("--docker", queue=tasks.queue)
        done = command(
            server, tmp_path, "clearml-task", "--project", "containers", "--name", "pulled", "--script", "show.py",
            "--skip-task-init", "--docker", image, "--queue", tasks.queue, "--follow",
        )  # fmt: skip
        assert done.returncode == 0 and "CHOSEN by-registry" in done.stdout, done.stdout + done.stderr
        assert "/v2/examples/trainer/manifests/1" in registry.asked
    engine.docker("rmi", image, made)
