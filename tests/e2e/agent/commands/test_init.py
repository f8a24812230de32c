"""`clearml-agent init` as a person uses it: pasted credentials, Enter at every default, and what is in the file."""

from __future__ import annotations

import hashlib
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk.config.hocon import parse
from tests.e2e.agent.core.conftest import until

COMMAND = [sys.executable, "-m", "clearml_sdk.cli", "clearml-agent"]
ENTER = ""


def environment(server: Any, home: Path) -> dict[str, str]:
    """Of a user who has configured nothing yet."""
    kept = {name: text for name, text in server.environment().items() if not name.startswith("CLEARML_")}
    return kept | {"HOME": str(home), "CLEARML_RUNTIME_DIR": str(home / "run")}


def block(server: Any, secret: str | None = None) -> list[str]:
    """What the page shows for pasting."""
    return [
        "api {",
        f"  web_server: {server.web}",
        f"  api_server: {server.facts['api_server']}",
        f"  files_server: {server.files}",
        "  credentials {",
        f'    "access_key" = "{server.access_key}"',
        f'    "secret_key" = "{secret or server.secret_key}"',
        "  }",
        "}",
    ]


def init(server: Any, home: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "init"],
        input="\n".join([*lines, ""]),
        env=environment(server, home),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def written(home: Path) -> dict[str, Any]:
    return parse("clearml.conf", (home / "clearml.conf").read_text())


@pytest.mark.rows("S3-012", "S3-014", "S3-015")
def test_pasted_credentials_and_enter_at_every_default(server: Any, tmp_path: Path) -> None:
    done = init(server, tmp_path, *block(server), ENTER, ENTER, ENTER, ENTER, ENTER, ENTER)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "your profile" in done.stdout and "Paste copied configuration here" in done.stdout
    assert f'key="{server.access_key}" secret="{server.secret_key[:4]}***"' in done.stdout
    assert server.secret_key not in done.stdout + done.stderr
    assert f"WEB Host configured to [{server.web}]" in done.stdout
    api = written(tmp_path)["api"]
    assert (api["web_server"], api["api_server"], api["files_server"]) == (
        server.web,
        server.facts["api_server"],
        server.files,
    )
    assert api["credentials"] == {"access_key": server.access_key, "secret_key": server.secret_key}


@pytest.mark.rows("S3-022")
def test_file_lies_in_the_home_folder_private_and_an_agent_works_with_it(server: Any, tmp_path: Path) -> None:
    done = init(server, tmp_path, *block(server), *[ENTER] * 6)
    path = tmp_path / "clearml.conf"
    assert f"New configuration stored in {path}" in done.stdout
    assert path.stat().st_mode & 0o777 == 0o600
    listed = subprocess.run(
        [*COMMAND, "list", "--json"], env=environment(server, tmp_path), capture_output=True, text=True, timeout=60
    )
    assert listed.returncode == 0 and listed.stdout.startswith("["), listed.stderr


@pytest.mark.rows("S3-013")
def test_existing_file_is_left_as_it_is(server: Any, tmp_path: Path) -> None:
    path = tmp_path / "clearml.conf"
    path.write_text("agent { git_user: somebody }\n")
    before = hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns
    done = init(server, tmp_path, *block(server), *[ENTER] * 6)
    assert done.returncode == 1 and f"{path} exists already" in done.stdout
    assert (hashlib.sha256(path.read_bytes()).digest(), path.stat().st_mtime_ns) == before


@pytest.mark.rows("S3-016", "S3-018")
def test_every_host_is_asked_for_and_plain_http_to_a_public_one_is_remarked_on(server: Any, tmp_path: Path) -> None:
    """The pasted block lacks the addresses; typed ones get a scheme."""
    pasted = [line for line in block(server) if "_server" not in line]
    local = [address.removeprefix("http://") for address in (server.web, server.facts["api_server"], server.files)]
    wrong = ["http://clearml.example.com", "http://api.example.com:8008", "http://files.example.com:8081"]
    done = init(server, tmp_path, *pasted, *wrong, *pasted, *local, *[ENTER] * 4)
    for name in ("WEB", "API", "FILES"):
        assert done.stdout.count(f"{name} Host configured to") == 2
    for address in wrong:
        assert f"Warning: {address} is not encrypted" in done.stdout
    assert "127.0.0.1" not in "".join(line for line in done.stdout.splitlines() if "Warning" in line)
    assert done.returncode == 0, done.stdout + done.stderr
    assert written(tmp_path)["api"]["api_server"] == server.facts["api_server"]


