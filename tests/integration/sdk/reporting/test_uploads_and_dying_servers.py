"""A server that is killed while it receives a file: the file arrives whole, or it is not there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clearml_sdk import session as sessions
from clearml_sdk.artifacts.artifact import artifacts_of
from clearml_sdk.artifacts.uploads import ArtifactUploads
from clearml_sdk.record import TaskRecord
from clearml_sdk.storage import sources, transfer
from tests.conftest import RunningServer

from .conftest import new_task, session_of


class Killer:
    """Kills the server once so many bytes have been sent to it, and starts it again."""

    def __init__(self, server: RunningServer, after_bytes: int) -> None:
        self._server, self._left = server, after_bytes
        self.seen: list[str] = []
        self._again: threading.Thread | None = None

    def __call__(self, count: int) -> None:
        self._left -= count
        if self._left <= 0 and self._again is None:
            self._server.kill()
            files = self._server.data_dir / "files"
            self.seen = [str(path.relative_to(files)) for path in files.rglob("*") if path.is_file()]
            self._again = threading.Thread(target=self._server.restart)
            self._again.start()

    def wait(self) -> None:
        assert self._again is not None, "it was never killed"
        self._again.join(60)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("waits", [True, False], ids=["from memory", "from the journal"])
def test_an_array_arrives_whole_though_the_server_is_killed(
    own_server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    monkeypatch.setenv("CLEARML_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("CLEARML_RAISE_ERRORS", "1")
    monkeypatch.setattr(sources, "SENT_AT_ONCE_BYTES", 1 << 20)
    session = session_of(own_server)
    sessions.set_default(session)
    killer = Killer(own_server, 25_000_000)
    real: Callable[..., str] = transfer.upload_source

    def upload(*arguments: object, progress: Callable[[int], object], **more: object) -> str:
        def both(count: int) -> None:
            progress(count)
            killer(count)

        return real(*arguments, progress=both, **more)

    monkeypatch.setattr(transfer, "upload_source", upload)
    try:
        record = TaskRecord(session, new_task(session))
        uploads = ArtifactUploads(record, journal=lambda: str(tmp_path))
        array = np.random.default_rng(1).random(4_000_000)
        assert uploads.upload("array", array, wait=waits)
        assert uploads.flush(120)
        killer.wait()
        assert killer.seen == []
        artifact = artifacts_of(session, record.reload())["array"]
        assert (artifact.get() == array).all()
        stored = [path for path in (own_server.data_dir / "files").rglob("*") if path.is_file()]
        assert [path.stat().st_size for path in stored] == [artifact.size]
        assert transfer.sha256(str(stored[0])) == artifact.hash
        assert list(tmp_path.glob("artifact-*")) == []
    finally:
        sessions.set_default(None)
        session.close()
