"""`clearml-task` as a user types it: a task of existing code, in a queue."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from examples.repository import git, make_repository
from tests.conftest import RunningServer

SCRIPT = "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--lr', type=float, default=1)\n"


def clearml_task(server: RunningServer, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "clearml_sdk.cli", "clearml-task", *arguments]
    env = server.environment(HOME=str(folder))
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


def made(server: RunningServer, answer: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert answer.returncode == 0, answer.stdout + answer.stderr
    found = re.search(r"New task created id=([0-9a-f]{32})", answer.stdout)
    assert found
    assert f"{server.web}/projects/" in answer.stdout
    return dict(server.call("tasks.get_by_id", {"task": found[1]})["task"])


@pytest.mark.rows("S0-001", "S0-006", "S0-021")
def test_a_script_that_never_heard_of_the_sdk_becomes_a_task(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(SCRIPT)
    common = ("--project", "command line", "--name", "a script", "--script", "plain.py")
    task = made(
        server,
        clearml_task(server, tmp_path, *common, "--args", "lr=0.003", "--packages", "tqdm>=2.1", "--tags", "t"),
    )
    assert (task["status"], task["type"], task["tags"]) == ("created", "training", ["t"])
    assert task["script"]["entry_point"] == "plain.py"
    assert "Task.init()" in task["script"]["diff"]
    assert task["script"]["diff"].endswith(SCRIPT.splitlines()[-1] + "\n")
    assert task["hyperparams"]["Args"]["lr"]["value"] == "0.003"
    assert task["script"]["requirements"]["pip"].splitlines() == ["tqdm>=2.1", "clearml"]


@pytest.mark.rows("S0-017", "S0-018", "S0-003")
def test_a_working_copy_is_recorded_with_its_changes_and_enqueued(server: RunningServer, tmp_path: Path) -> None:
    clone = make_repository(tmp_path / "work")
    common = ("--project", "command line", "--name", "a folder", "--queue", "default")
    task = made(server, clearml_task(server, tmp_path, *common, "--folder", str(clone), "--script", "train.py"))
    queue = server.call("queues.get_by_id", {"queue": task["execution"]["queue"]})["queue"]
    assert (task["status"], queue["name"]) == ("queued", "default")
    assert task["script"]["version_num"] == git("rev-parse", "HEAD", cwd=clone)
    assert "with the uncommitted change" in task["script"]["diff"]
    assert task["script"]["entry_point"] == "train.py"


@pytest.mark.rows("S0-014", "S0-015", "S0-020")
def test_a_repository_elsewhere_is_named_not_read(server: RunningServer, tmp_path: Path) -> None:
    url = "ssh://git@host.invalid/team/code.git"
    common = ("--project", "command line", "--name", "a repository", "--repo", url, "--script", "src/train.py")
    task = made(
        server, clearml_task(server, tmp_path, *common, "--branch", "next", "--commit", "abc123", "--cwd", "src")
    )
    section = task["script"]
    assert (section["repository"], section["branch"], section["version_num"]) == (url, "next", "abc123")
    assert (section["entry_point"], section["working_dir"]) == ("train.py", "src")
    assert "diff --git a/src/train.py b/src/train.py" in section["diff"] and "+    Task.init()" in section["diff"]


@pytest.mark.rows("S0-031")
def test_a_base_task_is_cloned_and_overridden(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(SCRIPT)
    common = ("--project", "command line", "--name", "the base", "--script", "plain.py")
    base = made(server, clearml_task(server, tmp_path, *common, "--args", "lr=1", "--docker", "python:3.12"))
    more = ("--args", "lr=2", "--packages", "tqdm==4.66")
    task = made(server, clearml_task(server, tmp_path, "--base-task-id", base["id"], *more))
    assert task["parent"] == base["id"] and task["script"]["diff"] == base["script"]["diff"]
    assert task["script"]["requirements"]["pip"].splitlines()[0] == "tqdm==4.66"
    assert task["hyperparams"]["Args"]["lr"]["value"] == "2"
    assert task["container"]["image"] == base["container"]["image"] == "python:3.12"
    (tmp_path / "needs.txt").write_text("attrs\n")
    other = ("--branch", "next", "--cwd", "src", "--binary", "python3.9", "--task-type", "testing")
    more = ("--requirements", "needs.txt", "--docker_args", "-e A=1", *other)
    told = json.loads(clearml_task(server, tmp_path, "--base-task-id", base["id"], *more, "--dry-run", "--json").stdout)
    task = made(server, clearml_task(server, tmp_path, "--base-task-id", base["id"], *more))
    script = task["script"]
    assert (script["branch"], script["working_dir"], script["binary"]) == ("next", "src", "python3.9")
    assert script["requirements"]["pip"] == "attrs\nclearml\n" and script["diff"] == base["script"]["diff"]
    assert (task["container"]["image"], task["container"]["arguments"]) == ("python:3.12", "-e A=1")
    assert task["type"] == told["type"] == "testing"
    assert {key: script[key] for key in told["script"]} == told["script"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "--project and --name"),
        (("--project", "p", "--name", "name"), 2, "what is to run"),
        (("--project", "p", "--name", "name", "--script", "missing.py"), 1, "there is no script 'missing.py'"),
        (("--project", "p", "--name", "name", "--script", "x.py", "--folder", "/no/such"), 2, "no folder /no/such"),
        (("--project", "p", "--name", "name", "--script", "x.py", "--task-type", "odd"), 2, "invalid choice: 'odd'"),
        (("--base-task-id", "f" * 32), 1, "Invalid task id"),
        (("--base-task-id", "f" * 32, "--args", "lr"), 1, "NAME=VALUE"),
        (("--base-task-id", "f" * 32, "--queue", "no such queue"), 1, "no such queue"),
        (("--project", "p", "--name", "name", "--script", "x.py", "--follow"), 2, "--follow needs --queue"),
        (("--name", "name", "--script", "x.py"), 2, "--project and --name"),
        (("--project", "p", "--script", "x.py"), 2, "--project and --name"),
    ],
)
def test_what_cannot_be_made_is_refused_with_a_reason(
    server: RunningServer, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    answer = clearml_task(server, tmp_path, *arguments)
    assert answer.returncode == code, answer.stdout + answer.stderr
    assert words in answer.stdout + answer.stderr


@pytest.mark.rows("S0-002", "S0-004", "S0-010")
def test_where_the_code_is_decides_what_is_recorded(server: RunningServer, tmp_path: Path) -> None:
    clone = make_repository(tmp_path / "work")
    (tmp_path / "plain.py").write_text(SCRIPT)
    common = ("--project", "command line", "--name", "three ways")
    script = made(server, clearml_task(server, tmp_path, *common, "--script", "plain.py"))
    folder = made(server, clearml_task(server, tmp_path, *common, "--folder", str(clone), "--script", "train.py"))
    remote = f"file://{clone}.git"
    elsewhere = made(server, clearml_task(server, tmp_path, *common, "--repo", remote, "--script", "train.py"))
    assert (script["script"]["repository"], script["script"]["entry_point"]) == ("", "plain.py")
    assert folder["script"]["repository"] == remote and folder["script"]["branch"] == "main"
    section = elsewhere["script"]
    assert section["repository"] == remote and not section.get("branch") and not section.get("version_num")
    chosen = made(
        server, clearml_task(server, tmp_path, *common, "--repo", remote, "--script", "train.py", "--branch", "main")
    )
    assert chosen["script"]["branch"] == "main"


@pytest.mark.rows("S0-016", "S0-019", "S0-030")
def test_the_call_of_init_is_a_patch_that_git_takes(server: RunningServer, tmp_path: Path) -> None:
    """On the commit that is recorded; beside the uncommitted changes, or before a script that is not here."""
    clone = make_repository(tmp_path / "work")
    with (clone / "points.py").open("a") as script:
        script.write("# changed here")
    common = ("--project", "command line", "--name", "patched")
    direct = ("--folder", str(clone), "--script", str(clone / "points.py"))
    section = made(server, clearml_task(server, tmp_path, *common, *direct))["script"]
    assert (section["entry_point"], section["version_num"]) == ("points.py", git("rev-parse", "HEAD", cwd=clone))
    far = made(
        server, clearml_task(server, tmp_path, *common, "--repo", f"file://{clone}.git", "--script", "points.py")
    )
    for diff in (section["diff"], far["script"]["diff"]):
        fresh = tmp_path / f"fresh{len(diff)}"
        git("clone", "--quiet", f"{clone}.git", str(fresh), cwd=tmp_path)
        (tmp_path / "changes.diff").write_text(diff)
        git("apply", "--unidiff-zero", "--whitespace=nowarn", str(tmp_path / "changes.diff"), cwd=fresh)
        code = (fresh / "points.py").read_text()
        assert code.count("Task.init()") == 1
        compile(code, "points.py", "exec")
        assert "clearml" in (fresh / "requirements.txt").read_text().split(), "the call needs it"
    assert "+# changed here" in section["diff"] and "with the uncommitted change" in section["diff"]
    kept = made(server, clearml_task(server, tmp_path, *common, *direct, "--skip-task-init"))["script"]
    assert "Task.init" not in kept["diff"] and "+# changed here" in kept["diff"]
    assert "requirements.txt" not in kept["diff"]


def test_the_requirements_of_a_repository_name_the_sdk_where_they_count(server: RunningServer, tmp_path: Path) -> None:
    clone = make_repository(tmp_path / "work")
    common = ("--project", "command line", "--name", "needs", "--folder", str(clone), "--script", "points.py")

    def diff(*arguments: str) -> str:
        answer = clearml_task(server, tmp_path, *common, "--dry-run", "--json", *arguments)
        return str(json.loads(answer.stdout)["script"]["diff"])

    assert "+++ b/requirements.txt" not in diff("--packages", "attrs")
    assert "+++ b/requirements.txt" not in diff("--force-no-requirements")
    (clone / "requirements.txt").write_text("numpy\nclearml-agent\n")
    assert diff().endswith("--- a/requirements.txt\n+++ b/requirements.txt\n@@ -0,0 +1,1 @@\n+clearml\n")
    (clone / "requirements.txt").write_text("numpy\nclearml[s3] >= 1.9  # reports\n")
    assert "\n+clearml\n" not in diff()
    (clone / "requirements.txt").unlink()
    assert diff().count("\n+clearml\n") == 1
    (clone / "uv.lock").touch()
    assert "\n+clearml\n" not in diff(), "the lock file says what is installed"


@pytest.mark.rows("S0-025", "S0-026", "S0-027")
def test_the_container_is_as_given(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(SCRIPT)
    (tmp_path / "setup.sh").write_text("apt-get update\n")
    common = ("--project", "command line", "--name", "contained", "--script", "plain.py", "--docker", "python:3.12")
    setup = ("--docker_bash_setup_script", "setup.sh")
    task = made(server, clearml_task(server, tmp_path, *common, "--docker_args", "-e A=1 --ipc=host", *setup))
    assert task["container"] == {
        "image": "python:3.12", "arguments": "-e A=1 --ipc=host", "setup_shell_script": "apt-get update\n",
    }  # fmt: skip
    bare = made(server, clearml_task(server, tmp_path, *common, "--skip-python-env-install", "--force-no-requirements"))
    assert bare["container"]["arguments"] == "-e CLEARML_AGENT_SKIP_PYTHON_ENV_INSTALL=1"
    assert bare["script"]["requirements"] == {"pip": ""}
    short = made(server, clearml_task(server, tmp_path, *common[:-1], "python:3.12 --ipc=host -e B=2"))
    assert (short["container"]["image"], short["container"]["arguments"]) == ("python:3.12", "--ipc=host -e B=2")


@pytest.mark.rows("S0-008", "S0-023", "S0-024")
def test_what_is_installed_is_as_given(server: RunningServer, tmp_path: Path) -> None:
    clone = make_repository(tmp_path / "work")
    common = ("--project", "command line", "--name", "needs", "--folder", str(clone), "--script", "train.py")
    plain = made(server, clearml_task(server, tmp_path, *common, "--skip-task-init"))
    assert not (plain["script"].get("requirements") or {}).get("pip")  # the repository's own
    listed = made(
        server, clearml_task(server, tmp_path, *common, "--skip-task-init", "--packages", "keras", "tensorflow>2.2")
    )
    assert listed["script"]["requirements"]["pip"].splitlines() == ["keras", "tensorflow>2.2", "clearml"]
    (tmp_path / "needs.txt").write_text("tqdm>=2.1\nattrs\n")
    read = made(server, clearml_task(server, tmp_path, *common, "--requirements", "needs.txt"))
    assert read["script"]["requirements"]["pip"].splitlines() == ["tqdm>=2.1", "attrs", "clearml"]
    (tmp_path / "needs.txt").write_text("-r more.txt\nattrs")
    both = made(
        server, clearml_task(server, tmp_path, *common, "--requirements", "needs.txt", "--packages", "clearml==1.9")
    )
    assert both["script"]["requirements"]["pip"].splitlines() == ["-r more.txt", "attrs", "clearml==1.9"]
    nothing = ("--requirements", "needs.txt", "--force-no-requirements")
    assert made(server, clearml_task(server, tmp_path, *common, *nothing))["script"]["requirements"] == {"pip": ""}


@pytest.mark.rows("S0-020")
def test_a_script_starts_where_its_user_stands(server: RunningServer, tmp_path: Path) -> None:
    """In the directory of the shell where that is in the repository, else in its root; or where --cwd says."""
    clone = make_repository(tmp_path / "work")
    (clone / "src").mkdir()
    (clone / "src/run.py").write_text(SCRIPT)
    common = ("--project", "command line", "--name", "places", "--dry-run", "--json")
    places = [
        (clone, ("--script", "src/run.py"), (".", "src/run.py")),
        (clone / "src", ("--script", "run.py"), ("src", "run.py")),
        (tmp_path, ("--script", str(clone / "src/run.py")), (".", "src/run.py")),
        (tmp_path, ("--script", str(clone / "src/run.py"), "--cwd", "src"), ("src", "run.py")),
        (clone / "src", ("--script", "run.py", "--cwd", "."), (".", "src/run.py")),
        (tmp_path, ("--folder", str(clone), "--script", "run.py", "--cwd", "src"), ("src", "run.py")),
    ]
    for place, arguments, expected in places:
        script = json.loads(clearml_task(server, place, *common, *arguments).stdout)["script"]
        assert (script["working_dir"], script["entry_point"]) == expected, (place, arguments)


def test_another_branch_means_its_newest_commit(server: RunningServer, tmp_path: Path) -> None:
    clone = make_repository(tmp_path / "work")
    common = ("--project", "command line", "--name", "branches", "--folder", str(clone), "--script", "points.py")

    def told(*arguments: str) -> tuple[str, str, bool]:
        answer = clearml_task(server, tmp_path, *common, "--dry-run", "--json", *arguments)
        script = json.loads(answer.stdout)["script"]
        return script["branch"], script["version_num"], "with the uncommitted change" in script["diff"]

    head = git("rev-parse", "HEAD", cwd=clone)
    assert told("--branch", "main") == ("main", head, True)
    assert told("--branch", "next") == ("next", "", False)
    assert told("--commit", "abc123") == ("main", "abc123", False)


@pytest.mark.rows("S0-009", "S0-012", "S0-013")
def test_a_draft_waits_until_it_is_enqueued(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(SCRIPT)
    common = ("--project", "command line/drafts", "--name", "a draft", "--script", "plain.py")
    task = made(server, clearml_task(server, tmp_path, *common))
    assert (task["status"], task["name"]) == ("created", "a draft")
    project = server.call("projects.get_by_id", {"project": task["project"]})["project"]
    assert project["name"] == "command line/drafts"
    server.call("tasks.enqueue", {"task": task["id"], "queue_name": "default"})
    assert server.call("tasks.get_by_id", {"task": task["id"]})["task"]["status"] == "queued"
    server.call("tasks.dequeue", {"task": task["id"]})


KINDS = ["training", "testing", "inference", "data_processing", "application", "monitor", "controller", "optimizer"]
KINDS += ["service", "qc", "custom"]


@pytest.mark.rows("S0-011", "S0-028", "S0-029")
def test_every_type_and_the_destination_are_kept(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(SCRIPT)
    version = clearml_task(server, tmp_path, "--version")
    assert version.returncode == 0 and version.stdout.startswith("clearml-task ")
    common = ("--project", "command line", "--name", "typed", "--script", "plain.py", "--packages")
    for kind in KINDS[::4]:
        answer = clearml_task(server, tmp_path, *common, "--task-type", kind, "--output-uri", f"{tmp_path}/out")
        task = made(server, answer)
        assert (task["type"], task["output"]["destination"]) == (kind, f"{tmp_path}/out")
    from clearml_sdk.task_cli.options import parser

    (action,) = [one for one in parser()._actions if "--task-type" in one.option_strings]
    assert set(KINDS) <= set(action.choices or ())


def test_a_module_a_notebook_and_a_pipeline(server: RunningServer, tmp_path: Path) -> None:
    clone = make_repository(tmp_path / "work")
    common = ("--project", "command line", "--name", "others")
    module = made(server, clearml_task(server, tmp_path, *common, "--folder", str(clone), "--module", "points --n 3"))
    assert module["script"]["entry_point"] == "-m points --n 3"
    cells = [{"cell_type": "code", "source": ["print(1)\n"], "metadata": {}, "outputs": [], "execution_count": None}]
    (tmp_path / "book.ipynb").write_text(
        json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 2})
    )
    book = made(server, clearml_task(server, tmp_path, *common, "--script", "book.ipynb", "--binary", "python3"))
    assert (book["script"]["entry_point"], book["script"]["binary"]) == ("book.ipynb", "python3")
    (tmp_path / "plain.py").write_text(SCRIPT)
    runs = [
        pipeline(server, clearml_task(server, tmp_path, *common, "--script", "plain.py", "--pipeline", *more))
        for more in (("--pipeline-version", "2.0"), (), ("--pipeline-dont-add-run-number",))
    ]
    assert [run["name"] for run in runs] == ["others", "others #2", "others"]
    for run in runs:
        assert (
            run["type"] == "controller"
            and "pipeline" in run["system_tags"]
            and "Task.init" not in run["script"]["diff"]
        )
        project = server.call("projects.get_by_id", {"project": run["project"]})["project"]["name"]
        assert project == "command line/.pipelines/others"
    assert runs[0]["hyperparams"]["properties"]["version"]["value"] == "2.0"


def pipeline(server: RunningServer, answer: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert answer.returncode == 0, answer.stdout + answer.stderr
    found = re.search(r"New pipeline created id=([0-9a-f]{32})", answer.stdout)
    assert found
    return dict(server.call("tasks.get_by_id", {"task": found[1]})["task"])


def test_a_dry_run_tells_and_makes_nothing(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(SCRIPT)
    common = ("--project", "command line/dry", "--name", "dry", "--script", "plain.py", "--args", "lr=2", "--dry-run")
    told = json.loads(clearml_task(server, tmp_path, *common, "--json", "--queue", "q").stdout)
    assert told["script"]["entry_point"] == "plain.py" and "Task.init()" in told["script"]["diff"]
    assert (told["arguments"], told["queue"], told["type"]) == ({"lr": "2"}, "q", "training")
    assert "Nothing is made" in clearml_task(server, tmp_path, *common).stdout
    assert server.call("projects.get_all", {"name": "^command line/dry$"})["projects"] == []


def test_the_outcome_is_json_where_it_is_asked_for(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(SCRIPT)
    common = ("--project", "command line", "--name", "as json", "--script", "plain.py", "--json")
    answer = clearml_task(server, tmp_path, *common)
    told = json.loads(answer.stdout)
    assert told["status"] == "created" and told["page"].startswith(server.web) and told["id"] in told["page"]
    assert "New task created" in answer.stderr
