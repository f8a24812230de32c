"""What the tests do around a server: run commands beside it, kill and restart it, let it seal all the time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from control_plane.store import keys
from control_plane.store.embedded import running_url
from control_plane.store.segments.due import AT_ONCE
from tests.conftest import RunningServer, start_server


def command(server: RunningServer, *arguments: str, **env: str) -> Any:
    """What a command answers with --json; AssertionError with what it said when it fails."""
    process = begun(server, *arguments, "--json", **env)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out)


def refused(server: RunningServer, *arguments: str, **env: str) -> str:
    """What a command says that fails."""
    process = begun(server, *arguments, **env)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    return err


def begun(server: RunningServer, *arguments: str, **env: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLEARML_")}
    return subprocess.Popen(
        [sys.executable, "-m", "control_plane.cli", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**kept, "CLEARML_RUNTIME_DIR": str(server.runtime_dir), **env},
    )  # fmt: skip


def restart(server: RunningServer, env: dict[str, str]) -> None:
    """kill -9, and the same server again: its data, its ports."""
    server.kill()
    ports = [f"--{name}-port={server.facts[f'{name}_server'].rsplit(':', 1)[1]}" for name in ("api", "web", "files")]
    again = start_server(server.data_dir, server.runtime_dir, *server.arguments, ports=ports, env=env)
    server.process = again.process


@contextmanager
def always_due(data_dir: Path, tasks: list[str]) -> Iterator[None]:
    """Let the server seal all the time, not two minutes later."""
    stop = threading.Event()

    def note() -> None:
        while not stop.wait(0.01):
            url = running_url(data_dir / "store")
            if url is None:
                continue
            try:
                with redis.Redis.from_url(url) as client:
                    client.zadd(keys.unsealed(), dict.fromkeys(tasks, AT_ONCE))
            except redis.ConnectionError:
                continue  # killed, and coming back

    thread = threading.Thread(target=note, name="always due")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
