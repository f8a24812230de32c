"""`StorageHelper` on the files server and on a folder, and places that stand for others."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk import StorageManager
from clearml_sdk.session import Session
from clearml_sdk.storage import cache, substitution
from clearml_sdk.storage.errors import StorageError
from clearml_sdk.storage.helper import StorageHelper

from .conftest import Workplace


@pytest.fixture(params=["files server", "folder"])
def base(request: pytest.FixtureRequest, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(cache, "cache_folder", lambda: str(tmp_path / "cache"))
    if request.param == "folder":
        return f"file://{tmp_path}/store"
    return f"{session.settings.files_server}/helper/{tmp_path.name}"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("hello world")
    return path


def test_a_file_there_and_back(base: str, source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    helper = StorageHelper.get(base)
    assert StorageHelper.get(base) is helper and helper.base_url == base and helper.scheme == base.partition(":")[0]
    url = f"{base}/x/y z/a.txt"
    stored = helper.upload(str(source), url)
    assert stored == (url.replace(" ", "%20") if base.startswith("http") else url)
    assert helper.upload(str(source)) == f"{base}/a.txt" and helper.exists_file(f"{base}/a.txt")
    assert helper.get_object_size_bytes(stored) == 11 and helper.exists_file(stored)
    target = tmp_path / "got" / "b.txt"
    assert helper.download_to_file(stored, str(target)) == str(target) and target.read_text() == "hello world"
    target.write_text("mine")
    helper.download_to_file(stored, str(target))
    assert target.read_text() == "mine", "a file that is there is left alone"
    assert StorageHelper.download_from_url(stored, str(target), overwrite_existing=True) == str(target)
    assert target.read_text() == "hello world"
    copy = StorageHelper.get_local_copy(stored)
    assert copy is not None and Path(copy).read_text() == "hello world"
    assert b"".join(helper.download_as_stream(stored, chunk_size=4) or ()) == b"hello world"
    assert bytes(helper.download_as_nparray(stored)) == b"hello world"
    found = helper.get_object(stored)
    assert found is not None and helper.get_object_metadata(found)["size"] == 11
    assert len(helper.get_object_metadata(found, read_hash=True)["hash"]) == 64
    assert helper.delete(stored) and not helper.exists_file(stored)
    caplog.clear()
    assert not helper.delete(stored) and "was not deleted" in caplog.text


def test_what_is_not_there_is_none_and_logged(base: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    helper, nowhere = StorageHelper.get(base), f"{base}/nowhere.bin"
    assert helper.download_to_file(nowhere, str(tmp_path / "none")) is None and not (tmp_path / "none").exists()
    assert "Could not download" in caplog.text
    caplog.clear()
    assert helper.download_to_file(nowhere, str(tmp_path / "none"), silence_errors=True) is None and not caplog.text
    assert helper.download_as_stream(nowhere) is None and helper.download_as_nparray(nowhere) is None
    assert helper.get_object(nowhere) is None and helper.get_object_size_bytes(nowhere) is None
    assert StorageHelper.get_local_copy(nowhere) is None
    with pytest.raises(FileNotFoundError):
        helper.upload(str(tmp_path / "missing"), f"{base}/x")


def test_uploads_in_the_background_and_from_streams(base: str, source: Path) -> None:
    helper, called = StorageHelper.get(base), []
    job = helper.upload(str(source), f"{base}/later.txt", async_enable=True, cb=called.append)
    assert job.get(timeout=30) == f"{base}/later.txt" and job.ready() and job.successful()
    assert called == [f"{base}/later.txt"]
    StorageHelper.terminate_uploads()
    StorageHelper.close_async_threads()
    for stream in (io.BytesIO(b"abc"), io.StringIO("abc"), iter([b"a", b"bc"])):
        assert helper.upload_from_stream(stream, f"{base}/stream.bin") == f"{base}/stream.bin"
        assert b"".join(helper.download_as_stream(f"{base}/stream.bin") or ()) == b"abc"
    assert helper.check_write_permissions() and helper.verify_upload(f"{base}/below") == f"{base}/below"
    assert helper.get_free_bytes() > 0


def test_a_folder_is_listed_and_a_server_is_not(session: Session, source: Path, tmp_path: Path) -> None:
    base = f"file://{tmp_path}/store"
    helper = StorageHelper.get(base)
    helper.upload(str(source), f"{base}/x/a.txt")
    assert helper.list() == ["x/a.txt"] and helper.list("x") == ["a.txt"] == helper.list(f"{base}/x")
    listed: list[dict[str, Any]] = helper.list(with_metadata=True, read_hash=True)
    assert [(one["name"], one["size"], len(one["hash"])) for one in listed] == [("x/a.txt", 11, 64)]
    direct = helper.download_to_file(f"{base}/x/a.txt", direct_access=True)
    assert direct == f"{tmp_path}/store/x/a.txt" == helper.get_direct_access(f"{base}/x/a.txt")
    with pytest.raises(NotImplementedError):
        StorageHelper.get(session.settings.files_server).list()
    readonly = tmp_path / "file"
    readonly.write_text("not a folder")
    with pytest.raises((StorageError, OSError)):
        helper.verify_upload(f"file://{readonly}/below")


def test_urls_are_recorded_in_one_form(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert StorageHelper.conform_url("/tmp/a b") == "file:///tmp/a b" == StorageHelper.sanitize_url("/tmp/a b")
    assert StorageHelper.conform_url("below/x") == f"file://{tmp_path}/below/x"
    assert StorageHelper.conform_url("/tmp/x/y", "/tmp/x") == "/tmp/x/y"
    for url in ("s3://b/k", "http://h/a b", "file:///tmp/x", ""):
        assert StorageHelper.conform_url(url) == url


@pytest.fixture
def no_substitutions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(substitution, "_is_configured", True)
    yield
    substitution._added.clear()


@pytest.mark.usefixtures("no_substitutions")
def test_registered_urls_are_read_where_they_are_mounted(tmp_path: Path) -> None:
    (tmp_path / "mounted" / "run").mkdir(parents=True)
    (tmp_path / "mounted" / "run" / "a.txt").write_text("here")
    StorageHelper.add_path_substitution("s3://bucket/data", f"file://{tmp_path}/mounted")
    for url in ("s3://bucket/data/run/a.txt", "s3://bucket/datax/run/a.txt"):
        assert (substitution.substituted(url) != url) == ("datax" not in url)
    assert StorageManager.get_local_copy("s3://bucket/data/run/a.txt") == f"{tmp_path}/mounted/run/a.txt"
    assert StorageManager.get_file_size_bytes("s3://bucket/data/run/a.txt") == 4
    assert StorageHelper.get("s3://bucket/data").exists_file("s3://bucket/data/run/a.txt")
    StorageHelper.clear_path_substitutions()
    assert substitution.substituted("s3://bucket/data/run/a.txt") == "s3://bucket/data/run/a.txt"
    entry = {"registered_prefix": "x:\\data", "local_prefix": "/mnt/data", "replace_windows_sep": True}
    assert substitution.apply("x:\\data\\run\\a.txt", [entry]) == "/mnt/data/run/a.txt"
    with pytest.raises(ValueError, match="not both"):
        StorageHelper.add_path_substitution("a", "b", True, True)


def test_the_configuration_says_where_storage_is_mounted(workplace: Workplace) -> None:
    mounted = workplace.folder / "mounted"
    mounted.mkdir()
    (mounted / "a.txt").write_text("mounted")
    entry = {"registered_prefix": "gs://bucket/data", "local_prefix": f"file://{mounted}"}
    conf = workplace.folder / "mine.conf"
    conf.write_text("sdk { storage { path_substitution: " + json.dumps([entry]) + " } }")
    ran = workplace.run(
        """
from clearml import StorageManager
say(text=open(StorageManager.get_local_copy("gs://bucket/data/a.txt")).read())
""",
        CLEARML_CONFIG_FILE=str(conf),
    )
    assert ran.said == {"text": "mounted"}, ran.err
