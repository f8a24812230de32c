"""Artifacts: what was stored is what is read, whatever it is."""

from __future__ import annotations

import json
import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearml_sdk.artifacts.artifact import Artifact, artifacts_of
from clearml_sdk.artifacts.errors import ArtifactIntegrityError, BlockedPickledArtifactError
from clearml_sdk.artifacts.uploads import ArtifactUploads
from clearml_sdk.errors import UsageError
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session
from clearml_sdk.storage import cache, transfer
from tests.integration.sdk.core.conftest import QUIET, Workplace


@pytest.fixture
def uploads(record: TaskRecord) -> ArtifactUploads:
    return ArtifactUploads(record)


def read(record: TaskRecord, name: str) -> Artifact:
    return artifacts_of(record.session, record.reload())[name]


class Point:
    def __init__(self, x: int) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and other.x == self.x

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.rows("S2-148")
def test_each_type_is_read_back_as_it_was(uploads: ArtifactUploads, record: TaskRecord, tmp_path: Path) -> None:
    import pandas
    from PIL import Image as pil

    frame = pandas.DataFrame({"x": [1, 2], "y": [0.5, None], "z": ["a", "b,c"]})
    wide = frame.set_index(["x", "z"])
    image = pil.new("RGB", (3, 2), (255, 0, 0))
    nested = {"b": [1, None], "a": {"ü": True}}
    values: dict[str, Any] = {
        "dict": nested,
        "unserialisable": {"p": Point(1)},
        "text": "some\ntext",
        "numbers": [1, 2.5],
        "object": Point(3),
        "none": None,
    }
    for name, value in values.items():
        assert uploads.upload(name, value, wait=True)
    uploads.upload("array", np.arange(6).reshape(2, 3))
    uploads.upload("frame", frame)
    uploads.upload("wide", wide)
    uploads.upload("image", image)
    assert uploads.flush(60)
    for name, value in values.items():
        assert read(record, name).get() == value, name
    assert (read(record, "array").get() == np.arange(6).reshape(2, 3)).all()
    assert read(record, "frame").get().equals(frame)
    assert read(record, "wide").get().equals(wide)
    assert (np.asarray(read(record, "image").get()) == [[(255, 0, 0)] * 3] * 2).all()
    found = {name: artifact.type for name, artifact in artifacts_of(record.session, record.reload()).items()}
    assert found == {
        "dict": "dict",
        "unserialisable": "pickle",
        "text": "string",
        "numbers": "pickle",
        "object": "pickle",
        "none": "pickle",
        "array": "numpy",
        "frame": "pandas",
        "wide": "pandas",
        "image": "image",
    }


def test_the_record_is_what_official_clients_write(uploads: ArtifactUploads, record: TaskRecord) -> None:
    """The same artifact as in the recorded trace: names, sizes, hash and preview are equal."""
    uploads.upload("d", {"a": 1}, metadata={"m": 1}, wait=True)
    (entry,) = record.reload()["execution"]["artifacts"]
    files, path = record.session.settings.files_server, f"reporting/tests/a%20task.{record.id}/artifacts/d/d.json"
    assert abs(entry.pop("timestamp") - time.time()) < 60
    assert entry == {
        "key": "d",
        "type": "dict",
        "mode": "output",
        "uri": f"{files}/{path}",
        "content_size": 14,
        "hash": "a76762e9bc54e47c09455bdb226e23887793c23075a1c97d8792ec6cd7912307",
        "type_data": {"preview": '{\n    "a": 1\n}', "content_type": "application/json"},
        "display_data": [["m", "1"]],
    }


def test_files_and_folders(uploads: ArtifactUploads, record: TaskRecord, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "deep" / "b.bin").write_bytes(bytes(1000))
    uploads.upload("file", str(folder / "a.txt"), wait=True)
    uploads.upload("folder", folder, wait=True)
    uploads.upload("some", str(folder / "*.txt"), wait=True)
    assert read(record, "file").get().read_text() == "a"
    assert read(record, "file").preview == "a.txt - 1 byte\n"
    extracted = Path(read(record, "folder").get())
    assert sorted(str(path.relative_to(extracted)) for path in extracted.rglob("*.*")) == ["a.txt", "deep/b.bin"]
    assert read(record, "folder").url.endswith("/artifacts/folder/data.zip")
    assert "deep/b.bin - 1 KB" in read(record, "folder").preview
    archive = read(record, "folder").get_local_copy(extract_archive=False)
    assert archive is not None
    assert archive.endswith("data.zip")
    assert [path.name for path in Path(read(record, "some").get()).iterdir()] == ["a.txt"]


def test_a_url_is_registered_and_not_fetched(uploads: ArtifactUploads, record: TaskRecord) -> None:
    uploads.upload("far", "https://nowhere.test/data.zip", wait=True)
    artifact = read(record, "far")
    assert (artifact.url, artifact.size, artifact.hash) == ("https://nowhere.test/data.zip", 0, "")


def test_a_name_may_hold_anything(uploads: ArtifactUploads, record: TaskRecord) -> None:
    names = ["with/slash", "ünï códe", "..", 'q"uote', "a%20b", "a+b & c?d=1#e"]
    for name in names:
        assert uploads.upload(name, {"name": name}, wait=True), name
    for name in names:
        assert read(record, name).get() == {"name": name}


def test_an_artifact_stored_again_replaces_the_first_also_where_it_was_read(
    uploads: ArtifactUploads, record: TaskRecord
) -> None:
    uploads.upload("d", {"version": 1}, wait=True)
    assert read(record, "d").get() == {"version": 1}
    uploads.upload("d", {"version": 2}, wait=True)
    assert read(record, "d").get() == {"version": 2}
    assert len(record.document["execution"]["artifacts"]) == 1


