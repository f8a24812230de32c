"""The `clearml-server` command: how it starts, says where it is, and stops."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest

from .client import basic, multipart, send

Opener = Callable[..., AbstractContextManager[Any]]


def test_ready_and_runtime_file_say_the_same(server: Any) -> None:
    ready = json.loads((server.data_dir / "ready.json").read_text())
    assert ready == json.loads((server.runtime_dir / "server.json").read_text())
    assert set(ready) >= {"api_server", "web_server", "files_server", "access_key", "secret_key", "pid"}
    assert ready["data_dir"] == str(server.data_dir)
    assert ready["pid"] == server.process.pid
    assert stat.S_IMODE(server.runtime_dir.stat().st_mode) == 0o700


def test_it_listens_on_loopback_only(server: Any) -> None:
    listening = [c for c in psutil.Process(server.process.pid).net_connections("inet") if c.status == "LISTEN"]
    assert len(listening) == 3
    assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}
    for child in psutil.Process(server.process.pid).children(recursive=True):
        assert not child.net_connections("inet"), "the store is reachable over the network"


def test_the_second_start_keeps_credentials_and_data(new_server: Opener) -> None:
    with new_server() as server:
        task = server.call("tasks.create", {"name": "kept", "type": "training"})["id"]
        token, key = server.login(), server.access_key
        assert server.stop() == 0
        server.restart()
        assert server.access_key == key
        found = send(server.api, "/tasks.get_by_id", body={"task": task}, Authorization=f"Bearer {token}")
        assert found.json["data"]["task"]["name"] == "kept"


@pytest.mark.embedded
def test_sigterm_leaves_nothing_behind(new_server: Opener) -> None:
    with new_server() as server:
        children = psutil.Process(server.process.pid).children(recursive=True)
        assert children
        assert server.stop() == 0
        assert not psutil.wait_procs(children, timeout=60)[1]
        assert not (server.data_dir / "ready.json").exists()
        assert not (server.runtime_dir / "server.json").exists()


def test_ctrl_c_of_the_terminal_stops_it_in_order(new_server: Opener) -> None:
    with new_server() as server:
        server.call("tasks.create", {"name": "before", "type": "training"})
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == 0


def test_a_running_call_is_answered_while_it_stops(new_server: Opener) -> None:
    with new_server() as server:
        queue = server.call("queues.create", {"name": "waited for"})["id"]
        answers: list[Any] = []

        def wait() -> None:
            body = {"worker": "w", "queues": [queue], "slots": 1, "timeout_s": 25}
            answers.append(server.call("agents.wait", body))

        token = server._token = server.login()
        assert token
        thread = threading.Thread(target=wait)
        thread.start()
        _until_busy(server)
        assert server.stop() == 0
        thread.join(60)
        assert answers and answers[0]["entries"] == []


def _until_busy(server: Any) -> None:
    """Wait until the long call has reached the server, which counts them."""
    _until(lambda: b"\nclearml_waiting_calls 1" in send(server.api, "/metrics", method="GET").body)


def test_an_upload_that_runs_is_finished_and_nothing_new_is_taken(new_server: Opener) -> None:
    with new_server() as server:
        body, kind = multipart({"/slow/file": b"x" * 12_000_000})
        head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        head += f"Connection: close\r\nAuthorization: Bearer {server.login()}\r\n\r\n"
        address = ("127.0.0.1", int(server.files.rpartition(":")[2]))
        with socket.create_connection(address, timeout=60) as sock:
            sock.sendall(head.encode() + body[:8_000_000])
            folder = server.data_dir / "files" / "slow"
            _until(lambda: _has_open(server.process.pid, server.data_dir / "files"))
            server.process.send_signal(signal.SIGTERM)
            _until(lambda: _refuses(server.api))
            _until(lambda: _refuses(server.files))
            sock.sendall(body[8_000_000:])
            assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        assert server.process.wait(60) == 0
        assert (folder / "file").stat().st_size == 12_000_000


def _has_open(pid: int, folder: Path) -> bool:
    """Whether the process has a file below the folder open; one that is being received has no name yet."""
    opened = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            opened.append(os.readlink(descriptor))
        except OSError:
            continue  # closed meanwhile
    return any(name.startswith(f"{folder}/") for name in opened)


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)  # another process does it: nothing to wait on


def _refuses(url: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=1).close()
    except OSError:
        return True
    return False


def test_a_port_in_use_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = _command(tmp_path, f"--api-port={port}", "--web-port=0", "--files-port=0")
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.embedded
def test_a_second_server_on_the_same_data_is_refused(server: Any, tmp_path: Path) -> None:
    ended = _command(tmp_path, "--api-port=0", "--web-port=0", "--files-port=0", "--data-dir", str(server.data_dir))
    assert ended.returncode == 1
    assert "another server" in ended.stderr
    assert server.call("debug.ping")


@pytest.mark.parametrize("arguments", [["--api-port=x"], ["--durability=sometimes"], ["--nonsense"]])
def test_a_wrong_command_line_is_told_at_once(tmp_path: Path, arguments: list[str]) -> None:
    ended = _command(tmp_path, *arguments)
    assert ended.returncode == 2
    assert ended.stderr.endswith("clearml-server --help says more.\n")


def test_help_names_every_flag(tmp_path: Path) -> None:
    shown = _command(tmp_path, "--help")
    assert shown.returncode == 0
    for flag in ("--host", "--api-port", "--web-port", "--files-port", "--data-dir", "--redis", "--durability"):
        assert flag in shown.stdout
    for flag in ("--ready-file", "--with-agent", "--with-services"):
        assert flag in shown.stdout


def _command(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [
        sys.executable,
        "-m",
        "clearml_sdk.cli",
        "clearml-server",
        "--data-dir",
        str(folder / "data"),
        *arguments,
    ]
    env = {**os.environ, "CLEARML_RUNTIME_DIR": str(folder / "run")}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_credentials_are_printed_once_and_only_on_a_terminal(tmp_path: Path) -> None:
    first, secret = _on_terminal(tmp_path)
    assert "clearml.conf" in first and secret in first and "api_server: http://127.0.0.1:" in first
    again, same = _on_terminal(tmp_path)
    assert same == secret
    assert secret not in again


def test_a_server_for_other_machines_says_how_they_reach_it(tmp_path: Path) -> None:
    here, _ = _on_terminal(tmp_path / "here")
    assert "Other machines cannot reach it; with --host 0.0.0.0 they can" in here
    everywhere, _ = _on_terminal(tmp_path / "everywhere", "--host", "0.0.0.0")
    pasted = everywhere.partition("api {")[2]
    assert pasted.count(f"//{socket.gethostname()}:") == 3 and "127.0.0.1" not in pasted


def _on_terminal(folder: Path, *options: str) -> tuple[str, str]:
    """What a start prints on a terminal, and the secret."""
    import pty

    ready = folder / "ready.json"
    ports = ["--api-port=0", "--web-port=0", "--files-port=0"]
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "clearml_sdk.cli", "clearml-server", *ports, *options]
    command += ["--data-dir", str(folder / "data"), "--ready-file", str(ready)]
    ours, theirs = pty.openpty()
    env = {**os.environ, "CLEARML_RUNTIME_DIR": str(folder / "run")}
    process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=env)
    os.close(theirs)
    shown = b""
    try:
        while b"ClearML is at" not in shown or (b"secret_key" in shown and b"shown this once" not in shown):
            shown += os.read(ours, 65536)
        facts = json.loads(ready.read_text())
    finally:
        process.terminate()
        process.wait(60)
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except OSError:
            pass  # how a terminal says that nobody writes any more
        os.close(ours)
    return shown.decode(), facts["secret_key"]


# ---- what needs no token, and for whom


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json"])
def test_facts_are_free_on_this_machine_only(server: Any, path: str) -> None:
    assert send(server.api, path, method="GET").status == 200
    for foreign in (
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:8008"},
        {"X_Forwarded_For": "1.2.3.4"},
        {"Forwarded": "for=1.2.3.4"},
    ):
        assert send(server.api, path, method="GET", **foreign).status == 401
        pair = basic(server.access_key, server.secret_key)
        assert send(server.api, path, method="GET", Authorization=pair, **foreign).status == 200


def test_metrics_name_nobody(server: Any) -> None:
    task = server.call("tasks.create", {"name": "named-in-no-metric", "type": "training"})["id"]
    server.call("tasks.get_by_id", {"task": task})
    text = send(server.api, "/metrics", method="GET").body.decode()
    assert 'clearml_calls_total{endpoint="tasks.get_by_id",code="200"}' in text
    for word in (task, "named-in-no-metric", server.access_key, "admin"):
        assert word not in text


def test_openapi_describes_every_endpoint(server: Any) -> None:
    document = send(server.api, "/openapi.json", method="GET").json
    assert document["openapi"].startswith("3.")
    assert {"/tasks.enqueue", "/events.add_batch", "/agents.wait", "/auth.login"} <= set(document["paths"])
    assert document["paths"]["/debug.ping"]["post"]["security"] == []
    for path in document["paths"].values():
        assert path["post"]["summary"]


def test_our_wheel_can_be_installed_from_it(server: Any, tmp_path: Path) -> None:
    page = send(server.api, "/simple/clearml-lean/", method="GET")
    assert page.status == 200
    link = page.body.decode().split('href="')[1].split('"')[0]
    file, _, digest = link.partition("#sha256=")
    wheel = send(server.api, f"/simple/clearml-lean/{file}", method="GET")
    import hashlib

    assert hashlib.sha256(wheel.body).hexdigest() == digest
    assert send(server.api, "/simple/requests/", method="GET").status == 404


# ---- the web port


def test_the_page_works_below_any_path(server: Any) -> None:
    page = send(server.web, "/projects/*/tasks/0123/output/log", method="GET")
    assert page.status == 200
    assert b'<base href="../../../../../">' in page.body
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert send(server.web, "/", method="GET").body.count(b'<base href="./">') == 1
    (build,) = set(re.findall(rb'"assets/([0-9a-f]+)/', page.body))
    assets = f"/assets/{build.decode()}"
    script = send(server.web, f"{assets}/app.js", method="GET")
    assert script.status == 200 and "javascript" in script.headers["content-type"]
    assert send(server.web, f"{assets}/none.js", method="GET").status == 404
    assert send(server.web, f"{assets}/../../../credentials.json", method="GET").status == 404


def test_the_web_port_serves_api_and_files_below_prefixes(server: Any) -> None:
    assert send(server.web, "/api/debug.ping", method="GET").status == 200
    assert send(server.web, "/api/v2.23/nosuch.thing", method="GET").status == 404
    assert send(server.web, "/files/", method="GET").body == b"OK"
    assert send(server.web, "/files/x", method="GET").status == 401
