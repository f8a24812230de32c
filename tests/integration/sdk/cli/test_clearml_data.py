"""`clearml-data` as a user types it: every command, on the server and on the disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer


class Shell:
    """A user's shell: the command, in a folder of its own with a home of its own."""

    def __init__(self, server: RunningServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        self._env = server.environment(
            HOME=str(folder), CLEARML_CACHE_DIR=str(folder / "cache"), CLEARML_JOURNAL_DIR=str(folder / "journal")
        ) | {"CLEARML__SDK__STORAGE__CACHE__DEFAULT_BASE_DIR": str(folder / "cache")}

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "clearml_sdk.cli", "clearml-data", *arguments]
        answer = subprocess.run(
            command, cwd=self.folder, env=self._env, capture_output=True, text=True, timeout=90, check=False
        )
        assert answer.returncode == code, answer.stdout + answer.stderr
        return answer

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        return dict(json.loads(self.run(*arguments, "--json", code=code).stdout))

    @property
    def remembered(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / ".clearml_data.json").read_text()))

    def task(self, dataset_id: str) -> dict[str, Any]:
        return dict(self.server.call("tasks.get_by_id", {"task": dataset_id})["task"])


@pytest.fixture
def shell(server: RunningServer, tmp_path: Path) -> Shell:
    for name, text in {"data/one.txt": "one\n", "data/sub/two.txt": "two\n", "data/x.bin": "x"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return Shell(server, tmp_path)


@pytest.fixture
def project(request: pytest.FixtureRequest) -> str:
    return f"data on the command line/{request.node.name}"


@pytest.mark.timeout(240)
def test_a_dataset_is_made_command_by_command(shell: Shell, project: str) -> None:
    made = shell.json("create", "--project", project, "--name", "letters", "--tags", "a", "b", "--version", "3.0.0")
    assert shell.remembered == {"id": made["id"]} and made["version"] == "3.0.0"
    assert shell.task(made["id"])["tags"] == ["a", "b"]
    said = shell.run("add", "--files", "data", "--wildcard", "*.txt", "--dataset-folder", "texts", "--verbose").stdout
    assert "Add texts/sub/two.txt" in said and "2 files added" in said
    assert shell.json("add", "--links", f"file://{shell.folder}/data/x.bin", "--dataset-folder", "links")["added"] == 1
    assert shell.json("add", "--files", "data", "--non-recursive", "--max-workers", "1")["added"] == 2
    assert "1 file removed" in shell.run("remove", "--files", "one.txt", "--non-recursive", "--verbose").stdout
    shell.run("set-description", "--description", "letters of all kinds")
    assert shell.task(made["id"])["comment"] == "letters of all kinds"
    listed = shell.json("list")
    assert [one["path"] for one in listed["files"]] == ["links/x.bin", "texts/one.txt", "texts/sub/two.txt", "x.bin"]
    table = shell.run("list", "--filter", "texts/*").stdout
    assert "file name" in table and "Total 2 files, 8 bytes" in table
    assert "not uploaded" in shell.run("close", "--disable-upload", code=1).stderr
    assert shell.json("upload", "--chunk-size", "1")["chunks"] == 1
    assert "Dataset closed and finalized" in shell.run("close").stdout
    assert shell.remembered == {} and shell.task(made["id"])["status"] == "completed"
    assert "--id" in shell.run("upload", code=1).stderr
    shell.run("publish", "--id", made["id"])
    assert shell.task(made["id"])["status"] == "published"
    found = shell.json("search", "--project", project)["datasets"]
    assert [(one["name"], one["version"], one["id"]) for one in found] == [("letters", "3.0.0", made["id"])]
    assert "letters" in shell.run("search", "--name", "lette", "--tags", "a").stdout


@pytest.mark.timeout(240)
def test_versions_are_synced_compared_copied_and_verified(shell: Shell, project: str) -> None:
    first = shell.json("sync", "--project", project, "--name", "letters", "--folder", "data")
    assert (first["added"], first["closed"]) == (3, True)
    (shell.folder / "data/one.txt").write_text("eins\n")
    (shell.folder / "data/x.bin").unlink()
    (shell.folder / "data/new.txt").write_text("new\n")
    child = shell.json("sync", "--parents", first["id"], "--folder", "data", "--skip-close")
    assert (child["removed"], child["added"], child["modified"], child["closed"]) == (1, 1, 1, False)
    assert shell.remembered == {"id": child["id"]}
    assert shell.json("search", "--project", project, "--not-only-completed")["datasets"][1]["status"] == "in_progress"
    shell.run("close")
    compared = shell.json("compare", "--source", first["id"], "--target", child["id"])
    assert (compared["removed"], compared["modified"], compared["added"]) == (["x.bin"], ["one.txt"], ["new.txt"])
    said = shell.run("compare", "--source", first["id"], "--target", child["id"], "--verbose").stdout
    assert "1 files removed, 1 files modified, 1 files added" in said and "x.bin" in said
    assert "no errors" in shell.run("verify", "--id", child["id"], "--folder", "data").stdout
    wrong = shell.run("verify", "--id", first["id"], "--folder", "data", "--verbose", code=1).stdout
    assert "2 files missing or different: one.txt, x.bin" in wrong
    assert shell.json("verify", "--id", first["id"], "--folder", "data", "--filesize", code=1)["wrong"]
    shell.run("get", "--id", child["id"], "--copy", "mine")
    assert (shell.folder / "mine/one.txt").read_text() == "eins\n"
    assert "is not empty" in shell.run("get", "--id", child["id"], "--copy", "mine", code=1).stderr
    shell.run("get", "--id", child["id"], "--copy", "mine", "--overwrite", "--part", "0", "--num-parts", "2")
    assert [path.name for path in (shell.folder / "mine").rglob("*.txt")] == ["two.txt"]
    shell.run("get", "--id", child["id"], "--link", "seen")
    assert (shell.folder / "seen").is_symlink() and (shell.folder / "seen/sub/two.txt").read_text() == "two\n"
    newest = shell.json("list", "--project", project, "--name", "letters", "--modified")
    assert [one["path"] for one in newest["files"]] == ["new.txt", "one.txt"]
    squashed = shell.json("squash", "--name", "squashed", "--ids", first["id"], child["id"])
    assert shell.json("list", "--id", squashed["id"])["total_size"] == len("eins\nnew\ntwo\n")
    shell.run("rename", "--new-name", "words", "--project", project, "--name", "letters")
    shell.run("move", "--new-project", f"{project}/moved", "--project", project, "--name", "words")
    moved = shell.json("search", "--project", f"{project}/moved")["datasets"]
    assert [(one["id"], one["name"]) for one in moved] == [(first["id"], "words"), (child["id"], "words")]
    assert "force" in shell.run("delete", "--id", first["id"], code=1).stderr
    assert (
        "2 versions"
        in shell.run("delete", "--project", f"{project}/moved", "--name", "words", "--entire-dataset", code=1).stderr
    )
    shell.run("delete", "--project", f"{project}/moved", "--name", "words", "--entire-dataset", "--force")
    assert shell.json("search", "--project", f"{project}/moved", "--not-only-completed")["datasets"] == []


def test_what_cannot_be_done_is_said(shell: Shell) -> None:
    assert "clearml-data" in shell.run("--version").stdout
    assert "COMMAND" in shell.run(code=2).stdout
    assert "Give --id" in shell.run("add", "--files", "data", code=1).stderr
    assert "Give --files or --links" in shell.run("add", "--id", "x", code=1).stderr
    assert "Invalid task id" in shell.run("list", "--id", "f" * 32, code=1).stderr
    nowhere = ("--project", "data on the command line/nowhere", "--name", "no folder", "--folder", "no such folder")
    assert "there is no folder" in shell.run("sync", *nowhere, code=1).stderr
    assert shell.json("search", "--name", "no folder", "--not-only-completed")["datasets"] == [], "none is left behind"
    assert (
        "there is no dataset"
        in shell.run("rename", "--project", "no", "--name", "no", "--new-name", "new", code=1).stderr
    )
    shell.run("create", "--project", "p", code=2)
