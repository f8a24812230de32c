"""A process with the official SDK that a test calls: typed API calls by name, and whole functions by their source."""

from __future__ import annotations

import inspect
import json
import select
import subprocess
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

DRIVER = Path(__file__).with_name("driver.py")


class OfficialError(Exception):
    """What official code raised; `code` and `subcode` where the API refused."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['type']}: {error['text']}\n{error['traceback']}")
        self.type, self.text = str(error["type"]), str(error["text"])
        self.code, self.subcode, self.data = error["code"], error["subcode"], error["data"]


class OfficialSession:
    """One long-lived process of official code: importing it for every behaviour would take most of the time."""

    def __init__(self, python: Path, env: dict[str, str], folder: Path) -> None:
        self.folder, self.log = folder, folder / "driver.log"
        script = folder / DRIVER.name  # outside of any repository, or the SDK reads that one's state into each task
        script.write_text(DRIVER.read_text())
        self._process = subprocess.Popen(
            [str(python), str(script), str(self.log)],
            env=env, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._rest = b""

    def run(self, function: Callable[..., Any], *arguments: Any, timeout_s: float = 90) -> Any:
        """Call a function there: it may use its arguments, `client` (an APIClient) and what it imports itself."""
        source = textwrap.dedent(inspect.getsource(function))
        request = {"source": source, "name": function.__name__, "arguments": arguments}
        return self._ask(request, timeout_s)

    def call(self, endpoint: str, timeout_s: float = 60, **arguments: Any) -> Any:
        """One typed call of the official APIClient; its answer as the client's own classes give it back."""
        return self._ask({"endpoint": endpoint, "arguments": arguments}, timeout_s)

    def raw(self, endpoint: str, body: dict[str, Any] | None = None, timeout_s: float = 60) -> Any:
        """One untyped call by the official client's session: what its typed calls have no words for."""
        return self._ask({"endpoint": endpoint, "arguments": body or {}, "is_raw": True}, timeout_s)

    def close(self) -> None:
        """End the process: the SDK's own end waits for its threads, and nothing of theirs is read any more."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait(20)
        self._process.stdin.close()
        self._process.stdout.close()

    def _ask(self, request: dict[str, Any], timeout_s: float) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._line(timeout_s))
        if "error" in answer:
            raise OfficialError(answer["error"])
        return answer["value"]

    def _line(self, timeout_s: float) -> bytes:
        assert self._process.stdout is not None
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            chunk = self._process.stdout.read1() if ready else b""
            if not chunk:
                self._process.kill()
                why = "ended" if ready else f"has not answered for {timeout_s:.0f} s"
                raise RuntimeError(f"the official process {why}:\n{self.log.read_text(errors='replace')[-4000:]}")
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return line
