"""Large blocks of a console lie compressed: less to send, keep and write to the disk, and sealed as they are. Pure.

    frame of the list | or: byte c1, length of the first frame, frame of the times, frame of the list

The times of the lines lie beside them where all are of iteration 0, as a console's are: who seals them need not look at
the lines. A packed list never begins as one of these does, so a block says itself what it is.
"""

from __future__ import annotations

from typing import Final, TypeGuard

import msgspec

LEAST_BYTES: Final = 32 * 1024
"""Smaller blocks lie as they are: nearly all of those that a training sends."""
LEVEL: Final = 1
"""Of zstd: the lines of a log come out smaller than at 2 to 4, and at two thirds of the time."""
_FRAME: Final = b"\x28\xb5\x2f\xfd"
_WITH_TIMES: Final = b"\xc1"
_BEGINS: Final = (_FRAME, _WITH_TIMES)
_LENGTH_BYTES: Final = 4


def squeeze(block: bytes, times: bytes | None = None) -> bytes:
    """The block, compressed where it is large, with a column of times beside it; holds no interpreter meanwhile."""
    if len(block) < LEAST_BYTES:
        return block
    if times is None:
        return compressed(block)
    column = compressed(times)
    return b"".join((_WITH_TIMES, len(column).to_bytes(_LENGTH_BYTES, "big"), column, compressed(block)))


def split(block: bytes) -> tuple[bytes | None, bytes]:
    """(the times beside a compressed block, if there are any; its lines alone). Raises ValueError for damaged times."""
    if not block.startswith(_WITH_TIMES):
        return None, block
    at = 1 + _LENGTH_BYTES
    behind = at + int.from_bytes(block[1:at], "big")
    return plain(block[at:behind]), block[behind:]


def compressed(block: bytes) -> bytes:
    """One frame with its size and a checksum."""
    import zstandard  # not before something is large

    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(block)


def is_squeezed(block: bytes | msgspec.Raw) -> TypeGuard[bytes]:
    """Whether it is compressed; raw parts of a block never are."""
    return isinstance(block, bytes) and block.startswith(_BEGINS)


def plain(block: bytes) -> bytes:
    """The inverse of `squeeze`. Raises ValueError when the bytes are not those that were written."""
    if not is_squeezed(block):
        return block
    import zstandard

    try:
        return zstandard.ZstdDecompressor().decompress(_lines(block))
    except zstandard.ZstdError as error:
        raise ValueError(f"a compressed block is damaged: {error}") from None


def plain_size(block: bytes | msgspec.Raw) -> int:
    """How many bytes it has in plain."""
    if not is_squeezed(block):
        return len(block)
    import zstandard

    return zstandard.frame_content_size(_lines(block))


def _lines(block: bytes) -> bytes:
    if not block.startswith(_WITH_TIMES):
        return block
    at = 1 + _LENGTH_BYTES
    return block[at + int.from_bytes(block[1:at], "big") :]
