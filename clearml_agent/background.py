"""A daemon without a terminal: started again in a session of its own, writing into a file of its own."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

READY_FD = "CLEARML_AGENT_DETACHED_READY"
LOG_FILE = "CLEARML_AGENT_DETACHED_LOG"
READY_S = 10.0
"""How long whoever started a daemon waits until it serves; its server may be away for longer."""


def detach(arguments: Sequence[str]) -> int:
    """Start `clearml-agent` with these arguments in the background; returns when it serves, waits, or has failed.

    The exit status is 1 when it has failed. Its output goes to a file, whose name is printed.
    """
    log = new_log()
    read_fd, write_fd = os.pipe()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "clearml_sdk.cli", "clearml-agent", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=(write_fd,),
            env={**os.environ, READY_FD: str(write_fd), LOG_FILE: str(log)},
        )
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as pipe:
        is_known = bool(select.select([pipe], [], [], READY_S)[0])
        worker = pipe.read().decode() if is_known else ""  # ends when the daemon says that it serves, or dies
    if not is_known:
        said = log.read_text(errors="replace").rstrip().rpartition("\n")[2]
        print(f"the agent runs in the background (pid {process.pid}), writing to {log}, and serves as soon as it can")
        print(f"it does not serve yet; the last that it said: {said or 'nothing'}", file=sys.stderr)
    if worker:
        print(f"{worker} runs in the background (pid {process.pid}), writing to {log}")
        print(f"stop it with: clearml-agent daemon --stop {worker}")
    if worker or not is_known:
        process.returncode = 0  # it is on its own from here on
        return 0
    code = process.wait()
    sys.stderr.write(log.read_text(errors="replace")[-4000:])
    print(f"clearml-agent did not start (exit {code}); its output is in {log}", file=sys.stderr)
    return 1


def say_ready(worker: str) -> None:
    """In the background process: tell the one that started it."""
    number = os.environ.pop(READY_FD, None)
    if number is not None:
        # Whoever started it may wait no more.
        with contextlib.suppress(BrokenPipeError), os.fdopen(int(number), "wb") as pipe:
            pipe.write(worker.encode())


def new_log() -> Path:
    """A file for a daemon's output, readable by this user alone."""
    folder = os.environ.get("CLEARML_AGENT_TEMP_STDOUT_FILE_DIR") or None
    fd, name = tempfile.mkstemp(prefix=".clearml_agent_daemon_out", suffix=".txt", dir=folder)
    os.close(fd)
    return Path(name)


def redirect(path: Path) -> None:
    """Send this process's standard output and error to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
