"""A forked child takes what a thread of its parent held when the fork came."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SLOW = """
import time
from pathlib import Path
Path("began").touch()
while not Path("go on").exists():
    time.sleep(0.01)
value = 1
"""
FORKS = """
import os, sys, threading, time, warnings
from pathlib import Path
from clearml_sdk.fork_lock import ForkLock
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which is what this is about
lock = ForkLock()
lock.__enter__() if sys.argv[1] == "lock" else None
thread = threading.Thread(target=lambda: __import__("outer"), name="clearml-importing", daemon=True)
thread.start()
while not Path("began").exists():
    time.sleep(0.01)
child = os.fork()
if child == 0:
    Path("go on").touch()
    import outer, slow
    with lock:
        os._exit(10 + slow.value)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("held", ["import", "lock"])
def test_a_child_imports_what_a_thread_of_ours_was_importing(tmp_path: Path, held: str) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "outer.py").write_text("import slow\n")
    (tmp_path / "forks.py").write_text(FORKS)
    process = subprocess.Popen([sys.executable, "forks.py", held], cwd=tmp_path, start_new_session=True)
    try:
        assert process.wait(60) == 11
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # and the child, which may hang as well
        process.wait(60)
