"""`clearml-server credentials` and `clearml-server users`, beside a running server and without one."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer
from tests.integration.http.client import basic, send

from .conftest import login, pair_of


def run(server: RunningServer, *arguments: str, stdin: str = "", code: int = 0) -> str:
    """The command as a person on the server's machine runs it."""
    done = subprocess.run(
        [sys.executable, "-m", "clearml_sdk.cli", "clearml-server", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env=_environment(server),
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout if code == 0 else done.stderr


def ask(server: RunningServer, *arguments: str, stdin: str = "") -> Any:
    return json.loads(run(server, *arguments, "--json", stdin=stdin))


def _environment(server: RunningServer) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CLEARML_", "TRAINS_"))}
    return {**kept, "CLEARML_RUNTIME_DIR": str(server.runtime_dir), "COLUMNS": "250"}


def test_users_are_made_changed_and_removed(own_server: RunningServer) -> None:
    made = ask(
        own_server, "users", "create", "Ada", "--role=agent", "--given-name=Ada", "--password", stdin="first one\n"
    )
    token = login(own_server, "ada", "first one")
    assert own_server.call("users.get_current_user", token=token)["user"]["role"] == "agent"
    assert "already" in run(own_server, "users", "create", "ada", code=1)
    table = run(own_server, "users", "list")
    assert "Ada" in table and "agent" in table and "first one" not in table
    assert ask(own_server, "users", "set-role", "ada", "user")["fields"] == {"role": "user"}
    given = ask(own_server, "users", "set-password", made["id"], "--generate")["password"]
    assert len(given) > 20
    _until(lambda: send(own_server.api, "/debug.ping_auth", body={}, Authorization=f"Bearer {token}").status == 401)
    token = login(own_server, "ada", given)
    ask(own_server, "users", "end-sessions", "Ada")
    _until(lambda: send(own_server.api, "/debug.ping_auth", body={}, Authorization=f"Bearer {token}").status == 401)
    ask(own_server, "users", "set-password", "Ada", "--remove")
    assert send(own_server.api, "/auth.login", body={}, Authorization=basic("ada", given)).codes == (401, 22)
    ask(own_server, "users", "delete", "Ada")
    users = ask(own_server, "users", "list")["users"]
    assert [(user["name"], user["role"], user["password"]) for user in users] == [("admin", "admin", False)]


def test_the_first_administrator_gets_a_password(own_server: RunningServer) -> None:
    run(own_server, "users", "set-password", "admin", stdin="a long password\n")
    token = login(own_server, "admin", "a long password")
    assert own_server.call("users.get_current_user", token=token)["user"]["role"] == "admin"
    # And another one, without telling the one before.
    run(own_server, "users", "set-password", "admin", stdin="a longer password\n")
    login(own_server, "admin", "a longer password")


def test_a_password_is_asked_for_twice_at_a_terminal(own_server: RunningServer) -> None:
    # Echo off is the terminal's business: what is typed must not come back on it.
    reader, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "clearml_sdk.cli", "clearml-server", "users", "set-password", "admin"],
        stdin=terminal, stdout=terminal, stderr=terminal, env=_environment(own_server), start_new_session=True,
        preexec_fn=_controlling,
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    try:
        for prompt in (b"New password: ", b"Again: "):
            while not shown.endswith(prompt):
                shown += os.read(reader, 1024)
            os.write(reader, b"typed in secret\n")
        try:
            while chunk := os.read(reader, 1024):
                shown += chunk
        except OSError:
            pass  # the terminal is gone with the process
        assert process.wait(60) == 0, shown
    finally:
        process.kill()
        process.wait()
        os.close(reader)
    assert b"typed in secret" not in shown
    login(own_server, "admin", "typed in secret")


def _controlling() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_keys_are_made_rotated_and_revoked(own_server: RunningServer) -> None:
    ask(own_server, "users", "create", "robot")
    made = ask(own_server, "credentials", "create", "--user=robot", "--label=agent 7", "--role=agent", "--expires=90d")
    token = login(own_server, *pair_of(made))
    assert own_server.call("users.get_current_user", token=token)["user"]["role"] == "agent"
    (row,) = ask(own_server, "credentials", "list", "--user", "robot")["credentials"]
    assert (row["label"], row["user"], row["role"]) == ("agent 7", "robot", "agent")
    rotated = ask(own_server, "credentials", "rotate", made["access_key"])
    _until(lambda: send(own_server.api, "/debug.ping_auth", body={}, Authorization=f"Bearer {token}").status == 401)
    token = login(own_server, *pair_of(rotated))
    text = run(own_server, "credentials", "list")
    assert "agent 7" in text and rotated["secret_key"] not in text and made["secret_key"] not in text
    ask(own_server, "credentials", "revoke", rotated["access_key"])
    _until(lambda: send(own_server.api, "/debug.ping_auth", body={}, Authorization=f"Bearer {token}").status == 401)
    assert "not found" in run(own_server, "credentials", "revoke", rotated["access_key"], code=1)


def test_rotating_the_servers_own_key_keeps_its_file_right(own_server: RunningServer) -> None:
    old = own_server.access_key
    made = ask(own_server, "credentials", "rotate", old)
    kept = json.loads((own_server.data_dir / "credentials.json").read_text())
    assert kept == {"access_key": made["access_key"], "secret_key": made["secret_key"]}
    assert own_server.stop() == 0
    own_server.restart()
    assert own_server.access_key == made["access_key"] != old
    assert own_server.call("users.get_current_user")["user"]["role"] == "admin"


@pytest.mark.embedded
def test_commands_work_while_no_server_runs(own_server: RunningServer) -> None:
    assert own_server.stop() == 0
    where = ["--data-dir", str(own_server.data_dir)]
    if "--redis" in own_server.arguments:
        where += ["--redis", own_server.arguments[own_server.arguments.index("--redis") + 1]]
    made = ask(own_server, "users", "create", "later", "--generate", *where)
    key = ask(own_server, "credentials", "create", "--user=later", *where)
    own_server.restart()
    assert own_server.call("users.get_by_id", {"user": made["id"]})["user"]["name"] == "later"
    login(own_server, "later", made["password"])
    login(own_server, *pair_of(key))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("users", "set-role", "nobody", "user"), "no user 'nobody'"),
        (("users", "delete", "admin"), "themselves"),
        (("users", "create", "with:colon", "--generate"), "colon"),
        (("credentials", "create", "--user=nobody"), "no user 'nobody'"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_1(
    house: RunningServer, arguments: tuple[str, ...], said: str
) -> None:
    error = run(house, *arguments, code=1)
    assert said in error and len(error.splitlines()) == 1


def test_the_last_administrator_stays_one(own_server: RunningServer) -> None:
    assert "last administrator" in run(own_server, "users", "set-role", "admin", "user", code=1)


def test_no_command_takes_a_password_as_an_argument(house: RunningServer) -> None:
    error = run(house, "users", "set-password", "admin", "secret words", code=2)
    assert "unrecognized arguments" in error
    assert run(house, "users", "set-password", "admin", code=1).strip().endswith("standard input holds no password")


def test_a_data_directory_without_a_store_is_said_to_be_none(house: RunningServer, tmp_path: Path) -> None:
    assert "holds no server's data" in run(house, "users", "list", "--data-dir", str(tmp_path), code=1)
    assert list(tmp_path.iterdir()) == []


def _until(holds: Any) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)  # another process looks again within a second
