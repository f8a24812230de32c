"""Downloads in parts: which are asked for together, and what is done with what comes."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearml_sdk.storage import ranges
from clearml_sdk.storage.ranges import RUN_PARTS, THREADS, PartialFile, download_in_parts

PART = 1000
CONTENT = os.urandom(20 * PART + 17)


def partial(folder: Path) -> PartialFile:
    opened = PartialFile(str(folder / "x.part"), len(CONTENT), "tag", part_bytes=PART)
    assert opened.open()
    return opened


def in_pieces(start: int, end: int) -> Iterator[memoryview]:
    """Pieces that end where no part does, in a buffer that is used again."""
    buffer = memoryview(bytearray(PART // 3))
    while start < end:
        count = min(len(buffer), end - start)
        buffer[:count] = CONTENT[start : start + count]
        yield buffer[:count]
        start += count


def test_a_fast_connection_is_asked_for_many_parts_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "FAST_S", 60)
    file, asked = partial(tmp_path), list[tuple[int, int]]()

    def read(start: int, end: int) -> Iterator[memoryview]:
        asked.append((start, end))
        return in_pieces(start, end)

    file.put(3, in_pieces(3 * PART, 4 * PART))  # of an earlier process
    told: list[int] = []
    file.fill(read, progress=told.append)
    assert asked[:3] == [(0, PART), (PART, 3 * PART), (4 * PART, (4 + RUN_PARTS) * PART)]
    assert sum(end - start for start, end in asked) == len(CONTENT) - PART
    assert sum(told) == len(CONTENT) and told[0] == PART
    assert file.sha256() == hashlib.sha256(CONTENT).hexdigest()
    file.close(remove=True)
    assert (tmp_path / "x.part").read_bytes() == CONTENT


@pytest.mark.timeout(240)
def test_a_slow_connection_gets_others_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "FAST_S", 0)
    file, together = partial(tmp_path), threading.Barrier(THREADS)

    def read(start: int, end: int) -> Iterator[memoryview]:
        if start < THREADS * PART:
            together.wait(30)  # comes only if so many are at it
        assert end - start <= PART
        return in_pieces(start, end)

    file.fill(read)
    file.close(remove=True)
    assert (tmp_path / "x.part").read_bytes() == CONTENT


@pytest.mark.parametrize("size", [PART - 1, PART + 1])
def test_a_part_of_another_length_is_an_error(tmp_path: Path, size: int) -> None:
    file = partial(tmp_path)
    with pytest.raises(ValueError, match=r"asked for|must have"):
        file.put(2, [CONTENT[:size]])
    file.close(remove=True)


@pytest.mark.timeout(240)
def test_a_download_that_fails_ends_and_keeps_what_came(tmp_path: Path) -> None:
    path, asked = str(tmp_path / "copy"), list[int]()

    def breaks_off(start: int, end: int) -> Iterator[memoryview]:
        yield from in_pieces(start, min(end, 5 * PART + 1))
        if end > 5 * PART:
            raise ConnectionResetError("broke off")

    def read(start: int, end: int) -> Iterator[memoryview]:
        asked.append(start)
        return in_pieces(start, end)

    with pytest.raises(ConnectionResetError):
        download_in_parts("http://x/y", path, len(CONTENT), "tag", breaks_off, part_bytes=PART)
    assert not os.path.exists(path) and list(tmp_path.glob("copy.*.part"))
    found = download_in_parts("http://x/y", path, len(CONTENT), "tag", read, part_bytes=PART)
    assert min(asked) == 5 * PART
    assert found == hashlib.sha256(CONTENT).hexdigest() and Path(path).read_bytes() == CONTENT
    assert [file.name for file in tmp_path.iterdir()] == ["copy"]
