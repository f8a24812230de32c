"""What hosts have besides branches: proposed changes, large files, ssh; and what is done without any host."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clearml_agent.errors import EnvironmentFailed
from clearml_agent.process import run_process
from clearml_agent.vcs import CheckoutFailed, Credential, GitSettings
from clearml_agent.vcs.packages import Repositories, variables

USER, PASSWORD = "robot", "s3cret-Token"
SCRIPT: dict[str, Any] = {"entry_point": "train.py", "working_dir": ".", "binary": "python"}
SSHD = "/usr/sbin/sshd"


def propose(repository: Any, where: str = "refs/pull/7/head") -> tuple[str, str]:
    """Two commits that only a proposed change holds; the older one and its head."""
    repository.git("checkout", "--quiet", "-b", "proposal")
    older = repository.commit(train_py="print('proposed')\n")
    head = repository.commit(train_py="print('proposed twice')\n")
    repository.git("update-ref", where, head)
    repository.git("checkout", "--quiet", "main")
    repository.git("branch", "--quiet", "-D", "proposal")
    return older, head


@pytest.mark.parametrize("where", ["refs/pull/7/head", "refs/merge-requests/7/head", "refs/pull-requests/7/from"])
@pytest.mark.parametrize("is_old", [False, True], ids=["any commit", "named commits only"])
async def test_commit_of_a_proposed_change(repository: Any, work: Any, host: Any, where: str, is_old: bool) -> None:
    host.accepted, host.is_old = "", is_old
    older, head = propose(repository, where)
    for name, commit in (("head", head), ("older", older)):
        done = await work(name, repository=host.url("project"), version_num=commit, **SCRIPT)
        assert done.commit == commit
    assert (done.root / "train.py").read_text() == "print('proposed')\n"


@pytest.mark.parametrize("branch", ["pull/7/head", "refs/pull/7/head"])
async def test_proposed_change_as_a_branch_is_followed(repository: Any, work: Any, branch: str) -> None:
    _, head = propose(repository)
    script = {"repository": f"file://{repository.path}", "branch": branch, **SCRIPT}
    assert (await work("one", **script)).commit == head
    repository.git("update-ref", "refs/pull/7/head", "main")
    assert (await work("two", **script)).commit == repository.git("rev-parse", "main").strip()
    with pytest.raises(CheckoutFailed, match="branch pull/8/head was not found"):
        await work("three", **(script | {"branch": "pull/8/head"}))


async def test_commit_that_nobody_has_is_said_with_what_to_do(repository: Any, work: Any, host: Any) -> None:
    host.accepted = ""
    with pytest.raises(CheckoutFailed, match=r"commit 0123.* was not found .*git push") as failed:
        await work(repository=host.url("project"), version_num="0123456789" * 4, **SCRIPT)
    assert failed.value.reason == "failed cloning repository"


@pytest.mark.rows("S3-050")
async def test_vcs_cache_on_fetches_and_off_always_clones(repository: Any, work: Any, tmp_path: Path) -> None:
    script = {"repository": f"file://{repository.path}", "branch": "main", **SCRIPT}
    values: dict[str, Any] = {}
    on = GitSettings.from_config(lambda key, default=None: values.get(key, default), {})
    await work("one", settings=on, **script)
    commit = repository.commit(train_py="print('two')\n")
    assert (await work("two", settings=on, **script)).commit == commit
    assert ("\n".join(work.lines)).count("Cloning ") == 1 and "Fetching " in work.console
    work.lines.clear()
    values["agent.vcs_cache.enabled"] = False
    off = GitSettings.from_config(lambda key, default=None: values.get(key, default), {})
    kept = {path.name for path in work.cache.iterdir()}
    for name in ("three", "four"):
        done = await work(name, settings=off, **script)
        assert done.commit == commit and (done.root / "train.py").exists()
    assert work.console.count("Cloning ") == 2 and "Fetching" not in work.console
    assert {path.name for path in work.cache.iterdir()} == kept


async def test_standalone_mode_asks_no_host(repository: Any, work: Any, host: Any) -> None:
    host.accepted = ""
    script = {"repository": host.url("project"), "branch": "main", **SCRIPT}
    alone = GitSettings(is_offline=True)
    with pytest.raises(CheckoutFailed, match="standalone mode"):
        await work("none", settings=alone, **script)
    assert not host.authorizations
    first = (await work("filled", **script)).commit
    repository.commit(train_py="print('newer')\n")
    asked = len(host.authorizations)
    assert (await work("alone", settings=alone, **script)).commit == first
    assert len(host.authorizations) == asked


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="no git-lfs here, and it could not be installed")
async def test_large_files_are_fetched_once_a_mirror(repository: Any, work: Any) -> None:
    content = bytes(range(256)) * 4096
    lfs = ["-c", "filter.lfs.clean=git-lfs clean -- %f", "-c", "filter.lfs.smudge=git-lfs smudge -- %f"]
    (repository.path / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (repository.path / "weights.bin").write_bytes(content)
    repository.git(*lfs, "add", "--all")
    repository.git(*lfs, "commit", "--quiet", "--message", "weights")
    assert b"git-lfs" in repository.git("show", "HEAD:weights.bin").encode()
    script = {"repository": f"file://{repository.path}/.git", "branch": "main", **SCRIPT}
    done = await work("one", **script)
    assert (done.root / "weights.bin").read_bytes() == content
    shutil.rmtree(repository.path / ".git" / "lfs")
    again = await work("two", **script)
    assert (again.root / "weights.bin").read_bytes() == content, "the mirror keeps what it has fetched"


async def test_large_files_without_git_lfs_are_remarked_on(repository: Any, work: Any, tmp_path: Path) -> None:
    (repository.path / ".gitattributes").write_text("*.bin filter=lfs -text\n")
    commit = repository.commit(train_py="print('one')\n")
    only_git = tmp_path / "bin"
    only_git.mkdir()
    (only_git / "git").symlink_to(shutil.which("git") or "")
    work.environ["PATH"] = str(only_git)
    await work(repository=f"file://{repository.path}", version_num=commit, **SCRIPT)
    assert "git-lfs is not installed" in work.console


async def test_large_and_binary_changes_are_applied(repository: Any, work: Any) -> None:
    """Forty megabytes of text and a binary file, as `git diff --binary` records them."""
    (repository.path / "picture.bin").write_bytes(os.urandom(1 << 20))
    repository.commit(big_py="x = 0\n")
    commit = repository.git("rev-parse", "HEAD").strip()
    changed = os.urandom(1 << 20)
    (repository.path / "picture.bin").write_bytes(changed)
    text = "".join(f"line_{number} = {number}\n" for number in range(1_000_000))
    (repository.path / "big.py").write_text(text)
    diff = repository.git("diff", "--binary", "HEAD")
    done = await work(repository=str(repository.path), version_num=commit, diff=diff, **SCRIPT)
    assert (done.root / "big.py").read_text() == text
    assert (done.root / "picture.bin").read_bytes() == changed


# ---------------------------------------------------------------------------------------------------------- ssh


@dataclass
class SshHost:
    """An sshd of this test's own, that lets the user in who holds `key`."""

    port: int
    key: Path
    known_hosts: Path

    @property
    def command(self) -> str:
        """For GIT_SSH_COMMAND: what a user writes into ~/.ssh/config."""
        return f"ssh -F none -i {self.key} -o IdentitiesOnly=yes -o UserKnownHostsFile={self.known_hosts}"


