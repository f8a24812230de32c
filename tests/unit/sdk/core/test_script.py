"""What is recorded about code: entry point, repository, uncommitted changes, packages."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import pytest

from clearml_sdk.script.capture import capture_script
from clearml_sdk.script.entry_point import EntryPoint
from clearml_sdk.script.injection import insert_init_call
from clearml_sdk.script.packages import imported_names, record_requirements, requirement_line
from clearml_sdk.script.repository import public_url, read_repository

ENV = {
    **os.environ,
    **{f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "init.defaultBranch=main", *arguments]
    return subprocess.run(command, cwd=folder, env=ENV, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    remote, folder = tmp_path / "remote.git", tmp_path / "project"
    folder.mkdir()
    git(tmp_path, "init", "--bare", "-q", str(remote))
    git(folder, "init", "-q")
    (folder / "src").mkdir()
    (folder / "src" / "train.py").write_text("import os\n")
    (folder / "data.bin").write_bytes(bytes(range(256)))
    (folder / "latin.txt").write_bytes("grün\n".encode("latin-1"))
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")
    git(folder, "remote", "add", "origin", str(remote))
    git(folder, "push", "-qu", "origin", "main")
    return folder


def test_the_recorded_diff_is_of_one_form_whatever_the_users_git_is_set_to(repository: Path) -> None:
    (repository / "src" / "train.py").write_text("import sys\n")
    usual = read_repository(str(repository))
    for name, value in (
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("color.ui", "always"),
        ("diff.external", "true"),
        ("diff.submodule", "log"),
    ):
        git(repository, "config", name, value)
    found = read_repository(str(repository))
    assert found is not None and usual is not None
    assert found.diff == usual.diff and found.diff.startswith("diff --git a/src/train.py b/src/train.py\n")


def test_a_script_in_a_repository_is_recorded_by_commit(repository: Path) -> None:
    script = repository / "src" / "train.py"
    found = capture_script(EntryPoint(str(script), None, str(repository)), environ={})
    assert found.notices == []
    assert found.section == {
        "binary": found.section["binary"],
        "repository": f"file://{repository.parent / 'remote.git'}",
        "branch": "main",
        "version_num": git(repository, "rev-parse", "HEAD"),
        "entry_point": "src/train.py",
        "working_dir": ".",
        "diff": "",
    }
    inside = capture_script(EntryPoint(str(script), None, str(repository / "src")), environ={})
    assert (inside.section["working_dir"], inside.section["entry_point"]) == ("src", "train.py")
    module = capture_script(EntryPoint(str(script), "src.train", str(repository)), environ={})
    assert module.section["entry_point"] == "-m src.train"
    elsewhere = capture_script(EntryPoint(str(script), None, "/"), environ={})
    assert (elsewhere.section["working_dir"], elsewhere.section["entry_point"]) == (".", "src/train.py")


def test_the_diff_rebuilds_the_working_copy(repository: Path, tmp_path: Path) -> None:
    """Staged, unstaged, new, deleted, renamed, binary, CRLF and non-UTF-8 changes all survive."""
    (repository / "src" / "train.py").write_text("import sys\r\nprint('ü')\n", newline="")
    (repository / "data.bin").write_bytes(os.urandom(300) + b"\0")
    (repository / "latin.txt").write_bytes("grün und weiß\n".encode("latin-1"))
    (repository / "new file.txt").write_text("no newline at the end")
    git(repository, "add", "new file.txt")
    (repository / "untracked.txt").write_text("not recorded")
    found = capture_script(EntryPoint(str(repository / "src" / "train.py"), None, str(repository)), environ={})
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", found.section["repository"].removeprefix("file://"), str(clone))
    git(clone, "checkout", "-q", found.section["version_num"])
    command = ["git", "apply", "--whitespace=nowarn", "-"]
    subprocess.run(command, cwd=clone, input=found.section["diff"].encode(), env=ENV, check=True)
    for name in ("src/train.py", "data.bin", "latin.txt", "new file.txt"):
        assert (clone / name).read_bytes() == (repository / name).read_bytes(), name
    assert not (clone / "untracked.txt").exists()


def test_a_script_that_git_does_not_know_yet_is_recorded(repository: Path, tmp_path: Path) -> None:
    (repository / "src" / "new.py").write_text("import helper, train\n")
    (repository / "src" / "helper.py").write_text("x = 'ü'\n")
    (repository / "src" / "unrelated.py").write_text("")
    entry = EntryPoint(str(repository / "src" / "new.py"), None, str(repository))
    found = capture_script(entry, environ={})
    assert found.notices == [
        "recorded with the uncommitted changes, as git does not know them: src/helper.py, src/new.py"
    ]
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", found.section["repository"].removeprefix("file://"), str(clone))
    subprocess.run(["git", "apply", "-"], cwd=clone, input=found.section["diff"].encode(), env=ENV, check=True)
    for name in ("src/new.py", "src/helper.py"):
        assert (clone / name).read_bytes() == (repository / name).read_bytes()
    assert not (clone / "src" / "unrelated.py").exists()


def test_a_command_of_an_environment_inside_the_working_copy_is_none_of_its_scripts(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`.venv/bin/clearml-param-search` is in no clone."""
    command = repository / ".venv" / "bin" / "search"
    command.parent.mkdir(parents=True)
    command.write_text("print('searching')\n")
    monkeypatch.setattr("sys.prefix", str(repository / ".venv"))
    section = capture_script(EntryPoint(str(command), None, str(repository))).section
    assert (section["repository"], section["entry_point"]) == ("", "search")
    assert section["diff"] == "print('searching')\n"


