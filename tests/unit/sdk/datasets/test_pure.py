"""What decides about datasets and touches nothing: states, versions, paths, plans."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_sdk.datasets import chunks, copies, hashing, matching, previews, versions
from clearml_sdk.datasets.entries import FileEntry, LinkEntry
from clearml_sdk.datasets.scanning import scan
from clearml_sdk.datasets.state import BrokenState, DatasetState, ancestry
from clearml_sdk.errors import UsageError

NAMES = st.text("ab/.", min_size=1, max_size=6).filter(
    lambda name: not name.strip("/").startswith("..") and "//" not in name
)
ENTRIES = st.dictionaries(NAMES, st.tuples(st.sampled_from("xyz"), st.integers(0, 9)), max_size=6)


def state_of(files: dict[str, tuple[str, int]], name: str = "me") -> DatasetState:
    state = DatasetState(name)
    for path, (digest, size) in files.items():
        state.put(FileEntry(path, digest, name, size))
    return state


@given(ENTRIES, ENTRIES)
def test_changes_tell_how_one_becomes_the_other(
    before: dict[str, tuple[str, int]], after: dict[str, tuple[str, int]]
) -> None:
    changes = state_of(after).changes_since([state_of(before)])
    made = {path: entry for path, entry in before.items() if path not in changes.removed}
    made.update({path: after[path] for path in [*changes.added, *changes.modified]})
    assert made == after
    assert changes.size_bytes == sum(s for _, s in after.values()) - sum(s for _, s in before.values())
    assert not set(changes.added) & set(before) and set(changes.modified) <= set(before)


@given(ENTRIES)
def test_a_state_survives_being_stored(files: dict[str, tuple[str, int]]) -> None:
    state = state_of(files)
    state.put(LinkEntry("s3://bucket/x", "linked", "other", None, None))  # type: ignore[arg-type]  # size unknown
    state.graph, state.chunks = {"other": [], "me": ["other"]}, {"other": 2}
    read = DatasetState.load(state.dump())
    assert (read.files, read.links, read.graph, read.chunks) == (state.files, state.links, state.graph, state.chunks)
    assert read.is_dirty == bool(files)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"id": "x"}', b'{"id": "x", "dependency_graph": 3}', b"\xff"])
def test_a_broken_state_is_said_to_be_broken(raw: bytes) -> None:
    with pytest.raises(BrokenState):
        DatasetState.load(raw)


def test_later_parents_stand_over_earlier_ones() -> None:
    left, right, child = (
        state_of({"a": ("x", 1), "b": ("x", 1)}, "left"),
        state_of({"a": ("y", 2)}, "right"),
        DatasetState("child"),
    )
    left.graph = {"root": [], "left": ["root"]}
    child.inherit(left)
    child.inherit(right)
    assert {path: entry.parent_dataset_id for path, entry in child.files.items()} == {"a": "right", "b": "left"}
    assert child.parents == ["left", "right"]
    assert ancestry(child.graph, "child") == ["root", "left", "right", "child"]
    assert ancestry({"a": ["b"], "b": ["a"]}, "a") == ["b", "a"]  # a circle that nobody should have made


@pytest.mark.parametrize(
    ("pattern", "recursive", "meant"),
    [
        (None, True, ["a.txt", "in/a.txt", "in/deep/b.bin"]),
        ("*.txt", True, ["a.txt", "in/a.txt"]),
        ("*.txt", False, ["a.txt"]),
        ("in/*", False, ["in/a.txt"]),
        ("in", True, ["in/a.txt", "in/deep/b.bin"]),
        ("./in/", True, ["in/a.txt", "in/deep/b.bin"]),
        ("in/*/b.*", False, ["in/deep/b.bin"]),
        ("", True, []),
        ("nothing", True, []),
    ],
)
def test_patterns_mean_paths(pattern: str | None, recursive: bool, meant: list[str]) -> None:
    test = matching.selector(pattern, recursive=recursive)
    assert [path for path in ("a.txt", "in/a.txt", "in/deep/b.bin") if test(path)] == meant


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "..", "", "C:/x", "a\\..\\x", "a\0b", "\\\\host\\x"])
def test_a_path_that_leads_out_is_refused(path: str) -> None:
    with pytest.raises(UsageError):
        matching.check_inside(path)


@given(st.text("ab./\\:C", max_size=8))
def test_what_is_let_in_stays_inside(path: str) -> None:
    try:
        matching.check_inside(path)
    except UsageError:
        return
    assert os.path.normpath(os.path.join("/base", path)).startswith("/base")


def test_versions_are_ordered_as_numbers() -> None:
    names = ["hello", "1.0.0", "1.0.0-rc1", "1.0", "1.10", "v2.0", "1.9.9"]
    ordered = sorted(names, key=versions.sort_key)
    assert ordered[0] == "hello" and ordered[-2:] == ["1.10", "v2.0"]
    assert ordered.index("1.0.0-rc1") < ordered.index("1.0.0")
    assert versions.following([]) == versions.following(["hello", None]) == "1.0.0"
    assert versions.following(["1.0.0", "1.0.9"]) == "1.0.10"
    assert versions.following(["3.4", "hello"]) == "3.5"


@given(st.lists(st.integers(0, 50), max_size=20), st.integers(1, 100))
def test_chunks_hold_every_file_once_and_are_no_larger_than_asked(sizes: list[int], limit: int) -> None:
    entries = [FileEntry(f"{number:02d}", "x", "me", size) for number, size in enumerate(sizes)]
    planned = chunks.plan(entries, limit)
    assert [entry for chunk in planned for entry in chunk.entries] == entries
    assert all(chunk.size_bytes <= limit or len(chunk.entries) == 1 for chunk in planned)
    again = chunks.plan(list(reversed(entries)), limit)
    assert [chunk.identity for chunk in again] == [chunk.identity for chunk in planned]
    assert len(chunks.plan(entries, None)) == bool(entries)


@given(st.integers(0, 12), st.integers(1, 8))
def test_parts_share_the_chunks(count: int, parts: int) -> None:
    every = [("v", f"data_{number:03d}") for number in range(count)]
    shares = [copies.part_of(every, part, parts) for part in range(parts)]
    assert [chunk for share in shares for chunk in share] == every
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_compression_by_its_names() -> None:
    assert (
        chunks.read_compression(None) == chunks.read_compression("deflated") == chunks.read_compression("ZIP_DEFLATED")
    )
    with pytest.raises(UsageError, match="ZIP_STORED"):
        chunks.read_compression("rar")


def test_hashes_are_taken_again_when_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARML__SDK__STORAGE__CACHE__DEFAULT_BASE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(hashing, "SETTLED_NS", -1)
    (tmp_path / "files").mkdir()
    for name in "abc":
        (tmp_path / "files" / name).write_text(name)
    before = hashing.hash_files(scan(tmp_path / "files"))
    read: list[str] = []
    real = hashing.sha256_of
    monkeypatch.setattr(hashing, "sha256_of", lambda path: read.append(os.path.basename(path)) or real(path))
    assert hashing.hash_files(scan(tmp_path / "files")) == before and read == []
    facts = os.stat(tmp_path / "files" / "b")
    (tmp_path / "files" / "b").write_text("B")
    os.utime(tmp_path / "files" / "b", ns=(facts.st_atime_ns, facts.st_mtime_ns))  # same size, same time
    after = hashing.hash_files(scan(tmp_path / "files"))
    assert read == ["b"] and after[1] != before[1] and after[::2] == before[::2]
    assert hashing.hash_files(scan(tmp_path / "files"), trusting=False) == after and read == ["b", "a", "b", "c"]


def test_a_broken_memory_of_hashes_costs_time_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARML__SDK__STORAGE__CACHE__DEFAULT_BASE_DIR", str(tmp_path / "cache"))
    place = tmp_path / "cache" / "storage_manager" / "hashes" / "files.sqlite3"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"no database" * 1000)
    (tmp_path / "file").write_text("x")
    assert hashing.hash_files(scan(tmp_path / "file")) == hashing.hash_files(scan(tmp_path / "file"))


def test_previews_are_the_first_of_each_kind(tmp_path: Path) -> None:
    entries = [
        FileEntry(f"{n:02d}.{kind}", "x", "me", 3, None, "/x") for n in range(12) for kind in ("png", "csv", "bin")
    ]
    chosen = previews.choose(entries, None)
    assert [kind for kind, _ in chosen].count("image") == 10 and [kind for kind, _ in chosen].count("tabular") == 10
    assert previews.choose([FileEntry("a.png", "x", "me", 6 << 20, None, "/x")], None) == []
    (tmp_path / "t.tsv").write_text("a\tb\n1\n2\t3\n4\t5\n")
    assert previews.first_rows(str(tmp_path / "t.tsv"), 2) == [["a", "b"], ["1", ""], ["2", "3"]]
    (tmp_path / "odd.csv").write_bytes(b"\xff\xfe\0")
    assert previews.first_rows(str(tmp_path / "odd.csv"), 2) == []


def test_the_stored_state_is_what_the_official_sdk_writes() -> None:
    state = state_of({"a": ("x", 1)})
    document = json.loads(state.dump())
    assert set(document) == {
        "dataset_file_entries", "dataset_link_entries", "dependency_graph", "dependency_chunk_lookup", "id", "dirty",
        "file_count", "total_size",
    }  # fmt: skip
    assert document["dataset_file_entries"] == [
        {"relative_path": "a", "hash": "x", "parent_dataset_id": "me", "size": 1, "artifact_name": None}
    ]
