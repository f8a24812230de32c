"""A daemon without a terminal: started again in a session of its own, writing into a file of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

READY_FD = "CLEARML_AGENT_DETACHED_READY"
LOG_FILE = "CLEARML_AGENT_DETACHED_LOG"


def detach(arguments: Sequence[str]) -> int:
    """Start `clearml-agent` with these arguments in the background; returns when it serves, or has failed.

    The exit status is 0 when it serves. Its output goes to a file, whose name is printed.
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
        worker = pipe.read().decode()  # ends when the daemon says that it serves, or dies
    if worker:
        print(f"{worker} runs in the background (pid {process.pid}), writing to {log}")
        print(f"stop it with: clearml-agent daemon --stop {worker}")
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
        with os.fdopen(int(number), "wb") as pipe:
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
