"""The places that segments lie in: a directory, and what fsspec reaches."""

import os
from pathlib import Path

import pytest

from control_plane.store.segments.files import SegmentFiles, SegmentMissing, SegmentsUnavailable, open_files

NAME = "0123456789abcdef" * 2
OTHER = "fedcba9876543210" * 2


@pytest.fixture(params=["directory", "file URL", "memory"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> SegmentFiles:
    url = {
        "directory": str(tmp_path / "segments"),
        "file URL": f"file://{tmp_path}/with%20space",
        "memory": f"memory://{tmp_path.name}/segments",
    }[request.param]
    return open_files(url)


async def test_what_is_written_is_read_in_pieces_and_listed(files: SegmentFiles) -> None:
    await files.put("task1", 3, NAME, b"0123456789")
    await files.put("task1", 3, NAME, b"0123456789")
    await files.put("../odd owner", 0, OTHER, b"other")
    assert await files.read("task1", 3, NAME, 2, 4) == b"2345"
    assert await files.read("task1", 3, NAME, 8, 100) == b"89"
    assert await files.read("task1", 3, NAME, -3, 3) == b"789"
    assert await files.read("task1", 3, NAME, -300, 300) == b"0123456789"
    assert {(one.owner, one.generation, one.name, one.size) for one in await files.list()} == {
        ("task1", 3, NAME, 10),
        ("../odd owner", 0, OTHER, 5),
    }
    assert [one.name for one in await files.list("../odd owner")] == [OTHER]
    await files.delete("task1", 3, NAME)
    await files.delete("task1", 3, NAME)
    assert await files.list("task1") == []
    with pytest.raises(SegmentMissing):
        await files.read("task1", 3, NAME, 0, 1)


async def test_a_place_keeps_its_mark(files: SegmentFiles) -> None:
    assert await files.identify("one", is_new=False) == ""
    assert await files.identify("one", is_new=True) == "one"
    assert await files.identify("two", is_new=True) == "one"
    assert await files.list() == []


async def test_nothing_is_written_outside_the_directory(tmp_path: Path) -> None:
    files = open_files(str(tmp_path / "in" / "segments"))
    for owner in ("../../escape", "..", ".", "/etc", "a/b"):
        await files.put(owner, 0, NAME, b"x")
        assert await files.read(owner, 0, NAME, 0, 1) == b"x"
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["segments"]


async def test_a_directory_that_cannot_be_written_is_said_to_be_unavailable(tmp_path: Path) -> None:
    (tmp_path / "segments").write_text("a file is in the way")
    with pytest.raises(SegmentsUnavailable, match="segments"):
        await open_files(str(tmp_path / "segments")).put("task", 0, NAME, b"x")


async def test_half_a_file_never_has_the_final_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_handle: int) -> None:
        raise OSError("no space left")

    files = open_files(str(tmp_path))
    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(SegmentsUnavailable, match="no space left"):
        await files.put("task", 0, NAME, b"x" * 1000)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        open_files("nonsense://bucket/x")
