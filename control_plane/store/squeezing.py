"""Large blocks of a console lie compressed: less to send, keep and write to the disk, and sealed as they are. Pure.

A packed list of records never begins as a compressed frame does, so a block says itself which of the two it is.
"""

from __future__ import annotations

from typing import Final, TypeGuard

import msgspec

LEAST_BYTES: Final = 32 * 1024
"""Smaller blocks lie as they are: nearly all of those that a training sends."""
LEVEL: Final = 1
"""Of zstd: the lines of a log come out smaller than at 2 to 4, and at two thirds of the time."""
_MAGIC: Final = b"\x28\xb5\x2f\xfd"


def squeeze(block: bytes) -> bytes:
    """The block, compressed where it is large; holds no interpreter meanwhile."""
    return block if len(block) < LEAST_BYTES else compressed(block)


def compressed(block: bytes) -> bytes:
    """One frame with its size and a checksum."""
    import zstandard  # not before something is large

    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(block)


def is_squeezed(block: bytes | msgspec.Raw) -> TypeGuard[bytes]:
    """Whether it is compressed; raw parts of a block never are."""
    return isinstance(block, bytes) and block.startswith(_MAGIC)


def plain(block: bytes) -> bytes:
    """The inverse of `squeeze`. Raises ValueError when the bytes are not those that were written."""
    if not is_squeezed(block):
        return block
    import zstandard

    try:
        return zstandard.ZstdDecompressor().decompress(block)
    except zstandard.ZstdError as error:
        raise ValueError(f"a compressed block is damaged: {error}") from None


def plain_size(block: bytes | msgspec.Raw) -> int:
    """How many bytes it has in plain."""
    if not is_squeezed(block):
        return len(block)
    import zstandard

    return zstandard.frame_content_size(block)
