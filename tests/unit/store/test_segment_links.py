"""Links of segments outlive what they link to, are never taken for segments, and go with their backup."""

from __future__ import annotations

from pathlib import Path

from control_plane.store.segment_links import SegmentLinks, local_root
from control_plane.store.segments.files import open_files

NAME = "0" * 32


async def test_a_segment_deleted_meanwhile_is_still_there_for_the_backup(tmp_path: Path) -> None:
    files = open_files(str(tmp_path))
    await files.put("kept", 0, NAME, b"kept")
    await files.put("gone", 0, NAME, b"gone")
    with SegmentLinks(tmp_path) as links:
        links.take()
        await files.delete("gone", 0, NAME)
        await files.put("late", 0, NAME, b"late")
        links.take()
        assert sorted(path.read_bytes() for _, path in links.files()) == [b"gone", b"kept", b"late"]
        assert sorted(found.owner for found in await files.list()) == ["kept", "late"]
    assert not list(tmp_path.glob(".backup-*"))


def test_links_of_a_killed_backup_are_removed_by_the_next(tmp_path: Path) -> None:
    left = tmp_path / ".backup-999999999-abc"
    left.mkdir()
    foreign = tmp_path / ".backup-of-mine"
    foreign.mkdir()
    with SegmentLinks(tmp_path):
        assert not left.exists()
    assert foreign.exists()


def test_which_places_are_directories() -> None:
    assert local_root("/var/lib/x") == Path("/var/lib/x")
    assert local_root("file:///var/lib/x%20y") == Path("/var/lib/x y")
    assert local_root("s3://bucket/x") is None
    assert local_root("") is None