@pytest.mark.rows("S3-017")
def test_addresses_of_a_server_of_ones_own_derive_from_what_was_pasted(server: Any, tmp_path: Path) -> None:
    pasted = [
        "api {",
        "  api_server: https://api.mine.example",
        '  credentials { access_key: "K", secret_key: "S" }',
        "}",
    ]
    done = init(server, tmp_path, *pasted)
    assert "WEB Host configured to [https://app.mine.example]" in done.stdout
    assert done.returncode == 1 and not (tmp_path / "clearml.conf").exists()


@pytest.mark.rows("S3-019")
def test_wrong_secret_is_told_and_may_be_corrected_once(server: Any, tmp_path: Path) -> None:
    bad = [*block(server, "wrong-secret"), ENTER, ENTER, ENTER]
    done = init(server, tmp_path, *bad, *block(server), *[ENTER] * 6)
    assert f"Hosts configuration:\nWEB: {server.web}\nAPI: " in done.stdout
    assert "Credentials could not be verified" in done.stdout
    assert "Credentials verified!" in done.stdout
    assert done.returncode == 0 and (tmp_path / "clearml.conf").exists()
    other = tmp_path / "other"
    other.mkdir()
    twice = init(server, other, *bad, *bad)
    assert twice.returncode == 1 and not (other / "clearml.conf").exists()
    assert "does not accept these credentials" in twice.stderr


@pytest.mark.rows("S3-020", "S3-021")
def test_git_user_and_package_indexes(server: Any, tmp_path: Path) -> None:
    answers = ["3", "s3://bucket/models", "robot", "git-token-123", "n", "robot", "git-token-456", "y"]
    indexes = ["https://one.example/simple", "https://u:hidden@two.example/simple", ENTER]
    done = init(server, tmp_path, *block(server), ENTER, ENTER, ENTER, *answers, *indexes)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "leave blank for SSH key authentication" in done.stdout
    assert "will be using user=robot password=git-***" in done.stdout
    assert "git-token" not in done.stdout and "hidden" not in done.stdout
    tree = written(tmp_path)
    assert (tree["agent"]["git_user"], tree["agent"]["git_pass"]) == ("robot", "git-token-456")
    assert tree["agent"]["package_manager"]["extra_index_url"] == indexes[:2]
    assert tree["sdk"]["development"]["default_output_uri"] == "s3://bucket/models"


@pytest.mark.rows("S3-023")
def test_agent_section_added_by_hand_to_a_file_of_the_sdk(server: Any, new_agent: Any) -> None:
    agent = new_agent(server)
    path = agent.home / "clearml.conf"
    path.write_text("\n".join(block(server)) + "\nsdk { development { default_output_uri: '' } }\n")
    with path.open("a") as file:
        file.write(
            'agent {\n  git_user=""\n  git_pass=""\n  worker_id: "by-hand"\n  package_manager: { type: pip }\n}\n'
        )
    agent.variables = {"CLEARML_CONFIG_FILE": str(path)}
    agent.start(queue="by-hand")
    until(lambda: "by-hand" in [w["id"] for w in server.call("workers.get_all", {"last_seen": 0})["workers"]])


def test_secrets_are_not_shown_on_a_terminal(server: Any, tmp_path: Path) -> None:
    """With a real terminal, which echoes what is typed."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "init"], stdin=follower, stdout=follower, stderr=follower, env=environment(server, tmp_path)
    )
    os.close(follower)
    seen = b""

    def expect(text: str, answer: str) -> None:
        nonlocal seen
        deadline = time.monotonic() + 60
        mark = len(seen)
        while text.encode() not in seen[mark:]:
            ready, _, _ = select.select([leader], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"waited for {text!r}: {seen.decode()}"
            seen += os.read(leader, 4096)
        os.write(leader, f"{answer}\n".encode())

    try:
        expect("Paste copied configuration", "")
        expect("Enter access key", server.access_key)
        expect("Enter secret key", server.secret_key)
        expect("WEB Host", server.web)
        expect("API Host", server.facts["api_server"])
        expect("FILES Host", server.files)
        expect("Choose", "2")
        expect("Enter git username", "robot")
        expect("Enter password", "git-token-123")
        expect("Is this right?", "")
        expect("extra-index-url", "")
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    assert server.secret_key.encode() not in seen and b"git-token" not in seen
    tree = written(tmp_path)
    assert tree["agent"]["git_pass"] == "git-token-123"
    assert tree["sdk"]["development"]["default_output_uri"] is True


def test_server_of_the_environment_is_not_asked_for_again(server: Any, tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--config-file", str(tmp_path / "own.conf"), "init"],
        stdin=subprocess.DEVNULL,
        env=server.environment(HOME=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Paste" not in done.stdout and "nobody answers" in done.stdout
    assert parse("own.conf", (tmp_path / "own.conf").read_text())["agent"]["package_manager"]["type"] == "pip"
