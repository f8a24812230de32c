"""Passwords reach the host that they are for, and nothing else: no command line, no log, no file of the task."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from clearml_agent.vcs import CheckoutFailed, Credential, GitSettings

USER, PASSWORD = "robot", "s3cret-Token"
SCRIPT: dict[str, Any] = {"entry_point": "train.py", "working_dir": ".", "branch": "main"}


def holds(*entries: Credential) -> GitSettings:
    return GitSettings(credentials=entries)


def assert_nowhere(work: Any, text: str) -> None:
    """`text` is in no file that the checkout left, and not on the console."""
    assert text not in work.console
    for path in work.folder.rglob("*"):
        if path.is_file():
            assert text.encode() not in path.read_bytes(), path


async def test_configured_password_is_used_and_left_nowhere(repository: Any, work: Any, host: Any) -> None:
    seen: set[str] = set()
    host.on_request = lambda: seen.update(command_lines())
    done = await work(repository=host.url("project"), settings=holds(Credential(USER, PASSWORD)), **SCRIPT)
    assert (done.root / "train.py").exists()
    assert_nowhere(work, PASSWORD)
    assert seen and not [line for line in seen if PASSWORD in line]
    assert PASSWORD not in done.repository


def command_lines() -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append((process / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found


async def test_password_in_the_recorded_address_is_used_and_left_nowhere(repository: Any, work: Any, host: Any) -> None:
    done = await work(repository=host.url("project", f"{USER}:{PASSWORD}@"), **SCRIPT)
    assert (done.root / "train.py").exists()
    assert done.repository == host.url("project")
    assert_nowhere(work, PASSWORD)


async def test_wrong_or_no_password_fails_at_once_with_advice(repository: Any, work: Any, host: Any) -> None:
    for settings in (GitSettings(), holds(Credential(USER, "wrong"))):
        with pytest.raises(CheckoutFailed, match=r"agent\.git_user and agent\.git_pass") as failed:
            async with asyncio.timeout(20):
                await work(repository=host.url("project"), settings=settings, **SCRIPT)
        assert "wrong" not in failed.value.message


async def test_password_is_not_sent_to_another_host(repository: Any, work: Any, host: Any) -> None:
    with pytest.raises(CheckoutFailed):
        await work(
            repository=host.url("project"), settings=holds(Credential(USER, PASSWORD, host="github.com")), **SCRIPT
        )
    assert set(host.authorizations) == {""}


async def test_password_is_not_sent_where_the_host_redirects_to(
    repository: Any, work: Any, host: Any, tmp_path: Path
) -> None:
    other = type(host)(tmp_path / "elsewhere")
    import threading

    thread = threading.Thread(target=other.server.serve_forever, daemon=True)
    thread.start()
    try:
        host.accepted, host.redirect = "", f"http://localhost:{other.server.server_port}"
        with pytest.raises(CheckoutFailed):
            await work(repository=host.url("project"), settings=holds(Credential(USER, PASSWORD)), **SCRIPT)
        assert other.authorizations and set(other.authorizations) == {""}
    finally:
        other.server.shutdown()
        other.server.server_close()
        thread.join(5)


@pytest.mark.parametrize("kind", ["azure", "entra"])
async def test_token_as_a_header(repository: Any, work: Any, host: Any, kind: Any) -> None:
    basic = "Basic " + base64.b64encode(f":{PASSWORD}".encode()).decode()
    host.accepted = f"Bearer {PASSWORD}" if kind == "entra" else basic
    done = await work(repository=host.url("project"), settings=holds(Credential("", PASSWORD, header=kind)), **SCRIPT)
    assert (done.root / "train.py").exists()
    assert_nowhere(work, PASSWORD)


async def test_submodule_on_the_same_host_is_cloned_with_the_same_password(
    repository: Any, work: Any, host: Any, tmp_path: Path
) -> None:
    inner = type(repository)(tmp_path / "origin" / "inner")
    inner.commit(value_py="V = 1\n")
    repository.git("submodule", "--quiet", "add", str(inner.path), "inner")
    text = (repository.path / ".gitmodules").read_text().replace(str(inner.path), "../../inner/.git")
    (repository.path / ".gitmodules").write_text(text)
    repository.commit()
    done = await work(repository=host.url("project", f"{USER}:{PASSWORD}@"), **SCRIPT)
    assert (done.root / "inner" / "value.py").exists(), work.console
    assert_nowhere(work, PASSWORD)