def test_what_changes_after_the_call_is_not_stored(uploads: ArtifactUploads, record: TaskRecord) -> None:
    values = np.zeros(1000)
    uploads.upload("array", values)
    values[:] = 1
    uploads.flush()
    assert read(record, "array").get().sum() == 0


def test_a_file_that_is_not_the_recorded_one_is_not_read(
    uploads: ArtifactUploads, record: TaskRecord, session: Session, tmp_path: Path
) -> None:
    uploads.upload("p", Point(1), wait=True)
    artifact = read(record, "p")
    forged = tmp_path / "p.pkl"
    forged.write_bytes(pickle.dumps("forged"))
    transfer.upload(session, str(forged), artifact.url)
    with pytest.raises(ArtifactIntegrityError):
        artifact.get(force_download=True)
    with pytest.raises(ArtifactIntegrityError):
        artifact.get_local_copy(raise_on_error=True)
    assert artifact.get_local_copy() is None
    with pytest.raises(ArtifactIntegrityError):
        artifact.verify_pickle_file_integrity(forged)


def test_pickles_can_be_blocked(uploads: ArtifactUploads, record: TaskRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads.upload("p", Point(1), wait=True)
    with pytest.raises(BlockedPickledArtifactError):
        read(record, "p").get(block_unsafe_artifacts=True)
    monkeypatch.setenv("CLEARML_BLOCK_PICKLED_ARTIFACTS", "1")
    with pytest.raises(BlockedPickledArtifactError):
        read(record, "p").get()


def test_objects_by_functions_of_the_user(uploads: ArtifactUploads, record: TaskRecord) -> None:
    uploads.upload("own", Point(5), extension=".txt", serialize=lambda point: str(point.x).encode(), wait=True)
    artifact = read(record, "own")
    assert artifact.url.endswith("/own.txt")
    assert artifact.get(deserialization_function=lambda data: Point(int(data))) == Point(5)
    with pytest.raises(UsageError, match="must return bytes"):
        uploads.upload("own", Point(5), serialize=lambda point: "text")  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(
    ("name", "value", "options", "message"),
    [
        ("", {}, {}, "needs a name"),
        ("x", "", {}, "empty text"),
        ("x", Path("/no/such/file"), {}, "no file or folder"),
        ("x", Point(1), {"auto_pickle": False}, "would have to be pickled"),
    ],
)
def test_what_cannot_be_an_artifact_says_why(
    uploads: ArtifactUploads, name: str, value: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        uploads.upload(name, value, **options)


def test_the_local_file_is_removed_when_asked(uploads: ArtifactUploads, tmp_path: Path) -> None:
    kept, removed = tmp_path / "kept.txt", tmp_path / "removed.txt"
    for path in (kept, removed):
        path.write_text("x")
    uploads.upload("kept", kept, wait=True)
    uploads.upload("removed", removed, delete_after_upload=True, wait=True)
    assert (kept.exists(), removed.exists()) == (True, False)


def test_an_output_destination_that_is_a_folder(record: TaskRecord, tmp_path: Path) -> None:
    record.edit(output_dest=str(tmp_path / "out"))
    record.forget()
    uploads = ArtifactUploads(record)
    uploads.upload("d", {"a": 1}, wait=True)
    artifact = read(record, "d")
    assert Path(artifact.url).read_text() == '{\n    "a": 1\n}'
    assert artifact.get() == {"a": 1}


def test_a_failed_upload_is_no_artifact(
    uploads: ArtifactUploads, record: TaskRecord, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CLEARML_RAISE_ERRORS")
    monkeypatch.setattr("clearml_sdk.storage.http_files.UPLOAD_TRIES", 0)
    record.session.settings.files_server = "http://127.0.0.1:9"
    assert not uploads.upload("lost", {"a": 1}, wait=True)
    assert "'lost' was not stored" in capsys.readouterr().err
    assert not record.reload()["execution"]["artifacts"]


def test_only_the_newest_copies_are_kept(session: Session, tmp_path: Path) -> None:
    cache.set_limit(2, "test")
    folder = Path(cache.cache_folder()) / "test"
    folder.mkdir(parents=True)
    for number in range(5):
        (folder / f"{number}").write_text("x")
    now = time.time() + 3600
    assert len(cache.prune("test", now=now)) == 3
    assert len(list(folder.iterdir())) == 2
    assert cache.prune("test", now=now - 3600) == []
    (folder / "going").symlink_to(folder / "gone")  # as a file that another process prunes between a look and the next
    assert cache.prune("test", now=now - 3600) == []


def test_a_script_ends_when_its_artifacts_are_stored(workplace: Workplace, session: Session) -> None:
    ran = workplace.run(
        f"""
import os
from clearml import Task
task = Task.init("reporting/tests", "artifacts", reuse_last_task_id=False, {QUIET})
say(id=task.id)
for number in range(5):
    task.upload_artifact(f"a{{number}}", {{"n": number}})
task.upload_artifact("large", os.urandom(20_000_000).hex())
"""
    )
    assert ran.code == 0, ran.err
    task = TaskRecord(session, ran.said["id"])
    found = artifacts_of(session, task.document)
    assert set(found) == {"a0", "a1", "a2", "a3", "a4", "large"}
    assert found["a3"].get() == {"n": 3}
    assert found["large"].size == 40_000_000
    assert len(found["large"].preview) == 65536
    assert json.dumps(task.document["status"]) == '"completed"'
