"""Files, artifacts and models in object storage."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from clearml_sdk.backend_config.bucket_config import AzureContainerConfig, GSBucketConfig, S3BucketConfig
from clearml_sdk.storage import credentials, object_files, transfer
from clearml_sdk.storage.errors import StorageRefused, StoredFileMissing
from clearml_sdk.storage.helper import StorageHelper
from clearml_sdk.storage.manager import StorageManager
from clearml_sdk.storage.ranges import PART_BYTES, PartialFile
from clearml_sdk.storage.sources import MemorySource
from tests.conftest import RunningServer
from tests.integration.sdk.core.conftest import Workplace

KEYS = {"key": "key", "secret": "secret", "secure": False, "region": "us-east-1"}


@pytest.fixture(params=["s3", "gs"])
def base(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder of a bucket that this process may use."""
    if request.param == "s3":
        host = request.getfixturevalue("s3_host")
        credentials.use("s3", {"host": host, "bucket": "bucket", **KEYS})
        return f"s3://{host}/bucket/folder"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", request.getfixturevalue("gs_host"))
    return "gs://bucket/folder"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    for name, content in {"a.txt": b"a", "sub/b.bin": os.urandom(1000), "sub/with space ü+%.txt": b"c"}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def test_a_folder_goes_and_comes_back(base: str, files: Path, tmp_path: Path) -> None:
    assert StorageManager.upload_folder(str(files), base) == base
    names = ["a.txt", "sub/b.bin", "sub/with space ü+%.txt"]
    assert StorageManager.list(base) == names
    assert StorageManager.list(base, return_full_path=True) == [f"{base}/{name}" for name in names]
    found = StorageManager.list(base, with_metadata=True)
    assert found is not None and [(f["name"], f["size"]) for f in found] == list(zip(names, (1, 1000, 1), strict=True))
    assert StorageManager.download_folder(base, str(tmp_path / "down"), match_wildcard="sub/*")
    came = sorted(path for path in (tmp_path / "down").rglob("*") if path.is_file())
    assert [path.name for path in came] == ["b.bin", "with space ü+%.txt"]
    assert came[0].read_bytes() == (files / "sub" / "b.bin").read_bytes()
    url = f"{base}/sub/b.bin"
    copy = StorageManager.get_local_copy(url)
    assert copy is not None and Path(copy).read_bytes() == (files / "sub" / "b.bin").read_bytes()
    assert StorageManager.get_local_copy(url) == copy
    stream = StorageManager.get_stream(url, chunk_size=300)
    assert stream is not None and b"".join(stream) == Path(copy).read_bytes()
    metadata = StorageManager.get_metadata(url, read_hash=True)
    assert metadata == {"name": "b.bin", "size": 1000, "hash": transfer.sha256(copy)}
    helper = StorageManager.storage_helper.get(base)
    assert helper.exists_file(url) and helper.delete(url) and not helper.exists_file(url) and not helper.delete(url)
    assert not StorageManager.exists_file(url) and StorageManager.get_file_size_bytes(url, silence_errors=True) is None
    assert StorageManager.get_local_copy(url, force_download=True) is None
    assert StorageManager.list(f"{base}/nothing/here") == []
    with pytest.raises(StoredFileMissing):
        transfer.download(None, url, str(tmp_path / "gone"))
    assert not list(tmp_path.glob("gone*"))


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # of what a driver does with its client
def test_a_large_file_comes_in_parts_and_goes_on_after_a_death(base: str, tmp_path: Path) -> None:
    content = os.urandom(PART_BYTES + PART_BYTES // 2)
    source = MemorySource("large.bin", [content[: PART_BYTES // 3], memoryview(content)[PART_BYTES // 3 :]])
    url = f"{base}/large.bin"
    sent: list[int] = []
    transfer.upload_source(None, source, url, progress=sent.append)
    assert sum(sent) == len(content)
    target = tmp_path / "large.bin"
    moved: list[int] = []

    class Died(BaseException):
        pass

    def die(count: int) -> None:
        moved.append(count)
        raise Died

    with pytest.raises(Died):
        object_files.download(url, str(target), progress=die)
    left = sorted(path.name for path in tmp_path.glob("large.bin.*"))
    assert any(name.endswith(".part") for name in left) and not target.exists()
    again: list[int] = []
    digest = object_files.download(url, str(target), progress=again.append)
    assert target.read_bytes() == content and digest == transfer.sha256(str(target))
    assert sum(again) == len(content) and again[0] in (PART_BYTES, PART_BYTES // 2, len(content)), (
        "what was there is counted first, and not brought again"
    )
    assert sorted(path.name for path in tmp_path.glob("large.bin*")) == ["large.bin"]


def test_a_partial_file_of_another_version_is_begun_anew(tmp_path: Path) -> None:
    path = str(tmp_path / "x.part")
    first = PartialFile(path, 10, "one", part_bytes=4)
    assert first.open()
    first.put(0, [b"aa", b"aa"])
    assert first.bytes_there == 4
    first.close(remove=False)
    same = PartialFile(path, 10, "one", part_bytes=4)
    assert same.open() and same.bytes_there == 4
    with open(same.state_path, "ab") as state:
        state.write(b"1")  # a line that its writer did not finish
    same.close(remove=False)
    again = PartialFile(path, 10, "one", part_bytes=4)
    assert again.open() and again.bytes_there == 4
    again.close(remove=False)
    other = PartialFile(path, 10, "two", part_bytes=4)
    assert other.open() and other.bytes_there == 0
    content = b"0123456789"
    other.fill(lambda start, end: [content[start:end]])
    other.close(remove=True)
    assert Path(path).read_bytes() == content and [p.name for p in tmp_path.iterdir()] == ["x.part"]


def test_storage_that_refuses_says_so(s3_host: str, files: Path) -> None:
    with pytest.raises(StorageRefused, match="credentials"):
        transfer.upload(None, str(files / "a.txt"), f"s3://{s3_host}/bucket/a.txt")
    credentials.use("s3", {"host": s3_host, **KEYS})
    with pytest.raises(StoredFileMissing):
        transfer.upload(None, str(files / "a.txt"), f"s3://{s3_host}/nowhere/a.txt")
    with pytest.raises(StorageRefused, match="name a bucket"):
        transfer.upload(None, str(files / "a.txt"), "s3://")


@pytest.mark.rows("S2-135", "S1-025")
def test_a_task_stores_its_outputs_in_a_bucket(s3_host: str, server: RunningServer, tmp_path: Path) -> None:
    workplace = Workplace(tmp_path, server)
    configured = {"host": s3_host, "bucket": "bucket", **KEYS}
    ran = workplace.run(
        f"""
from clearml import Model, OutputModel, Task
task = Task.init("sdk/storage", "bucket", auto_resource_monitoring=False)
task.setup_aws_upload("bucket", "sub/dir", host={s3_host!r}, key="key", secret="secret", secure=False)
say(id=task.id, uri=task.storage_uri)
task.upload_artifact("a", {{"q": 1}}, wait_on_upload=True)
open("w.pt", "w").write("weights")
model = OutputModel(task, name="net")
url = model.update_weights("w.pt", async_enable=False)
say(artifact=task.artifacts["a"].url, value=task.artifacts["a"].get(), model=url,
    copy=open(Model(model.id).get_local_copy()).read())
"""
    )
    assert ran.code == 0, ran.err
    base = f"s3://{s3_host}/bucket/sub/dir"
    assert ran.said["uri"] == base
    assert server.call("tasks.get_by_id", {"task": ran.said["id"]})["task"]["output"]["destination"] == base
    assert ran.said["artifact"].startswith(f"{base}/sdk/storage/bucket.{ran.said['id']}/artifacts/a/")
    assert ran.said["value"] == {"q": 1} and ran.said["copy"] == "weights" and ran.said["model"].startswith(base)
    read = workplace.run(
        f"from clearml import Task\nsay(value=Task.get_task(task_id={ran.said['id']!r}).artifacts['a'].get())",
        CLEARML__SDK__AWS__S3__CREDENTIALS=json.dumps([configured]),
        CLEARML__SDK__STORAGE__CACHE__DEFAULT_BASE_DIR=str(tmp_path / "another"),
    )
    assert read.code == 0 and read.said["value"] == {"q": 1}, read.err


@pytest.mark.rows("S2-137")
def test_a_task_stores_its_outputs_in_a_bucket_of_google(gs_host: str, server: RunningServer, tmp_path: Path) -> None:
    ran = Workplace(tmp_path, server).run(
        """
from clearml import Task
task = Task.init("sdk/storage", "google", auto_resource_monitoring=False)
task.setup_gcp_upload("bucket", "sub", project="p")
task.upload_artifact("a", {"q": 1}, wait_on_upload=True)
say(id=task.id, uri=task.storage_uri, artifact=task.artifacts["a"].url, value=task.artifacts["a"].get())
""",
        STORAGE_EMULATOR_HOST=gs_host,
        GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT="false",
    )
    assert ran.code == 0, ran.err
    assert ran.said["uri"] == "gs://bucket/sub" and ran.said["value"] == {"q": 1}
    assert ran.said["artifact"].startswith(f"gs://bucket/sub/sdk/storage/google.{ran.said['id']}/artifacts/a/")


@pytest.mark.full
@pytest.mark.timeout(400)
@pytest.mark.rows("S2-136")
def test_a_task_stores_its_outputs_in_a_container_of_azure(
    azure_connection: str, server: RunningServer, tmp_path: Path
) -> None:
    ran = Workplace(tmp_path, server).run(
        """
from clearml import Task
task = Task.init("sdk/storage", "azure", auto_resource_monitoring=False)
task.setup_azure_upload("devstoreaccount1", account_key="a2V5", container_name="container")
task.upload_artifact("a", {"q": 1}, wait_on_upload=True)
say(id=task.id, uri=task.storage_uri, artifact=task.artifacts["a"].url, value=task.artifacts["a"].get())
""",
        AZURE_STORAGE_CONNECTION_STRING=azure_connection,
    )
    assert ran.code == 0, ran.err
    base = "azure://devstoreaccount1.blob.core.windows.net/container"
    assert ran.said["uri"] == base and ran.said["value"] == {"q": 1}
    assert ran.said["artifact"].startswith(f"{base}/sdk/storage/azure.{ran.said['id']}/artifacts/a/")
    assert server.call("tasks.get_by_id", {"task": ran.said["id"]})["task"]["output"]["destination"] == base


@pytest.mark.rows("S2-136")
def test_credentials_for_azure_are_those_of_the_container(server: RunningServer, tmp_path: Path) -> None:
    ran = Workplace(tmp_path, server).run(
        """
from clearml import Task
from clearml_sdk.storage.credentials import place_of
task = Task.init("sdk/storage", "azure keys", auto_resource_monitoring=False)
task.setup_azure_upload("first", account_key="one")
task.setup_azure_upload("first", account_key="two", container_name="own")
base = "azure://first.blob.core.windows.net"
places = {name: place_of(f"{base}/{name}/file", {}) for name in ("own", "other")}
say(uri=task.storage_uri, **{name: [place.protocol, place.options, place.path] for name, place in places.items()})
"""
    )
    assert ran.code == 0, ran.err
    assert ran.said == {
        "uri": "azure://first.blob.core.windows.net/own",
        "own": ["abfs", {"account_name": "first", "account_key": "two"}, "own/file"],
        "other": ["abfs", {"account_name": "first", "account_key": "one"}, "other/file"],
    }


def test_a_script_gives_credentials_as_objects(s3_host: str, files: Path) -> None:
    mine = S3BucketConfig("bucket", "objects", s3_host, "key", "secret", secure=False, region="us-east-1")
    assert mine.is_valid() and StorageHelper.get_configuration(mine) is None
    StorageHelper.add_configuration(mine)
    assert StorageHelper.get_aws_configuration(S3BucketConfig(bucket="bucket", host=s3_host)) is mine
    url = StorageHelper.get_aws_storage_uri_from_config(mine)
    helper = StorageHelper.get(url)
    assert helper.upload(str(files / "a.txt"), f"{url}/a.txt") == f"s3://{s3_host}/bucket/objects/a.txt"
    assert helper.list() == ["a.txt"] and b"".join(helper.download_as_stream(f"{url}/a.txt") or ()) == b"a"
    assert helper.delete(f"{url}/a.txt") and helper.download_to_file(f"{url}/a.txt", silence_errors=True) is None
    azure = AzureContainerConfig(account_name="account", account_key="key", container_name="box")
    StorageHelper.add_azure_configuration(azure)
    assert StorageHelper.get_azure_configuration(AzureContainerConfig("account", container_name="box")) is azure
    assert StorageHelper.get_azure_storage_uri_from_config(azure) == "azure://account.blob.core.windows.net/box"
    google = GSBucketConfig(bucket="bucket", subdir="x", project="p")
    StorageHelper.add_gcp_configuration(google)
    assert StorageHelper.get_gcp_configuration(google) is google
    assert StorageHelper.get_gcp_storage_uri_from_config(google) == "gs://bucket/x"
