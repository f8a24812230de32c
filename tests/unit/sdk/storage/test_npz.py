"""An array's file is the one that numpy and the standard library write, byte for byte."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearml_sdk.artifacts import npz
from clearml_sdk.artifacts.npz import ArraySource

PLAIN: list[Any] = [
    np.arange(6.0).reshape(2, 3),
    np.asfortranarray(np.arange(6, dtype=">i2").reshape(2, 3)),
    np.array(3.5),
    np.zeros((0, 4), np.float32),
    np.array(["ü", "longer"]),
    np.array([(1, 2.5)], dtype=[("a", "u1"), ("b", "f8")]),
    np.array(["2020-01-01"], "M8[D]"),
    np.random.default_rng(1).random(1_000_000),
]
OTHERS: list[Any] = [
    np.arange(10)[::2],
    np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
    np.array([object()]),
    np.ma.masked_array([1, 2], [True, False]),
]


def streamed(key: str, array: Any) -> bytes:
    """The archive as the standard library writes it into a stream that cannot be sought."""
    pieces: list[bytes] = []

    class Stream(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            pieces.append(bytes(data))
            return len(data)

    with (
        zipfile.ZipFile(Stream(), "w", zipfile.ZIP_STORED) as archive,
        archive.open(f"{key}.npy", "w", force_zip64=True) as member,
    ):
        np.lib.format.write_array(member, array)
    return b"".join(pieces)


@pytest.mark.parametrize("array", PLAIN, ids=lambda array: f"{array.dtype}-{array.shape}")
@pytest.mark.parametrize("key", ["array", "ünï c/öde"])
def test_the_file_is_the_one_that_others_write(key: str, array: Any, tmp_path: Path) -> None:
    source = ArraySource("x.npz", key, array)
    written = b"".join(source.blocks())
    assert written == streamed(key, array)
    assert len(written) == source.length
    assert source.sha256() == ArraySource("y.npz", key, array).sha256() == hashlib.sha256(written).hexdigest()
    source.write(str(tmp_path / "x.npz"))
    with np.load(tmp_path / "x.npz") as archive:
        assert archive.files == [key]
        assert archive[key].dtype == array.dtype and (archive[key] == array).all()
        assert archive[key].flags.f_contiguous == array.flags.f_contiguous
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        assert archive.testzip() is None


@pytest.mark.parametrize("array", PLAIN, ids=lambda array: f"{array.dtype}-{array.shape}")
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_of_others_is_read_as_numpy_reads_it(save: Any, array: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "x.npz")
    save(path, other=np.zeros(3), key=array)
    found = npz.read(path, "key")
    assert found.dtype == array.dtype and found.shape == array.shape and (found == array).all()
    assert found.flags.f_contiguous == array.flags.f_contiguous and found.flags.writeable
    assert npz.read(path, "no such name").shape == (3,)


def test_what_is_damaged_or_holds_objects_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    ArraySource("x.npz", "a", np.arange(1000)).write(str(path))
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    with pytest.raises(zipfile.BadZipFile, match="checksum"):
        npz.read(str(path), "a")
    np.savez(str(path), a=np.array([object()]))
    with pytest.raises(ValueError, match="allow_pickle"):
        npz.read(str(path), "a")
    np.savez(str(path))
    with pytest.raises(KeyError, match="no array"):
        npz.read(str(path), "a")


@pytest.mark.parametrize("largest", [100, 1_000])
def test_an_archive_beyond_32_bits_is_the_one_that_others_write(monkeypatch: pytest.MonkeyPatch, largest: int) -> None:
    array = np.arange(100, dtype=np.int8)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", largest)
    monkeypatch.setattr(npz, "LARGEST", largest)
    assert b"".join(ArraySource("x.npz", "a", array).blocks()) == streamed("a", array)


@pytest.mark.parametrize("array", OTHERS, ids=lambda array: f"{type(array).__name__}-{array.dtype}-{array.shape}")
def test_what_is_more_than_its_memory_is_refused(array: Any) -> None:
    with pytest.raises(ValueError, match="array"):
        ArraySource("x.npz", "a", array)
