"""A Redis of a test's own, for several servers to share."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from control_plane.store.embedded import find_binary

LIMIT_S = 30.0


@contextlib.contextmanager
def own_redis() -> Iterator[str]:
    """Its URL."""
    with tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True) as folder:
        sock = Path(folder) / "s"
        command = [str(find_binary()), "--port", "0", "--unixsocket", str(sock), "--dir", folder, "--save", ""]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + LIMIT_S
            while not sock.exists():
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.01)  # another process makes it: nothing to wait on
            yield f"unix://{sock}"
        finally:
            process.terminate()
            process.wait(LIMIT_S)
