"""Files by URL, on the real files server and in folders."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.session import Session
from clearml_sdk.storage import cache, transfer, urls
from clearml_sdk.storage.errors import StorageRefused, StorageUnreachable, StoredFileMissing
from clearml_sdk.storage.http_files import takes_credentials
from clearml_sdk.storage.manager import StorageManager
from clearml_sdk.storage.ranges import PART_BYTES
from clearml_sdk.storage.sources import MemorySource
from tests.conftest import RunningServer


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "up.bin"
    path.write_bytes(os.urandom(3_000_000))
    return path


@pytest.mark.parametrize("name", ["plain.bin", "with space.bin", "ünï+cödé%20.bin", "a&b=c?d#e.bin", "q\"uo'te.bin"])
def test_a_file_comes_back_as_it_went(
    session: Session, server: RunningServer, file: Path, tmp_path: Path, name: str
) -> None:
    url = urls.join(server.files, "storage tests", name)
    transfer.upload(session, str(file), url)
    assert transfer.size(session, url) == 3_000_000
    digest = transfer.download(session, url, str(tmp_path / "down" / "copy"))
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (tmp_path / "down" / "copy").read_bytes() == file.read_bytes()
    assert [path.name for path in (tmp_path / "down").iterdir()] == ["copy"]
    assert transfer.delete(session, url)
    assert not transfer.exists(session, url)
    assert not transfer.delete(session, url)


@pytest.mark.parametrize("name", ["plain.bin", "ünï+cödé%20.bin"])
def test_a_files_server_below_a_path_takes_and_gives_files(
    session: Session, server: RunningServer, file: Path, tmp_path: Path, name: str
) -> None:
    """As behind a proxy: the web port serves the files below `/files`."""
    below = f"{server.web}/files"
    keys = {"access_key": server.access_key, "secret_key": server.secret_key}
    by_web = Session(ApiSettings(f"{server.web}/api", files_server=below, **keys))
    transfer.upload(by_web, str(file), urls.join(below, "below a path", name))
    assert transfer.size(by_web, urls.join(below, "below a path", name)) == 3_000_000
    digest = transfer.download(by_web, urls.join(below, "below a path", name), str(tmp_path / "copy"))
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert transfer.delete(session, urls.join(server.files, "below a path", name)), "the same file by its own port"


def test_a_large_file_goes_on_where_its_download_broke_off(
    session: Session, server: RunningServer, tmp_path: Path
) -> None:
    content = os.urandom(2 * PART_BYTES + 1_000_000)
    source = tmp_path / "large.bin"
    source.write_bytes(content)
    url, target = f"{server.files}/storage/large.bin", str(tmp_path / "copy")
    transfer.upload(session, str(source), url)
    brought: list[int] = []

    class Died(BaseException):
        pass

    def die(count: int) -> None:
        brought.append(count)
        raise Died

    with pytest.raises(Died):
        transfer.download(session, url, target, progress=die)
    assert not os.path.exists(target)
    again: list[int] = []
    assert transfer.download(session, url, target, progress=again.append) == hashlib.sha256(content).hexdigest()
    assert again[0] >= brought[0] and sum(again) == len(content), "what was there is counted first, not brought again"
    with pytest.raises(Died):
        transfer.download(session, url, target + "2", progress=die)
    source.write_bytes(content[::-1])
    transfer.upload(session, str(source), url)
    transfer.download(session, url, target + "2")
    assert Path(target + "2").read_bytes() == content[::-1], "nothing of the former file is in it"
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy", "copy2"]


def test_an_empty_file_is_a_file(session: Session, server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    url = f"{server.files}/storage/empty"
    transfer.upload(session, str(tmp_path / "empty"), url)
    assert transfer.size(session, url) == 0
    transfer.download(session, url, str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == b""


def test_compressed_files_are_not_unpacked_on_the_way(session: Session, server: RunningServer, tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" * 1000))
    url = f"{server.files}/storage/t.csv.gz"
    transfer.upload(session, str(path), url)
    assert transfer.download(session, url, str(tmp_path / "copy")) == transfer.sha256(str(path))


def test_memory_is_uploaded_in_pieces(session: Session, server: RunningServer, tmp_path: Path) -> None:
    source = MemorySource("m.bin", [b"one", memoryview(bytearray(20_000_000)), b"", b"two"])
    url = f"{server.files}/storage/m.bin"
    transfer.upload_source(session, source, url)
    assert transfer.download(session, url, str(tmp_path / "copy")) == source.sha256()
    assert source.length == 20_000_006


def test_what_is_not_there_says_so(session: Session, server: RunningServer, tmp_path: Path) -> None:
    url = f"{server.files}/storage/not there"
    with pytest.raises(StoredFileMissing):
        transfer.download(session, url, str(tmp_path / "copy"))
    assert list(tmp_path.glob("copy*")) == []
    assert transfer.size(session, url) is None


def test_a_server_that_is_away_is_an_error_that_may_pass(
    session: Session, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearml_sdk.storage.http_files.UPLOAD_TRIES", 1)
    with pytest.raises(StorageUnreachable, match="2 tries") as caught:
        transfer.upload(session, str(file), "http://127.0.0.1:9/x/up.bin")
    assert caught.value.is_transient


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs"), ("azure", "adlfs")])
def test_object_storage_without_its_driver_says_what_to_install(
    session: Session, file: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    place = "account.blob.core.windows.net/container" if scheme == "azure" else "bucket"
    with pytest.raises(StorageRefused, match=f"pip install {package}"):
        transfer.upload(session, str(file), f"{scheme}://{place}/up.bin")
    with pytest.raises(StorageRefused, match="not supported"):
        transfer.upload(session, str(file), "ftp://host/up.bin")


def test_an_expired_token_is_renewed_on_the_way(session: Session, server: RunningServer, file: Path) -> None:
    session.log_in()
    session.core.token = "a.b.c"  # what the server does not accept
    url = f"{server.files}/storage/renewed"
    transfer.upload(session, str(file), url)
    assert transfer.exists(session, url)


def test_credentials_go_to_the_files_server_only(session: Session, server: RunningServer) -> None:
    assert takes_credentials(session, f"{server.files}/a/b")
    for url in (
        f"{server.files}.evil.test/a",
        f"{server.files}9/a",
        "http://evil.test/a",
        f"{server.files}@evil.test/",
    ):
        assert not takes_credentials(session, url), url


def test_the_cache_downloads_once(session: Session, server: RunningServer, file: Path) -> None:
    url = f"{server.files}/storage/cached.bin"
    transfer.upload(session, str(file), url)
    first = cache.local_copy(session, url)
    transfer.delete(session, url)
    assert cache.local_copy(session, url) == first
    with pytest.raises(StoredFileMissing):
        cache.local_copy(session, url, force=True)


def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../escaped.txt", "x")
        archive.writestr("/absolute.txt", "x")
        archive.writestr("fine.txt", "x")
    folder = Path(cache.extracted(str(path)))
    assert not (tmp_path / "escaped.txt").exists()
    assert not (tmp_path.parent / "escaped.txt").exists()
    assert not Path("/absolute.txt").exists()
    assert (folder / "fine.txt").read_text() == "x"


def _extract_and_read(path: str, rounds: int, ready: Any) -> None:
    for number in range(rounds):
        ready.wait(60)
        folder = cache.extracted(path.format(number))
        for name in range(20):
            assert Path(folder, f"{name}.txt").read_text() == str(name)


def test_processes_that_extract_an_archive_at_once_leave_each_other_the_files(tmp_path: Path) -> None:
    """As the ranks of a training do: who is later must not take away what another one reads."""
    rounds, processes = 30, 4
    for number in range(rounds):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as archive:
            for name in range(20):
                archive.writestr(f"{name}.txt", str(name))
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(processes)
    ranks = [
        context.Process(target=_extract_and_read, args=(str(tmp_path / "{}.zip"), rounds, ready))
        for _ in range(processes)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(100)
    assert [rank.exitcode for rank in ranks] == [0] * processes
    assert not list(tmp_path.glob("*.part"))


def test_the_manager_moves_files_and_folders(
    session: Session, server: RunningServer, file: Path, tmp_path: Path
) -> None:
    url = f"{server.files}/storage/manager/up.bin"
    assert StorageManager.upload_file(str(file), url) == url
    assert StorageManager.exists_file(url)
    assert StorageManager.get_file_size_bytes(url) == 3_000_000
    downloaded = StorageManager.download_file(url, str(tmp_path / "down"))
    assert downloaded == str(tmp_path / "down" / "storage" / "manager" / "up.bin")
    assert b"".join(StorageManager.get_stream(url, 1000) or ()) == file.read_bytes()
    assert StorageManager.get_metadata(url, read_hash=True) == {
        "name": "up.bin",
        "size": 3_000_000,
        "hash": transfer.sha256(str(file)),
    }
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.txt").write_text("a")
    (folder / "b.log").write_text("b")
    StorageManager.upload_folder(str(folder), f"{server.files}/storage/folder", match_wildcard="*.txt")
    assert StorageManager.exists_file(f"{server.files}/storage/folder/sub/a.txt")
    assert not StorageManager.exists_file(f"{server.files}/storage/folder/b.log")
    assert StorageManager.list(str(folder)) == ["b.log", "sub/a.txt"]
    StorageManager.download_folder(str(folder), str(tmp_path / "copied"))
    assert (tmp_path / "copied" / "sub" / "a.txt").read_text() == "a"
    assert StorageManager.get_local_copy(f"{server.files}/storage/none") is None
    with pytest.raises(FileNotFoundError):
        StorageManager.upload_file(str(tmp_path / "none"), url)