def test_a_script_outside_of_git_is_recorded_whole(tmp_path: Path) -> None:
    script = tmp_path / "alone.py"
    script.write_text("print('ä')\r\n", newline="")
    found = capture_script(EntryPoint(str(script), None, str(tmp_path)), environ={}).section
    assert (found["repository"], found["version_num"], found["entry_point"]) == ("", "", "alone.py")
    assert found["diff"] == "print('ä')\r\n" and found["working_dir"] == "."


def test_a_repository_without_commit_or_remote(tmp_path: Path) -> None:
    script = tmp_path / "alone.py"
    script.write_text("pass\n")
    git(tmp_path, "init", "-q")
    entry = EntryPoint(str(script), None, str(tmp_path))
    assert capture_script(entry, environ={}).section["diff"] == "pass\n", "nothing to clone yet"
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    assert capture_script(entry, environ={}).section["repository"] == f"file://{tmp_path}"


def test_standalone_can_be_asked_for(repository: Path) -> None:
    entry = EntryPoint(str(repository / "src" / "train.py"), None, str(repository))
    assert capture_script(entry, standalone=True, environ={}).section["diff"] == "import os\n"
    assert capture_script(entry, detect_repository=False, environ={}).section["repository"] == ""


def test_a_build_system_may_know_better(repository: Path) -> None:
    environ = {
        "CLEARML_VCS_REPO_URL": "https://h/r.git",
        "CLEARML_VCS_COMMIT_ID": "abc",
        "CLEARML_VCS_DIFF": base64.b64encode(b"the diff").decode(),
    }
    entry = EntryPoint(str(repository / "src" / "train.py"), None, str(repository))
    found = capture_script(entry, environ=environ).section
    assert (found["repository"], found["version_num"], found["diff"]) == ("https://h/r.git", "abc", "the diff")


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://user:secret@host/a.git", "https://host/a.git"),
        ("https://token@host:8443/a.git", "https://host:8443/a.git"),
        ("https://host/a.git", "https://host/a.git"),
        ("git@host:a/b.git", "git@host:a/b.git"),
        ("ssh://git@host/a.git", "ssh://git@host/a.git"),
        ("ssh://git:secret@host/a.git", "ssh://git@host/a.git"),
        ("/srv/git/a.git", "file:///srv/git/a.git"),
        ("file:///srv/git/a.git", "file:///srv/git/a.git"),
    ],
)
def test_secrets_in_a_repositorys_address_are_not_recorded(url: str, public: str) -> None:
    assert public_url(url) == public


def test_no_repository_no_error(tmp_path: Path) -> None:
    assert read_repository(str(tmp_path)) is None


def test_only_what_is_imported_is_listed(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "import os, helper\nfrom clearml import Task\ntry:\n    import msgspec\nexcept ImportError:\n    pass\n"
        "def f():\n    from package.inner import x\n"
    )
    (tmp_path / "helper.py").write_text("import psutil.tests\nimport main\n")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("import not_installed_anywhere\n")
    (tmp_path / "package" / "inner.py").write_text("import hypothesis\n")
    (tmp_path / "unused.py").write_text("import pytest\n")
    names = imported_names(str(tmp_path / "main.py"), str(tmp_path))
    assert names == {"clearml", "msgspec", "psutil", "hypothesis", "not_installed_anywhere"}
    found = record_requirements(
        str(tmp_path / "main.py"), str(tmp_path), added={"torch": "2.4", "uv": None, "black": ""}, ignored=["psutil"]
    )
    assert found["sdk"].startswith("clearml-lean==")
    head, *lines = found["pip"].rstrip("\n").split("\n")
    assert head.startswith("# Python 3.")
    got = [line.split(" ")[0] for line in lines if line]
    assert got == ["black", "clearml", "hypothesis", "msgspec", "torch", "uv"]
    assert "torch == 2.4" in lines and "black" in lines and "clearml" in lines
    assert any(line.startswith("msgspec == ") for line in lines)


def test_requirement_lines() -> None:
    assert requirement_line("a", ">=2") == "a >=2"
    assert requirement_line("a", "2") == "a == 2"
    assert requirement_line("a", "") == "a"
    assert requirement_line("surely-not-installed", None) == "surely-not-installed"


def test_a_script_that_cannot_be_parsed_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text("print 'python 2'\n")
    assert "clearml" in record_requirements(str(tmp_path / "old.py"), str(tmp_path))["pip"]


def test_init_call_goes_where_code_begins() -> None:
    text = '"""Doc."""\nfrom __future__ import annotations\nx = 1\n'
    found = insert_init_call(text)
    compile(found, "x", "exec")
    assert found.index("__future__") < found.index("Task.init()") < found.index("x = 1")