@pytest.fixture
def ssh_host(tmp_path: Path) -> Iterator[SshHost]:
    if not Path(SSHD).exists():
        pytest.skip("no sshd here, and it could not be installed")
    folder = tmp_path / "sshd"
    folder.mkdir(mode=0o700)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd's own, which its service makes
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder / 'host'}\nAuthorizedKeysFile {folder / 'authorized'}\n"
        f"PidFile {folder / 'pid'}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
    )
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)  # it tells nobody when it listens
        yield SshHost(port, folder / "user", folder / "known_hosts")
    finally:
        process.kill()
        process.wait()


@pytest.mark.rows("S3-026", "S3-027", "S3-028")
async def test_https_address_is_cloned_by_ssh_with_port_and_user(repository: Any, work: Any, ssh_host: Any) -> None:
    values = {
        "agent.force_git_ssh_protocol": True,
        "agent.force_git_ssh_port": ssh_host.port,
        "agent.force_git_ssh_user": getpass.getuser(),
    }
    settings = GitSettings.from_config(lambda key, default=None: values.get(key, default), {})
    work.environ["GIT_SSH_COMMAND"] = ssh_host.command
    done = await work(repository=f"https://127.0.0.1{repository.path}", settings=settings, branch="main", **SCRIPT)
    assert (done.root / "train.py").read_text() == "print('one')\n"
    assert done.repository == f"ssh://{getpass.getuser()}@127.0.0.1:{ssh_host.port}{repository.path}"


