"""Adding, copying and verifying files; what is broken or hostile is refused."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk import Dataset
from clearml_sdk.config import load_settings
from clearml_sdk.datasets import chunks, copies
from clearml_sdk.errors import UsageError
from clearml_sdk.session import Session
from clearml_sdk.storage import transfer
from clearml_sdk.storage.sources import MemorySource
from tests.conftest import RunningServer

from .conftest import Make, content, write


def test_what_is_added_is_chosen_by_wildcards_and_placed(make: Make, folder: Path) -> None:
    made = make(None, finish=False)
    write(folder, {"inner/data.bin": "b", "inner/deep/four.txt": "four"})
    assert made.add_files(folder, wildcard="*.bin") == 1 and made.list_files() == ["inner/data.bin"]
    assert made.add_files(folder / "inner" / "deep", local_base_folder=str(folder)) == 1
    assert made.add_files(folder, wildcard=["o*", "t*"], recursive=False, dataset_path="flat/x") == 2
    assert made.add_files(str(folder / "one.txt"), dataset_path="flat") == 1
    assert made.list_files() == [
        "flat/one.txt",
        "flat/x/one.txt",
        "flat/x/two.txt",
        "inner/data.bin",
        "inner/deep/four.txt",
    ]
    assert made.list_files("flat/*", recursive=False) == ["flat/one.txt"]
    assert made.list_files("*.txt") == ["flat/one.txt", "flat/x/one.txt", "flat/x/two.txt", "inner/deep/four.txt"]
    assert made.remove_files("flat/*.txt", recursive=False) == 1 and made.remove_files("inner") == 2
    assert made.remove_files() == 2 and made.list_files() == []
    for wrong in ({"dataset_path": "../out"}, {"local_base_folder": "/usr"}):
        with pytest.raises(UsageError):
            made.add_files(folder, **wrong)  # type: ignore[arg-type]  # one of the two each
    with pytest.raises(ValueError, match="there is no file or folder"):
        made.add_files(folder / "nothing")


def test_links_to_files_count_as_the_files(make: Make, folder: Path) -> None:
    (folder / "alias.txt").symlink_to("one.txt")
    (folder / "broken.txt").symlink_to("nothing")
    (folder / "loop").symlink_to(folder)
    for name, seconds in (("one.txt", 0), ("two.txt", 1 << 34)):  # what archives have no words for
        os.utime(folder / name, (seconds, seconds))
    made = make(folder)
    assert made.list_files() == ["alias.txt", "inner/three.txt", "one.txt", "two.txt"]
    copied = Path(made.get_local_copy())
    assert not (copied / "alias.txt").is_symlink() and (copied / "alias.txt").read_text() == "one"


def test_sync_brings_a_folder_of_the_dataset_in_step(make: Make, folder: Path) -> None:
    made = make(None, finish=False)
    assert made.sync_folder(folder) == (0, 3, 0) and made.sync_folder(folder) == (0, 0, 0)
    write(folder, {"one.txt": "eins", "four.txt": "four"})
    (folder / "two.txt").unlink()
    assert made.sync_folder(folder) == (1, 1, 1)
    assert made.sync_folder(folder / "inner", dataset_path="inner") == (0, 0, 0)
    (folder / "inner" / "three.txt").rename(folder / "inner" / "3.txt")
    assert made.sync_folder(folder / "inner", dataset_path="inner") == (1, 1, 0)
    assert made.list_files() == ["four.txt", "inner/3.txt", "one.txt"]
    assert made.add_external_files([str(folder / "one.txt")], dataset_path="elsewhere") == 1
    assert made.sync_folder(folder) == (1, 0, 0), "the folder does not hold the link"
    assert made.list_files() == ["four.txt", "inner/3.txt", "one.txt"]
    assert made.link_entries == []


def test_a_file_that_changed_after_it_was_added_is_not_stored(make: Make, folder: Path) -> None:
    made = make(folder, finish=False)
    (folder / "one.txt").write_text("ONE")
    with pytest.raises(UsageError, match="has changed since it was added"):
        made.upload()
    assert made.is_dirty() and made.add_files(folder) == 3
    made.finalize(auto_upload=True)
    assert content(made.get_local_copy())["one.txt"] == "ONE"


def test_files_are_stored_in_chunks_and_copied_in_parts(make: Make, tmp_path: Path) -> None:
    big = write(tmp_path / "big", {})
    big.mkdir()
    for number in range(5):
        (big / f"{number}.bin").write_bytes(os.urandom(700_000))
    made = make(big, finish=False)
    made.upload(chunk_size=1, compression="ZIP_STORED", show_progress=False)
    made.finalize()
    assert made.get_num_chunks() == 5
    parts = [set(os.listdir(made.get_local_copy(part=part, num_parts=2))) for part in range(2)]
    assert parts == [{"0.bin", "1.bin", "2.bin"}, {"3.bin", "4.bin"}]
    assert [os.listdir(made.get_local_copy(part=part)) for part in range(5)] == [[f"{n}.bin"] for n in range(5)]
    assert os.listdir(made.get_local_copy(files=["3.*"])) == ["3.bin"]
    assert len(os.listdir(made.get_local_copy())) == 5
    with pytest.raises(UsageError, match="parts count from 0"):
        made.get_local_copy(part=2, num_parts=2)


def test_versions_share_the_files_of_their_copies(make: Make, folder: Path) -> None:
    first = make(folder)
    child = make(None, first)
    one, other = Path(first.get_local_copy()), Path(child.get_local_copy())
    assert one != other and (one / "one.txt").samefile(other / "one.txt")
    assert child.get_local_copy() == str(other)
    soft = Path(child.get_local_copy(use_soft_links=True))
    assert (soft / "one.txt").is_symlink() and (soft / "one.txt").read_text() == "one"


def test_a_copy_that_somebody_wrote_to_is_made_again(make: Make, folder: Path) -> None:
    made = make(folder)
    copied = Path(made.get_local_copy())
    (copied / "two.txt").unlink()
    assert content(made.get_local_copy())["two.txt"] == "two"
    (copied / "one.txt").write_text("longer than before")
    with pytest.raises(chunks.ArchiveError, match="ask for the copy again"):
        made.get_local_copy()
    assert content(made.get_local_copy())["one.txt"] == "one"


def test_a_mutable_copy_belongs_to_its_owner(make: Make, folder: Path, tmp_path: Path) -> None:
    made = make(folder)
    target = tmp_path / "mine"
    assert made.get_mutable_local_copy(target) == str(target)
    (target / "one.txt").write_text("changed")
    assert content(made.get_local_copy())["one.txt"] == "one"
    with pytest.raises(UsageError, match="is not empty"):
        made.get_mutable_local_copy(target)
    assert made.get_mutable_local_copy(target, raise_on_error=False) is None
    (target / "extra.txt").write_text("goes")
    made.get_mutable_local_copy(target, overwrite=True)
    assert content(target) == {"one.txt": "one", "two.txt": "two", "inner/three.txt": "three"}


def test_verify_reads_every_file(make: Make, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make(folder)
    assert made.verify_dataset_hash() == [] and made.verify_dataset_hash(str(folder)) == []
    facts = os.stat(folder / "one.txt")
    (folder / "one.txt").write_text("ONE")
    os.utime(folder / "one.txt", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    (folder / "two.txt").write_text("longer")
    (folder / "inner" / "three.txt").unlink()
    found = made.verify_dataset_hash(str(folder), verbose=True)
    assert found == ["inner/three.txt", "one.txt", "two.txt"]
    assert "hash mismatch one.txt" in capsys.readouterr().out
    assert made.verify_dataset_hash(str(folder), skip_hash=True) == ["inner/three.txt", "two.txt"]


def test_linked_files_stay_where_they_are(server: RunningServer, make: Make, folder: Path, session: Session) -> None:
    web = f"{server.files}/linked files/a b.txt"
    transfer.upload_source(session, MemorySource("a b.txt", [b"by http"]), web.replace(" ", "%20"))
    made = make(None, finish=False)
    assert made.add_external_files(f"file://{folder}", wildcard="*.txt", dataset_path="links") == 3
    assert made.add_external_files(web.replace(" ", "%20"), read_hash=True) == 1
    assert made.add_external_files([str(folder / "one.txt"), str(folder / "two.txt")], dataset_path=["p1", "p2"]) == 2
    assert made.add_external_files(str(folder / "one.txt"), dataset_path="p1") == 0
    assert made.list_files() == [
        "a b.txt", "links/inner/three.txt", "links/one.txt", "links/two.txt", "p1/one.txt", "p2/two.txt",
    ]  # fmt: skip
    assert made.remove_files(f"file://{folder}/two.txt") == 2 and "external files" in made.tags
    assert not made.is_dirty() and made.finalize()
    assert content(made.get_local_copy()) == {
        "a b.txt": "by http", "links/inner/three.txt": "three", "links/one.txt": "one", "p1/one.txt": "one",
    }  # fmt: skip
    assert made.link_entries_dict["a b.txt"].hash and made.link_entries_dict["p1/one.txt"].size == 3
    transfer.upload_source(session, MemorySource("a b.txt", [b"changed"]), web.replace(" ", "%20"))
    with pytest.raises(ValueError, match="has changed"):
        made.get_local_copy(files=["a b.txt"])


def test_files_may_be_stored_each_by_itself(server: RunningServer, make: Make, folder: Path) -> None:
    made = make(folder, finish=False)
    made.upload(upload_as_external_links=True, show_progress=False)
    made.finalize()
    assert made.file_entries == [] and len(made.link_entries) == 3
    assert all(link.link.startswith(server.files) for link in made.link_entries)
    assert content(made.get_local_copy()) == {"one.txt": "one", "two.txt": "two", "inner/three.txt": "three"}


def test_samples_of_the_files_are_shown(server: RunningServer, make: Make, tmp_path: Path) -> None:
    files = write(tmp_path / "seen", {"table.csv": "a,b\n1,2\n3,4\n", "page.html": "<p>hello</p>", "other.bin": "x"})
    made = make(files)
    plots = server.call("events.get_task_plots", {"task": made.id})["plots"]
    assert ("Tables", "table.csv") in {(plot["metric"], plot["variant"]) for plot in plots}
    assert made.get_logger().flush(wait=True)
    samples = server.call("events.debug_images", {"metrics": [{"task": made.id}], "iters": 1})["metrics"]
    assert "page.html" in str(samples)


@pytest.mark.parametrize("name", ["../outside.txt", "/tmp/absolute.txt", "inner/../../outside.txt"])
def test_an_archive_that_leads_out_is_refused(make: Make, folder: Path, tmp_path: Path, name: str) -> None:
    """By what the archive holds, and by what the state says."""
    made = make(folder)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("one.txt", "one")
        archive.writestr(name, "out")
    hostile = tmp_path / "hostile.zip"
    hostile.write_bytes(packed.getvalue())
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(chunks.ArchiveError, match="would lead out"):
        chunks.extract(str(hostile), str(target))
    assert list(target.iterdir()) == []
    entry = made._stored.state.files.pop("one.txt")
    entry.relative_path = name
    made._stored.state.put(entry)
    with pytest.raises(UsageError, match="would lead out"):
        copies.local_copy(made._stored, copies.CopyWish())
    assert not (tmp_path / "outside.txt").exists() and not Path("/tmp/absolute.txt").exists()


def test_a_chunk_that_is_not_what_was_stored_is_refused(
    make: Make, folder: Path, session: Session, server: RunningServer
) -> None:
    made = make(folder)
    item: dict[str, Any] = made._stored.data_artifacts()["data"]
    transfer.upload_source(session, MemorySource("x.zip", [b"PK\x03\x04 something else"]), item["uri"])
    with pytest.raises(chunks.ArchiveError, match="its hash differs"):
        made.get_local_copy()
    assert Dataset.get(dataset_id=made.id).list_files() == ["inner/three.txt", "one.txt", "two.txt"]


def test_a_dataset_is_stored_where_its_owner_says(make: Make, folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "storage"
    made = make(folder, output_uri=str(place))
    assert made.get_default_storage() == str(place)
    assert [path.suffix for path in place.rglob("*.zip")] == [".zip"]
    assert content(made.get_local_copy()) == {"one.txt": "one", "two.txt": "two", "inner/three.txt": "three"}


@pytest.mark.parametrize("configured", [True, "true"])
def test_the_configuration_says_that_datasets_go_to_the_files_server(
    session: Session, server: RunningServer, make: Make, folder: Path, configured: object
) -> None:
    session.config = load_settings()
    session.config.set("sdk.development.default_output_uri", configured)
    assert make(folder).get_default_storage() == server.files
    assert make(folder, output_uri=True, name="others").get_default_storage() == server.files


def test_what_was_stored_and_changed_before_the_end_is_dropped(server: RunningServer, make: Make, folder: Path) -> None:
    made = make(folder, finish=False)
    made.upload(show_progress=False)
    (uri,) = [item["uri"] for item in made._stored.data_artifacts().values()]
    for name in ("one.txt", "two.txt", "inner/three.txt"):
        (folder / name).write_text(f"{name} again")
    assert made.sync_folder(folder) == (0, 0, 3)
    made.finalize(auto_upload=True)
    assert made.get_num_chunks() == 1 and list(made._stored.data_artifacts()) == ["data"]
    assert not transfer.exists(made._stored.session, uri)
    assert content(made.get_local_copy())["one.txt"] == "one.txt again"


def test_files_added_after_an_upload_are_stored_beside_it(make: Make, folder: Path) -> None:
    made = make(folder, finish=False)
    made.upload(show_progress=False)
    write(folder, {"four.txt": "four", "aaa.txt": "first"})
    made.add_files(folder)
    made.finalize(auto_upload=True)
    held = {path: entry.artifact_name for path, entry in made.file_entries_dict.items()}
    assert held == {
        "one.txt": "data", "two.txt": "data", "inner/three.txt": "data", "four.txt": "data_001", "aaa.txt": "data_001",
    }  # fmt: skip
    assert len(content(made.get_local_copy())) == 5


def test_a_name_that_cannot_be_recorded_is_refused(make: Make, folder: Path) -> None:
    with open(os.fsencode(folder) + b"/not utf-8 \xff.txt", "wb") as file:
        file.write(b"x")
    made = make(None, finish=False)
    with pytest.raises(UsageError, match="is not UTF-8"):
        made.add_files(folder)
    assert made.list_files() == []
