"""A task's code in a directory, from real repositories."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clearml_agent.vcs import CheckoutFailed, GitSettings

SCRIPT: dict[str, Any] = {"entry_point": "train.py", "working_dir": ".", "binary": "python"}


def shell(command: str, folder: Path) -> str:
    return subprocess.run(command.split(), cwd=folder, check=True, capture_output=True, text=True).stdout


def run(done: Any) -> str:
    """What the checked-out entry point prints."""
    argv = [sys.executable, "-B", *done.entry_point_argv]  # leaves no __pycache__ in the tree
    return subprocess.run(argv, cwd=done.working_dir, check=True, capture_output=True, text=True).stdout


async def test_commit_is_checked_out_whole(repository: Any, work: Any) -> None:
    first = repository.git("rev-parse", "HEAD").strip()
    repository.commit(train_py="print('two')\n")
    done = await work(repository=str(repository.path), version_num=first, branch="main", **SCRIPT)
    assert (done.commit, done.root.name, run(done)) == (first, "project", "one\n")
    assert (done.root / "package" / "module.py").read_text() == "VALUE = 1\n"
    assert shell("git status --porcelain", done.root) == ""
    assert set(done.stages) == {"fetch", "files", "submodules", "patch"}


async def test_short_commit_is_enough(repository: Any, work: Any) -> None:
    first = repository.git("rev-parse", "HEAD").strip()
    done = await work(repository=str(repository.path), version_num=first[:10], **SCRIPT)
    assert done.commit == first


async def test_branch_is_followed_and_a_tag_found(repository: Any, work: Any) -> None:
    repository.git("tag", "v1")
    repository.git("switch", "--quiet", "--create", "feature/x")
    repository.commit(train_py="print('feature')\n")
    script = {"repository": str(repository.path), **SCRIPT}
    assert run(await work(branch="feature/x", **script)) == "feature\n"
    repository.commit(train_py="print('moved')\n")
    assert run(await work(branch="origin/feature/x", **script)) == "moved\n"
    assert run(await work(tag="v1", branch="feature/x", **script)) == "one\n"


async def test_without_a_wish_the_default_branch_of_the_host_counts(repository: Any, work: Any) -> None:
    script = {"repository": str(repository.path), **SCRIPT}
    assert run(await work(**script)) == "one\n"
    repository.git("switch", "--quiet", "--create", "other")
    repository.commit(train_py="print('other')\n")
    assert run(await work(**script)) == "other\n"


async def test_known_commit_is_taken_without_asking_the_host(repository: Any, work: Any) -> None:
    commit = repository.git("rev-parse", "HEAD").strip()
    script = {"repository": str(repository.path), "version_num": commit, **SCRIPT}
    await work("one", **script)
    shutil.rmtree(repository.path)
    done = await work("two", **script)
    assert run(done) == "one\n"
    assert done.root.is_relative_to(work.folder / "two")


async def test_task_cannot_change_the_mirror_with_git(repository: Any, work: Any) -> None:
    commit = repository.git("rev-parse", "HEAD").strip()
    script = {"repository": str(repository.path), "version_num": commit, **SCRIPT}
    done = await work("one", **script)
    before = shell("git for-each-ref", work.mirror)
    for command in (
        "git -c user.name=t -c user.email=t@t commit --quiet --allow-empty -m mine",
        "git branch mine",
        "git remote set-url origin file:///nowhere",
        "git gc --quiet --prune=now",
        "git update-ref -d refs/remotes/origin/main",
    ):
        shell(command, done.root)
    assert shell("git for-each-ref", work.mirror) == before
    assert run(await work("two", **script)) == "one\n"


async def test_uncommitted_changes_are_applied(repository: Any, work: Any) -> None:
    commit = repository.git("rev-parse", "HEAD").strip()
    (repository.path / "train.py").write_text("import new\nprint('changed', new.X)\n")
    (repository.path / "new.py").write_text("X = 'ü'\n")
    (repository.path / "package" / "module.py").unlink()
    repository.git("add", "--all")
    done = await work(repository=str(repository.path), version_num=commit, diff=repository.diff(), **SCRIPT)
    assert run(done) == "changed ü\n"
    assert not (done.root / "package" / "module.py").exists()


async def test_lines_added_to_unseen_files_are_applied(repository: Any, work: Any) -> None:
    """As the official clearml-task adds them to a repository elsewhere, which may have no requirements.txt."""
    added = "diff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -0,0 +1,1 @@\n+{1}\n"
    diff = added.format("requirements.txt", "clearml") + added.format("train.py", "print('added')")
    done = await work(repository=str(repository.path), diff=diff, **SCRIPT)
    assert run(done).startswith("added\n")
    assert (done.root / "requirements.txt").read_text() == "clearml\n"


async def test_binary_and_stripped_changes_are_applied(repository: Any, work: Any) -> None:
    (repository.path / "weights.bin").write_bytes(bytes(range(256)))
    commit = repository.commit(train_py="print('one')\n\n\n\n# end\n\n\n")
    (repository.path / "weights.bin").write_bytes(bytes(reversed(range(256))) * 3)
    binary = repository.git("diff", "--binary", "HEAD")
    done = await work(repository=str(repository.path), version_num=commit, diff=binary.strip(), **SCRIPT)
    assert (done.root / "weights.bin").read_bytes() == bytes(reversed(range(256))) * 3
    repository.git("checkout", "--quiet", ".")
    (repository.path / "train.py").write_text("print('one')\n\n\n\n# the end\n\n\n")
    stripped = repository.diff().strip()
    assert stripped.endswith("# the end")
    done = await work(repository=str(repository.path), version_num=commit, diff=stripped, **SCRIPT)
    assert (done.root / "train.py").read_text() == "print('one')\n\n\n\n# the end\n\n\n"


async def test_binary_change_without_content_is_said_and_left_out(repository: Any, work: Any) -> None:
    (repository.path / "weights.bin").write_bytes(b"\0\1")
    commit = repository.commit(train_py="print('one')\n")
    (repository.path / "weights.bin").write_bytes(b"\0\2")
    (repository.path / "train.py").write_text("print('changed')\n")
    done = await work(repository=str(repository.path), version_num=commit, diff=repository.diff(), **SCRIPT)
    assert run(done) == "changed\n"
    assert (done.root / "weights.bin").read_bytes() == b"\0\1"
    assert "weights.bin" in work.console


async def test_changes_that_lost_their_carriage_returns_are_applied(repository: Any, work: Any) -> None:
    path = repository.path / "train.py"
    path.write_bytes(b"print('one')\r\nprint('end')\r\n")
    repository.git("commit", "--quiet", "--all", "--message", "from Windows")
    path.write_bytes(b"print('two')\r\nprint('end')\r\n")
    for diff in (repository.diff(), repository.diff().replace("\r\n", "\n")):
        done = await work(repository=str(repository.path), branch="main", diff=diff, **SCRIPT)
        assert (done.root / "train.py").read_bytes() == path.read_bytes()
    repository.git("checkout", "--quiet", ".")


@pytest.mark.parametrize("name", ["origin/main", "refs/heads/main", "remotes/origin/main", "HEAD"])
async def test_branch_may_be_called_as_in_a_clone(repository: Any, work: Any, name: str) -> None:
    done = await work(repository=str(repository.path), branch=name, **SCRIPT)
    assert done.commit == repository.git("rev-parse", "HEAD").strip()


async def test_changes_that_do_not_fit_fail_with_advice(repository: Any, work: Any) -> None:
    first = repository.git("rev-parse", "HEAD").strip()
    repository.commit(train_py="print('two')\n")
    (repository.path / "train.py").write_text("print('three')\n")
    with pytest.raises(CheckoutFailed, match=r"do not fit the checked-out commit[^\n]*\n.*train\.py"):
        await work(repository=str(repository.path), version_num=first, diff=repository.diff(), **SCRIPT)


async def test_unknown_commit_branch_and_tag_fail_with_advice(repository: Any, work: Any) -> None:
    script = {"repository": str(repository.path), **SCRIPT}
    with pytest.raises(CheckoutFailed, match=r"commit f{40} was not found .*git push"):
        await work(version_num="f" * 40, **script)
    with pytest.raises(CheckoutFailed, match=r"branch nowhere was not found"):
        await work(branch="nowhere", **script)
    with pytest.raises(CheckoutFailed, match=r"tag v9 was not found"):
        await work(tag="v9", **script)


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("/nowhere/at/all.git", "no such repository"),
        ("http://127.0.0.1:1/team/project.git", "cannot be reached"),
        ("http://no-such-host.invalid/team/project.git", "cannot be reached"),
        ("ext::sh -c whoami", "rules forbid"),
        ("nosuchscheme://host/x.git", "rules forbid"),
        ("--upload-pack=touch /tmp/x", "git failed|no such repository"),
    ],
)
async def test_broken_address_fails_with_advice_and_leaves_nothing(work: Any, url: str, advice: str) -> None:
    with pytest.raises(CheckoutFailed, match=advice):
        await work(repository=url, branch="main", **SCRIPT)
    assert [path.suffix for path in work.cache.iterdir()] == [".lock"]


async def test_directory_of_an_earlier_attempt_is_emptied(repository: Any, work: Any) -> None:
    (work.folder / "run" / "project").mkdir(parents=True)
    (work.folder / "run" / "project" / "left.py").write_text("")
    done = await work(repository=str(repository.path), branch="main", **SCRIPT)
    assert not (done.root / "left.py").exists()


async def test_working_directory_and_entry_point_must_be_there(repository: Any, work: Any) -> None:
    script: dict[str, Any] = {"repository": str(repository.path), "branch": "main"}
    for folder in ("nowhere", "../..", "train.py"):
        with pytest.raises(CheckoutFailed, match="working directory"):
            await work(entry_point="train.py", working_dir=folder, **script)
    with pytest.raises(CheckoutFailed, match=r"entry point 'gone.py' is not in"):
        await work(entry_point="gone.py --x", working_dir=".", **script)
    done = await work(entry_point="module.py", working_dir="package", **script)
    assert done.working_dir == done.root / "package"
    done = await work(entry_point="module.py:package", **script)
    assert done.working_dir == done.root / "package"
    done = await work(entry_point="-m package.module $HOME", working_dir=".", **script)
    assert done.entry_point_argv == ["-m", "package.module", os.environ["HOME"]]


async def test_literal_script_is_written_under_its_name(work: Any) -> None:
    text = "import sys\nprint('literal', sys.argv[1:])"
    done = await work(diff=text, entry_point="my train.py", working_dir=".")
    assert (done.entry_point_argv, run(done)) == (["my train.py"], "literal []\n")
    done = await work(diff=text, entry_point="train.py --lr '0.5 x'", working_dir=".")
    assert run(done) == "literal ['--lr', '0.5 x']\n"
    assert (done.commit, done.repository) == ("", "")


@pytest.mark.parametrize("name", ["../../evil.py", "/tmp/../evil.py", "sub/../../evil.py", "/evil.py", "."])
async def test_literal_script_cannot_be_written_outside(work: Any, name: str) -> None:
    with pytest.raises(CheckoutFailed, match="plain file name"):
        await work(diff="print('x')\n", entry_point=name, working_dir=".")
    assert not list(work.folder.rglob("evil.py"))


async def test_literal_script_in_a_repository(repository: Any, work: Any) -> None:
    done = await work(
        repository=str(repository.path), branch="main", diff="import module\nprint(module.VALUE)\n",
        entry_point="extra.py", working_dir="package",
    )  # fmt: skip
    assert run(done) == "1\n"


async def test_shell_script_is_run_by_its_shell(work: Any) -> None:
    done = await work(diff="echo shell $1\n", entry_point="go.sh x", binary="/bin/bash", working_dir=".")
    assert (done.shell, done.entry_point_argv) == ("/bin/bash", ["go.sh", "x"])
    done = await work(diff="echo one\r\necho two\r\n", entry_point="go.sh", binary="bash", working_dir=".")
    assert (done.root / "go.sh").read_bytes() == b"echo one\necho two\n"
    with pytest.raises(CheckoutFailed, match="neither a Python nor a shell"):
        await work(diff="x", entry_point="go.pl", binary="perl")


async def test_task_without_any_code_fails(work: Any) -> None:
    with pytest.raises(CheckoutFailed, match="neither a repository"):
        await work()
    done = await work(entry_point="-m timeit", working_dir=".")
    assert list(done.root.iterdir()) == []


async def test_submodules_come_from_mirrors_too(repository: Any, work: Any, tmp_path: Path, request: Any) -> None:
    inner = type(repository)(tmp_path / "origin" / "inner")
    inner.commit(deep_py="DEEP = 1\n")
    middle = type(repository)(tmp_path / "origin" / "middle")
    middle.commit(middle_py="M = 1\n")
    middle.git("submodule", "--quiet", "add", str(inner.path), "inner")
    middle.commit()
    repository.git("submodule", "--quiet", "add", "../middle", "libs/middle")
    commit = repository.commit(
        train_py="import sys; sys.path[:0] = ['libs/middle', 'libs/middle/inner']\nimport middle, deep\n"
    )
    script = {"repository": str(repository.path), "version_num": commit, **SCRIPT}
    # git's own rule: a local path in .gitmodules is not cloned unless the user allows it.
    done = await work(**script)
    assert "submodule libs/middle is left empty" in work.console
    assert not (done.root / "libs" / "middle" / "middle.py").exists()
    work.environ |= {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "protocol.file.allow",
        "GIT_CONFIG_VALUE_0": "always",
    }
    done = await work(**script)
    run(done)
    assert shell("git status --porcelain", done.root) == ""
    for gone in (inner, middle, repository):
        shutil.rmtree(gone.path)
    run(await work("again", **script))


async def test_changes_inside_and_of_a_submodule_are_applied(repository: Any, work: Any, tmp_path: Path) -> None:
    work.environ |= {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "protocol.file.allow",
        "GIT_CONFIG_VALUE_0": "always",
    }
    inner = type(repository)(tmp_path / "origin" / "inner")
    inner.commit(value_py="V = 1\n")
    repository.git("submodule", "--quiet", "add", str(inner.path), "inner")
    commit = repository.commit(train_py="from inner import value\nprint(value.V)\n")
    script = {"repository": str(repository.path), "version_num": commit, **SCRIPT}
    (repository.path / "inner" / "value.py").write_text("V = 'dirty'\n")
    assert run(await work(diff=repository.diff(), **script)) == "dirty\n"
    inner.commit(value_py="V = 2\n")
    (repository.path / "inner" / "value.py").unlink()
    shell("git fetch --quiet origin", repository.path / "inner")
    shell("git reset --quiet --hard origin/main", repository.path / "inner")
    pointer = repository.git("diff", "HEAD")
    assert "+Subproject commit" in pointer
    assert run(await work(diff=pointer, **script)) == "2\n"


async def test_concurrent_first_checkouts_clone_once(repository: Any, work: Any) -> None:
    script = {"repository": str(repository.path), "branch": "main", **SCRIPT}
    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(work(f"run{number}", **script))
    assert work.console.count("Cloning ") == 1
    assert len(list(work.cache.glob("*.git"))) == 1


async def test_commit_that_no_branch_reaches_any_more_is_asked_for(repository: Any, work: Any) -> None:
    await work("first", repository=str(repository.path), branch="main", **SCRIPT)
    lost = repository.commit(train_py="print('lost')\n")
    repository.git("reset", "--quiet", "--hard", "HEAD~1")
    repository.git("config", "uploadpack.allowAnySHA1InWant", "true")
    done = await work(repository=f"file://{repository.path}", version_num=lost, **SCRIPT)
    assert run(done) == "lost\n"


async def test_settings_are_read_from_configuration_and_environment() -> None:
    tree = {
        "agent.git_user": "file-user",
        "agent.git_pass": "file-pass",
        "agent.git.extra_credentials": [{"user": "e", "pass": "p", "host": "extra.example"}],
        "agent.git_fetch_args": ["--all", "--tags", "--jobs=2"],
        "agent.force_git_ssh_port": 2222,
    }
    found = GitSettings.from_config(lambda key, default: tree.get(key, default), {"CLEARML_AGENT_GIT_PASS": "env"})
    assert [(entry.user, entry.password, entry.host) for entry in found.credentials] == [
        ("e", "p", "extra.example"),
        ("file-user", "env", ""),
    ]
    assert (found.fetch_args, found.ssh_port) == (("--jobs=2",), 2222)
    assert "env" not in repr(found)
