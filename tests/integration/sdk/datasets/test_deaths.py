"""A process that makes or copies a dataset is killed, and another goes on."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from clearml_sdk import Dataset
from clearml_sdk.datasets import chunks
from clearml_sdk.session import Session
from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import Workplace

from .conftest import content, write

UPLOAD = """
import sys
from clearml import Dataset
from clearml_sdk.datasets import uploading

made = Dataset.create("killed", sys.argv[2])
made.add_files(sys.argv[1])
say(id=made.id)
pack, packed = uploading.pack, []

def slow(chunk, *arguments, **named):
    if len(packed) == 2:
        say(packed=len(packed))
        import time
        time.sleep(600)  # until it is killed
    packed.append(chunk)
    return pack(chunk, *arguments, **named)

uploading.pack = slow
made.upload(chunk_size=1, compression="ZIP_STORED", max_workers=1, preview=False)
"""


@pytest.mark.timeout(180)
def test_a_killed_upload_goes_on_and_sends_nothing_twice(
    server: RunningServer, workplace: Workplace, session: Session, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = workplace.folder / "big"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.bin").write_bytes(os.urandom(700_000))
    with workplace.start(UPLOAD, str(folder), project) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if '"packed"' in line:
                break
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        process.stdout.read()
        assert process.stderr is not None
        process.stderr.read()
    found = Dataset.get(dataset_project=project, dataset_name="killed")
    assert found.id in said and not found.is_final() and found.is_dirty()
    assert found.get_local_copy(raise_on_error=False) is None
    packed: list[str] = []
    before = chunks.pack
    from clearml_sdk.datasets import uploading

    def counted(chunk: chunks.Chunk, *arguments: object, **named: object) -> str:
        packed.extend(entry.relative_path for entry in chunk.entries)
        return before(chunk, *arguments, **named)  # type: ignore[arg-type]  # as it was called

    monkeypatch.setattr(uploading, "pack", counted)
    found.upload(chunk_size=1, compression="ZIP_STORED", max_workers=1, preview=False, show_progress=False)
    assert packed == ["2.bin", "3.bin"]
    assert found.finalize() and found.get_num_chunks() == 4
    assert found.verify_dataset_hash(str(folder)) == [] and len(os.listdir(found.get_local_copy())) == 4


def test_what_a_killed_copy_left_behind_is_not_used(session: Session, project: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "data", {"one.txt": "one", "two.txt": "two"})
    made = Dataset.create("copied", project)
    made.add_files(folder)
    made.finalize(auto_upload=True)
    whole = Path(made.get_local_copy())
    (chunk,) = whole.parent.glob("chunk_*[!k]")
    for place in (whole, chunk):  # as if it had died while it was writing them
        half = place.rename(f"{place}.part")
        next(half.iterdir()).write_text("half")
    assert content(made.get_local_copy()) == {"one.txt": "one", "two.txt": "two"}


def test_threads_ask_for_the_same_copy(session: Session, project: str, tmp_path: Path) -> None:
    made = Dataset.create("shared", project)
    made.add_files(write(tmp_path / "data", {"one.txt": "one"}))
    made.finalize(auto_upload=True)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(made.get_local_copy())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4 and len(set(found)) == 1 and content(found[0]) == {"one.txt": "one"}
