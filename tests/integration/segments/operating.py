"""`clearml-server COMMAND`, as somebody runs it beside a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tests.conftest import RunningServer


def command(server: RunningServer, *arguments: str, **env: str) -> Any:
    """What a command answers with --json; AssertionError with what it said when it fails."""
    process = begun(server, *arguments, "--json", **env)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return json.loads(out)


def refused(server: RunningServer, *arguments: str) -> str:
    """What a command says that fails."""
    process = begun(server, *arguments)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    return err


def begun(server: RunningServer, *arguments: str, **env: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLEARML_")}
    return subprocess.Popen(
        [sys.executable, "-m", "control_plane.cli", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**kept, "CLEARML_RUNTIME_DIR": str(server.runtime_dir), **env},
    )  # fmt: skip
