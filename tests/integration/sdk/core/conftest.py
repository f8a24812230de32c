"""Scripts that use the SDK, run as users run them: real processes against the real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk import session as sessions
from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.session import Session
from tests.conftest import RunningServer

QUIET = "auto_resource_monitoring=False"


@dataclass
class Ran:
    """A script that has ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> dict[str, Any]:
        """What the script printed as `SAY <json object>`, merged."""
        found: dict[str, Any] = {}
        for line in self.out.splitlines():
            if line.startswith("SAY "):
                found.update(json.loads(line[4:]))
        return found


@dataclass
class Workplace:
    """A user's folder on this machine, with caches and journals of its own."""

    folder: Path
    server: RunningServer

    def environment(self, **extra: str) -> dict[str, str]:
        return self.server.environment(
            CLEARML_CACHE_DIR=str(self.folder / ".cache"),
            CLEARML_JOURNAL_DIR=str(self.folder / ".journal"),
            HOME=str(self.folder),
            GIT_CONFIG_GLOBAL=os.devnull,
            **extra,
        )

    def write(self, code: str, name: str = "script.py") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        head = "import json\ndef say(**values): print('SAY ' + json.dumps(values, default=str), flush=True)\n"
        path.write_text(head + code)
        return path

    def start(self, code: str, *arguments: str, name: str = "script.py", **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(self.write(code, name)), *arguments],
            cwd=self.folder,
            env=self.environment(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, code: str, *arguments: str, name: str = "script.py", timeout: float = 60, **env: str) -> Ran:
        with self.start(code, *arguments, name=name, **env) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # its children hold the pipes, too
                raise AssertionError(f"the script did not end: {process.communicate()}") from None
        return Ran(process.returncode, out, err)


@pytest.fixture
def workplace(server: RunningServer, tmp_path: Path) -> Workplace:
    return Workplace(tmp_path, server)


@pytest.fixture
def read(server: RunningServer) -> Callable[[str], dict[str, Any]]:
    """The task's document by its id."""
    return lambda task_id: server.call("tasks.get_by_id", {"task": task_id})["task"]  # type: ignore[no-any-return]


@pytest.fixture
def session(server: RunningServer) -> Iterator[Session]:
    """The SDK of this process, pointed at the server."""
    settings = ApiSettings(
        server.api,
        web_server=server.web,
        files_server=server.files,
        access_key=server.access_key,
        secret_key=server.secret_key,
    )
    made = Session(settings)
    sessions.set_default(made)
    yield made
    sessions.set_default(None)
    made.close()


def download(server: RunningServer, url: str) -> bytes:
    """A stored file's content. Raises HTTPError, such as 404."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {server.login()}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()  # type: ignore[no-any-return]
