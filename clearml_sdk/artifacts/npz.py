"""Arrays in the archives of `np.savez`, without copies: written from their memory, and read straight into it."""

from __future__ import annotations

import hashlib
import struct
import threading
import zlib

from clearml_sdk.storage.sources import MemorySource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

LARGEST = (1 << 31) - 1
"""Of a size or an offset that archives keep in 32 bits."""
_VERSION = 45
_STREAMED, _UTF8 = 0x08, 0x800
_NEW_YEAR_1980 = 33
_MODE = 0o600 << 16


def read(path: str, key: str) -> Any:
    """The array `key` of an archive, else its first. Raises ValueError for objects, BadZipFile, KeyError for none."""
    import zipfile

    import numpy as np

    with open(path, "rb") as file:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if not names:
                raise KeyError(f"there is no array in {path}")
            member = archive.getinfo(f"{key}.npy" if f"{key}.npy" in names else names[0])
            if member.compress_type != zipfile.ZIP_STORED:
                with archive.open(member) as stream:
                    return np.lib.format.read_array(stream, allow_pickle=False)
            with archive.open(member):
                pass  # its own header is the one that the directory tells of
        file.seek(member.header_offset + 26)
        name_size, extra_size = struct.unpack("<2H", file.read(4))
        start = member.header_offset + 30 + name_size + extra_size
        file.seek(start)
        array = np.lib.format.read_array(file, allow_pickle=False)
        size = file.tell() - start - array.nbytes
        file.seek(start)
        checksum = zlib.crc32(file.read(size))
    if array.nbytes:
        flat: Any = (array if array.flags.c_contiguous else array.T).reshape(-1)
        checksum = zlib.crc32(flat.view(np.uint8), checksum)
    if checksum != member.CRC:
        raise zipfile.BadZipFile(f"{path} is damaged: {member.filename} has another checksum than it was stored with")
    return array


class ArraySource(MemorySource):
    """One array in an archive, its checksum behind it, so that it need not be read before it is sent."""

    def __init__(self, file_name: str, key: str, array: Any) -> None:
        """key: of the array in the archive. Raises ValueError for an array that needs more than its own memory."""
        header, data = _parts_of(array)
        member = f"{key}.npy"
        self._member = member.encode("ascii") if member.isascii() else member.encode("utf-8")
        self._flags = _STREAMED | (0 if member.isascii() else _UTF8)
        self._size = len(header) + data.nbytes
        super().__init__(file_name, [self._local_header(), header, data])
        self.length += len(self._tail(0))
        self._lock = threading.Lock()
        self._checksum: int | None = None

    def blocks(self) -> Iterator[memoryview]:
        yield from super().blocks()
        yield memoryview(self._tail(self._known_checksum()))

    def sha256(self) -> str:
        digest = hashlib.sha256()
        with self._lock:  # who sends meanwhile waits for the checksum, and need not compute it too
            checksum = self._pass(digest.update)
            self._checksum = checksum
        digest.update(self._tail(checksum))
        return digest.hexdigest()

    def _known_checksum(self) -> int:
        with self._lock:
            if self._checksum is None:
                self._checksum = self._pass(lambda block: None)
            return self._checksum

    def _pass(self, see: Callable[[memoryview], None]) -> int:
        """Have `see` look at everything up to the tail; the array's checksum."""
        checksum = 0
        for number, block in enumerate(super().blocks()):
            see(block)
            if number:  # the first is the archive's own
                checksum = zlib.crc32(block, checksum)
        return checksum

    def _local_header(self) -> bytes:
        extra = struct.pack("<HHQQ", 1, 16, 0, 0)
        unknown = 0xFFFFFFFF
        fixed = struct.pack(
            "<4s5H3L2H", b"PK\3\4", _VERSION, self._flags, 0, 0, _NEW_YEAR_1980, 0, unknown, unknown,
            len(self._member), len(extra),
        )  # fmt: skip
        return fixed + self._member + extra

    def _tail(self, checksum: int) -> bytes:
        """What follows the array: its checksum and size, and the archive's directory."""
        size, start = self._size, len(self._local_header()) + self._size
        descriptor = struct.pack("<4sLQQ", b"PK\7\10", checksum, size, size)
        extra = struct.pack("<HHQQ", 1, 16, size, size) if size > LARGEST else b""
        shown = 0xFFFFFFFF if extra else size
        entry = struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", _VERSION | 3 << 8, _VERSION, self._flags, 0, 0, _NEW_YEAR_1980, checksum, shown,
            shown, len(self._member), len(extra), 0, 0, 0, _MODE, 0,
        )  # fmt: skip
        directory = entry + self._member + extra
        at = start + len(descriptor)
        end = b""
        if at > LARGEST:
            end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, _VERSION, _VERSION, 0, 0, 1, 1, len(directory), at)
            end += struct.pack("<4sLQL", b"PK\6\7", 0, at + len(directory), 1)
            at = min(at, 0xFFFFFFFF)
        end += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(directory), at, 0)
        return descriptor + directory + end


def _parts_of(array: Any) -> tuple[bytes, memoryview]:
    """(the header of its file, its memory)."""
    import io

    import numpy as np

    if type(array) is not np.ndarray or array.dtype.hasobject:
        raise ValueError("no plain array")
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        raise ValueError("an array whose memory is not in one piece")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    flat: Any = (array if array.flags.c_contiguous else array.T).reshape(-1)
    return header.getvalue(), memoryview(flat.view(np.uint8)) if flat.nbytes else memoryview(b"")
