"""Scripts that use the SDK, run as users run them: real processes against the real server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from clearml_sdk import session as sessions
from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.session import Session
from tests.conftest import RunningServer

QUIET = "auto_resource_monitoring=False"
DELIVERED = """
import time
from pathlib import Path
own = Path(task.get_logger()._reporter._journal.path)
while [path for path in own.parent.iterdir() if not path.name.startswith(".")] != [own]: time.sleep(0.05)
"""
"""For the end of a script: it goes on once it has delivered what others left."""


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


class Script(subprocess.Popen[str]):
    """A script that runs. A failure within its `with` ends it and its children, which would be waited for otherwise."""

    running: ClassVar[list[Script]] = []
    """Those that a test has started."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, start_new_session=True, text=True, **options)
        self.running.append(self)

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        if kind is not None:
            self.end()
        super().__exit__(kind, *error)

    def end(self) -> None:
        """kill -9 of the script and of its children, which hold its pipes, too."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    @classmethod
    def end_all(cls) -> None:
        """Let nothing that a test has started outlive it, whatever became of the test."""
        while cls.running:
            with cls.running.pop() as script:
                if script.returncode is None:
                    script.end()


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

    def start(self, code: str, *arguments: str, name: str = "script.py", **env: str) -> Script:
        return Script(
            [sys.executable, str(self.write(code, name)), *arguments],
            cwd=self.folder,
            env=self.environment(**env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, code: str, *arguments: str, name: str = "script.py", timeout: float = 60, **env: str) -> Ran:
        with self.start(code, *arguments, name=name, **env) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.end()
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
