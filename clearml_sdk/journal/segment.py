"""One file of a journal, memory-mapped: a header with the delivery's state, then records."""

from __future__ import annotations

import mmap
import os
import struct

from clearml_sdk.journal import framing

HEADER_BYTES = 64
MAGIC = b"CLJRNL01"
_STATE = struct.Struct("<QQQ")
_STATE_AT = 16
_OFFSET = struct.Struct("<Q")
_POPULATE_WRITE = 23
"""MADV_POPULATE_WRITE of Linux 5.14 and later; `mmap` has no name for it."""
_ACKED_AT, _SENDING_AT, _DROPPED_AT = 16, 24, 32


class Segment:
    """A mapped segment. Its memory is the file: what was stored survives the death of the process.

    number: position in its lane, from 1. path: None for a segment in memory only.
    end: offset behind the last record; limit: offset that no record may pass.
    acked: everything before it was delivered. sending: end of the batch that is, or was, on its way; 0 or `acked` for
    none. It is stored before the batch is sent, so that whoever sends it again sends exactly the same records.
    series: names -> id, of the series that this segment defines.
    ready: offset up to which storing waits for no page (`make_ready`).
    is_sealed: the writer has gone on to the next one. is_resting: it is unmapped until it is delivered (`rest`).
    """

    __slots__ = (
        *("acked", "dropped", "end", "is_resting", "is_sealed", "limit"),
        *("map", "number", "path", "ready", "sending", "series"),
    )

    def __init__(self, number: int, path: str | None, mapped: mmap.mmap) -> None:
        self.number, self.path, self.map = number, path, mapped
        self.limit = len(mapped)
        self.end = self.ready = HEADER_BYTES
        self.acked = self.sending = HEADER_BYTES
        self.dropped = 0
        self.series: dict[tuple[str, str], int] = {}
        self.is_sealed = self.is_resting = False

    @classmethod
    def create(cls, number: int, path: str | None, size_bytes: int) -> Segment:
        """Make the file and reserve its space. Raises OSError, ENOSPC for one: never a SIGBUS at a later store."""
        if path is None:
            segment = cls(number, None, mmap.mmap(-1, size_bytes))
        else:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
            try:
                _reserve(descriptor, size_bytes)
                segment = cls(number, path, mmap.mmap(descriptor, size_bytes))
            except BaseException:
                os.unlink(path)
                raise
            finally:
                os.close(descriptor)
        segment.map[: len(MAGIC)] = MAGIC
        segment._store_state()
        return segment

    @classmethod
    def load(cls, number: int, path: str) -> Segment | None:
        """Map what another process has left; None when it holds nothing (it died while making the file)."""
        with open(path, "r+b") as file:
            if os.fstat(file.fileno()).st_size < HEADER_BYTES:
                return None
            segment = cls(number, path, mmap.mmap(file.fileno(), 0))
        if segment.map[: len(MAGIC)] != MAGIC:
            segment.close()
            return None
        acked, sending, segment.dropped = _STATE.unpack_from(segment.map, _STATE_AT)
        segment.end = framing.valid_end(segment.map, HEADER_BYTES, segment.limit)
        segment.acked = min(max(acked, HEADER_BYTES), segment.end)
        segment.sending = sending if segment.acked < sending <= segment.end else segment.acked
        segment.is_sealed = True
        return segment

    def make_ready(self, end: int) -> bool:
        """Have the pages up to `end` at hand: the first store into each page of a file takes 50 us otherwise.

        Changes no byte, so it may run beside the writer. False where the system cannot do it.
        """
        start = max(self.ready, self.end) & -mmap.PAGESIZE
        end = min(end, self.limit)
        if start < end:
            try:
                self.map.madvise(_POPULATE_WRITE, start, end - start)
            except (OSError, ValueError, AttributeError):  # an older kernel, another system; unmapped meanwhile
                return False
        self.ready = max(self.ready, end)
        return True

    def announce(self, end: int) -> None:
        """Note that the batch up to `end` is about to be sent."""
        self.sending = end
        _OFFSET.pack_into(self.map, _SENDING_AT, end)

    def acknowledge(self, end: int) -> None:
        """Note that everything up to `end` was delivered."""
        self.acked = end
        _OFFSET.pack_into(self.map, _ACKED_AT, end)

    def count_dropped(self, number: int) -> None:
        """Note that so many reports found no room."""
        self.dropped += number
        _OFFSET.pack_into(self.map, _DROPPED_AT, self.dropped)

    def rest(self) -> None:
        """Unmap a sealed segment that is not to be delivered yet: a server that is away takes no memory."""
        if self.path is not None:
            self.series.clear()
            self.close()
            self.is_resting = True

    def wake(self) -> None:
        """Map it again. Raises OSError."""
        if self.is_resting and self.path is not None:
            with open(self.path, "r+b") as file:
                self.map = mmap.mmap(file.fileno(), self.limit)
            self.is_resting = False

    def close(self) -> None:
        """Unmap; the file stays."""
        try:
            self.map.close()
        except BufferError:
            pass  # a reader in another thread holds a view for a moment: freed with it

    def remove(self) -> None:
        """Unmap and delete."""
        self.close()
        if self.path is not None:
            try:
                os.unlink(self.path)
            except FileNotFoundError:
                pass  # whoever removed the folder was faster: it is gone either way

    def _store_state(self) -> None:
        _STATE.pack_into(self.map, _STATE_AT, self.acked, self.sending, self.dropped)


def _reserve(descriptor: int, size_bytes: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size_bytes)
        return
    block = bytes(1 << 16)
    for start in range(0, size_bytes, len(block)):
        os.write(descriptor, block[: min(len(block), size_bytes - start)])
