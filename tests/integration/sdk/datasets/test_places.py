"""Datasets in object storage, and datasets that are made without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearml_sdk import Dataset, reporters
from clearml_sdk import session as sessions
from clearml_sdk.errors import UsageError
from clearml_sdk.offline import mode
from clearml_sdk.session import Session
from clearml_sdk.storage import credentials
from clearml_sdk.storage.manager import StorageManager
from tests.integration.sdk.storage.conftest import s3_host

from .conftest import Make, content, write

__all__ = ["s3_host"]

KEYS = {"key": "key", "secret": "secret", "secure": False, "region": "us-east-1"}
FILES = {"one.txt": "one", "two.txt": "two", "inner/three.txt": "three"}


@pytest.fixture
def bucket(s3_host: str) -> str:
    credentials.use("s3", {"host": s3_host, "bucket": "bucket", **KEYS})
    return f"s3://{s3_host}/bucket"


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # of what a driver does with its client
def test_a_dataset_in_a_bucket_and_links_into_it(make: Make, bucket: str, folder: Path, project: str) -> None:
    made = make(folder, output_uri=f"{bucket}/sets")
    stored = StorageManager.list(f"{bucket}/sets")
    assert stored is not None and any(name.endswith(".zip") and project in name for name in stored)
    assert content(made.get_local_copy()) == FILES and made.verify_dataset_hash() == []
    assert StorageManager.upload_folder(str(folder), f"{bucket}/raw")
    linked = make(None, finish=False, name="linked")
    assert linked.add_external_files(f"{bucket}/raw", wildcard="*e.txt", read_hash=True) == 2
    assert linked.list_files() == ["inner/three.txt", "one.txt"]
    linked.finalize()
    assert content(linked.get_local_copy()) == {"one.txt": "one", "inner/three.txt": "three"}
    Dataset.delete(dataset_id=linked.id, delete_external_files=True)
    assert StorageManager.list(f"{bucket}/raw") == ["two.txt"]
    Dataset.delete(dataset_id=made.id)
    assert not [name for name in StorageManager.list(f"{bucket}/sets") or [] if name.endswith(".zip")]


def test_a_dataset_made_offline_is_brought_to_the_server(session: Session, project: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "data", FILES)
    Dataset.set_offline(True)
    try:
        made = Dataset.create(
            "carried", project, dataset_tags=["far"], dataset_version="4.0.0", description="from afar"
        )
        made.add_files(folder)
        made.upload(show_progress=False)
        write(folder, {"late.txt": "late"})
        made.add_files(folder)
        place = made.get_offline_mode_folder()
        assert Dataset.is_offline() and place is not None and made.id.startswith("offline-")
        with pytest.raises(UsageError, match="set_offline"):
            Dataset.import_offline_session(str(place))
        reporters.close_all()
    finally:
        Dataset.set_offline(False)
        sessions.set_default(session)
    assert not mode.is_on()
    found = Dataset.get(dataset_id=Dataset.import_offline_session(str(place), finalize=True))
    assert (found.name, found.project, found.version, found.tags) == ("carried", project, "4.0.0", ["far"])
    assert found.is_final() and found.get_num_chunks() == 2 and found.verify_dataset_hash(str(folder)) == []
    assert content(found.get_local_copy()) == {**FILES, "late.txt": "late"}
    with pytest.raises(UsageError, match="offline session"):
        Dataset.import_offline_session(str(tmp_path / "data"))
