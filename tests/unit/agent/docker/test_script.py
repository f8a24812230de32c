"""The script that a container starts with, run by a real shell, and what is shown of a container."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from clearml_agent.docker import naming, shown
from clearml_agent.docker.creation import Mount
from clearml_agent.docker.mounts import of_host
from clearml_agent.docker.options import parse, split
from clearml_agent.docker.script import OPENCV, setup, start_script
from clearml_agent.docker.settings import Scripts
from clearml_agent.errors import UsageError
from clearml_agent.runs import Record

RECORD = Record(task="t1", claim=7, token="secret", worker="host:0")


def run(tmp_path: Path, script: str, **environ: str) -> str:
    (tmp_path / "runner.py").write_text(
        "import os, sys; print('RUNNER', sys.argv[2:], os.environ.get('X'), os.environ['HOME'])"
    )
    path = tmp_path / "start.sh"
    path.write_text(script)
    subprocess.run(["/bin/sh", str(path)], env={"PATH": os.environ["PATH"], **environ}, timeout=30, check=False)
    return (tmp_path / "log").read_text()


def test_lines_run_whatever_fails_and_the_runner_comes_last(tmp_path: Path) -> None:
    script = start_script(
        str(tmp_path), ["echo one", "false", "echo 'two  three'"], environ={"X": "it's"}, user="", home="/somewhere"
    )
    assert run(tmp_path, script, HOME=str(tmp_path)).splitlines() == [
        "one",
        "two  three",
        f"RUNNER ['--contained'] it's {tmp_path}",
    ]


def test_user_without_a_home_gets_one(tmp_path: Path) -> None:
    script = start_script(str(tmp_path), [], environ={}, user="", home="/somewhere")
    assert run(tmp_path, script, HOME="/").endswith(" /somewhere\n")
    script = start_script(str(tmp_path), [], environ={}, user="1:2", home="/of-the-run")
    assert run(tmp_path, script, HOME="/root").endswith("RUNNER ['--contained', '1:2'] None /of-the-run\n")


def test_image_without_python_is_told_by_the_exit_code(tmp_path: Path) -> None:
    path = tmp_path / "start.sh"
    path.write_text(start_script(str(tmp_path), [], environ={}, user=""))
    assert subprocess.run(["/bin/sh", str(path)], env={"PATH": str(tmp_path)}, timeout=30, check=False).returncode == 90


def test_setup_of_configuration_and_task_in_order() -> None:
    scripts = Scripts(before=("a",), init=("b",), extra=("c",))
    assert setup(scripts, "#!/bin/bash\r\nd\r\n# e\r\nf", "numpy")[1:] == ["a", "b", "c", "d\n# e\nf"]
    assert setup(Scripts(), "", "opencv-python-headless==4") == []
    assert setup(Scripts(), "  \n", "numpy\nopencv-python==4")[1:] == [OPENCV]
    assert setup(Scripts(opencv_libs=False), "", "opencv-python") == []


def test_shown_command_hides_secrets() -> None:
    options = parse(split("-e MY_TOKEN=a -e X=b -e URL=https://u:p@h -v '/a b:/c' -e ODD=c"))
    text = shown.command("image", options, hides=True, hidden=["ODD"])
    assert text == (
        "docker run -e 'MY_TOKEN=********' -e X=b -e 'URL=https://u:********@h' -v '/a b:/c' -e 'ODD=********' image"
    )
    assert "MY_TOKEN=a" in shown.command("image", options, hides=False)


def test_containers_are_named_after_their_task() -> None:
    assert naming.container_name(RECORD, "", {}) == "clearml-t1-7"
    named = naming.container_name(RECORD, "{prefix}-{task_id}-{worker_id}-{rand_string:.4}", {"prefix": "mine"})
    assert named.startswith("mine-t1-host_0-") and len(named) == len("mine-t1-host_0-") + 4
    for wrong in ("{no_such}", "{task_id}/x", "{"):
        with pytest.raises(UsageError, match="docker_container_name_format"):
            naming.container_name(RECORD, wrong, {})


def test_labels_tell_worker_task_and_run() -> None:
    found = naming.labels(RECORD, "/home/a", ["team=x"])
    assert found["clearml-worker-id"] == "host:0" and found["clearml-task-id"] == "t1"
    assert found["clearml-run"] == "t1.7" and found["team"] == "x"
    assert "secret" not in str(found)


def test_mounts_of_an_agent_in_a_container_are_the_hosts() -> None:
    found = [Mount("/in/runs/1", "/in/runs/1"), Mount("/inner", "/x"), Mount("/in", "/y", True)]
    kept, lost = of_host(found, ("/host", "/in"))
    assert kept == [Mount("/host/runs/1", "/in/runs/1"), Mount("/host", "/y", True)]
    assert lost == ["/inner"]
    assert of_host(found, ("", "")) == (found, [])