async def test_unknown_host_key_and_wrong_key_fail_at_once_with_advice(
    repository: Any, work: Any, ssh_host: Any
) -> None:
    url = f"ssh://{getpass.getuser()}@127.0.0.1:{ssh_host.port}{repository.path}"
    ssh_host.known_hosts.write_text("")
    work.environ["GIT_SSH_COMMAND"] = ssh_host.command
    with pytest.raises(CheckoutFailed, match="ssh-keyscan"):
        await work(repository=url, branch="main", **SCRIPT)
    other = ssh_host.key.with_name("other")
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)]
    await asyncio.to_thread(subprocess.run, argv, check=True)
    wrong = SshHost(ssh_host.port, other, ssh_host.known_hosts)
    work.environ["GIT_SSH_COMMAND"] = f"{wrong.command} -o StrictHostKeyChecking=no"
    with pytest.raises(CheckoutFailed, match="add the ssh key"):
        await work(repository=url, branch="main", **SCRIPT)


@pytest.mark.rows("S3-024", "S3-053")
async def test_ssh_address_is_cloned_by_https_with_user_and_password(repository: Any, work: Any, host: Any) -> None:
    """`agent.translate_ssh` is on by default; the scheme is a setting, which lets a test do without certificates.

    An ssh address has no port for https: the host is reached as a proxy, by whatever name.
    """
    values = {
        "agent.git_user": USER,
        "agent.git_pass": PASSWORD,
        "agent.translate_ssl_replacement_scheme": "http",
    }
    settings = GitSettings.from_config(lambda key, default=None: values.get(key, default), {})
    work.environ["http_proxy"] = f"http://127.0.0.1:{host.server.server_port}"
    for name, url in (("ssh", "ssh://git@git.example:22/project/.git"), ("scp", "git@git.example:project/.git")):
        done = await work(name, repository=url, settings=settings, branch="main", **SCRIPT)
        assert (done.root / "train.py").exists()
        assert done.repository == "http://git.example/project/.git"
    assert host.accepted in host.authorizations
    values["agent.translate_ssh"] = False
    settings = GitSettings.from_config(lambda key, default=None: values.get(key, default), {})
    with pytest.raises(CheckoutFailed):
        await work("off", repository="ssh://git@git.example:1/project/.git", settings=settings, **SCRIPT)


@pytest.mark.rows("S3-025")
async def test_git_host_keeps_the_password_from_every_other_host(repository: Any, work: Any, host: Any) -> None:
    values = {"agent.git_user": USER, "agent.git_pass": PASSWORD, "agent.git_host": "github.example"}
    other = GitSettings.from_config(lambda key, default=None: values.get(key, default), {})
    assert other.credentials == (Credential(USER, PASSWORD, "github.example"),)
    with pytest.raises(CheckoutFailed):
        await work("other", repository=host.url("project"), settings=other, branch="main", **SCRIPT)
    assert set(host.authorizations) == {""}
    values["agent.git_host"] = "127.0.0.1"
    own = GitSettings.from_config(lambda key, default=None: values.get(key, default), {})
    assert (await work("own", repository=host.url("project"), settings=own, branch="main", **SCRIPT)).commit


async def test_git_package_by_ssh_is_installed_in_a_container_without_the_key(
    repository: Any, work: Any, ssh_host: Any
) -> None:
    url = f"ssh://{getpass.getuser()}@127.0.0.1:{ssh_host.port}{repository.path}"
    environ = {**work.environ, "GIT_SSH_COMMAND": ssh_host.command}
    agents = Repositories(GitSettings(), work.cache, environ, work.lines.append, is_contained=True)
    copies = await agents.copies([f"x @ git+{url}@main"])
    without = {**work.environ, "GIT_SSH_COMMAND": "false", **variables(copies, work.environ)}
    said = await run_process(["git", "ls-remote", url, "main"], env=without, timeout_s=60)
    assert said.output.decode().split()[:1] == [repository.git("rev-parse", "HEAD").strip()], said.errors
    ssh_host.known_hosts.write_text("")
    with pytest.raises(EnvironmentFailed, match="ssh-keyscan"):
        await agents.copies([f"x @ git+{url}@main"])
