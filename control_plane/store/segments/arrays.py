"""Numbers of a sealed series as compressed bytes, and back, bit by bit. Pure.

Iterations and times are differences, which are small and mostly equal; values keep every bit, NaNs included. Bytes of
the same weight lie together, where a compressor finds what they share.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
import zstandard

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Unsigned = npt.NDArray[np.unsignedinteger]

LEVEL = 3
SAMPLE = 4096
"""Values on which the better of two forms is chosen."""

ORDERS = 4
"""Values are kept as they are or as their first, second or third differences: what a smooth curve leaves is small."""

_EVEN, _DIFFERENCES = 0, 1
_CONSTANT, _DIFFERENT = 0, 1
_EVEN_BODY = struct.Struct("<Bqq")
_DIFFERENCES_HEAD = struct.Struct("<BBqq")
_FLOATS_HEAD = struct.Struct("<BBB")
_UNSIGNED = {width: np.dtype(f"<u{width}") for width in (1, 2, 4, 8)}
_SIGNED = {width: np.dtype(f"<i{width}") for width in (4, 8)}


def pack_integers(values: Integers) -> bytes:
    """At least one number; any int64."""
    first = int(values[0])
    if len(values) == 1:
        return _EVEN_BODY.pack(_EVEN, first, 0)
    with np.errstate(over="ignore"):  # differences wrap around, and so does their sum
        steps = np.diff(values)
        least = int(steps.min())
        above = (steps - least).view(np.uint64)
    most = int(above.max())
    if most == 0:
        return _EVEN_BODY.pack(_EVEN, first, least)
    width = next(width for width in _UNSIGNED if most < 1 << (8 * width))
    return _DIFFERENCES_HEAD.pack(_DIFFERENCES, width, first, least) + _compress(above.astype(_UNSIGNED[width]))


def unpack_integers(raw: bytes, count: int) -> Integers:
    """The inverse of `pack_integers`. Raises ValueError for bytes that cannot be."""
    if raw[0] == _EVEN:
        _, first, step = _EVEN_BODY.unpack(raw)
        with np.errstate(over="ignore"):
            even: Integers = first + step * np.arange(count, dtype=np.int64)
        return even
    _, width, first, least = _DIFFERENCES_HEAD.unpack_from(raw)
    above = _decompress(raw[_DIFFERENCES_HEAD.size :], width, count - 1)
    values = np.empty(count, np.int64)
    values[0] = first
    with np.errstate(over="ignore"):
        np.add(above.astype(np.uint64).view(np.int64), least, out=values[1:])
        np.cumsum(values, out=values)
    return values


def pack_floats(values: Floats) -> bytes:
    """At least one number; every bit of each is kept."""
    bits = _bits(values)
    if (bits == bits[0]).all():
        return _FLOATS_HEAD.pack(_CONSTANT, bits.itemsize, 0) + bits[:1].tobytes()
    sizes = [len(_compress(_differences(bits[:SAMPLE], order))) for order in range(ORDERS)]
    order = min(range(ORDERS), key=lambda order: sizes[order] + (sizes[0] // 20 if order else 0))
    return _FLOATS_HEAD.pack(_DIFFERENT, bits.itemsize, order) + _compress(_differences(bits, order))


def unpack_floats(raw: bytes, count: int) -> Floats:
    """The inverse of `pack_floats`. Raises ValueError for bytes that cannot be."""
    form, width, order = _FLOATS_HEAD.unpack_from(raw)
    body = raw[_FLOATS_HEAD.size :]
    if form == _CONSTANT:
        bits = np.repeat(np.frombuffer(body, _UNSIGNED[width]), count)
    else:
        bits = _sums(_decompress(body, width, count), order)
    return bits.view(f"<f{width}").astype(np.float64, copy=False)


def _bits(values: Floats) -> Unsigned:
    """As integers; of half the width where single precision says the same."""
    with np.errstate(all="ignore"):
        singles = values.astype("<f4")
        same = (singles.astype(np.float64).view(np.uint64) == values.view(np.uint64)).all()
    return singles.view("<u4") if same else values.astype("<f8", copy=False).view("<u8")


def _differences(bits: Unsigned, order: int) -> Unsigned:
    """Differences of differences; the sign goes to the lowest bit, so that small ones have empty upper bytes."""
    if order == 0:
        return bits
    left = bits.view(_SIGNED[bits.itemsize])
    with np.errstate(over="ignore"):
        for _ in range(order):
            left = np.diff(left, prepend=left.dtype.type(0))
    return ((left << 1) ^ (left >> (8 * bits.itemsize - 1))).view(bits.dtype)


def _sums(folded: Unsigned, order: int) -> Unsigned:
    """The inverse of `_differences`."""
    if order == 0:
        return folded
    one = folded.dtype.type(1)
    left = ((folded >> one) ^ -(folded & one)).view(_SIGNED[folded.itemsize])
    with np.errstate(over="ignore"):
        for _ in range(order):
            left = np.cumsum(left, dtype=left.dtype)
    return left.view(folded.dtype)


def _compress(values: Unsigned) -> bytes:
    """Bytes of one weight together."""
    shuffled = np.ascontiguousarray(values.view(np.uint8).reshape(len(values), values.itemsize).T)
    return zstandard.ZstdCompressor(level=LEVEL).compress(shuffled.data)


def _decompress(raw: bytes, width: int, count: int) -> Unsigned:
    try:
        body = zstandard.ZstdDecompressor().decompress(raw)
    except zstandard.ZstdError as error:
        raise ValueError(f"damaged: {error}") from None
    if len(body) != width * count:
        raise ValueError(f"damaged: {len(body)} bytes where {count} numbers of {width} were expected")
    shuffled = np.frombuffer(body, np.uint8).reshape(width, count)
    whole = np.empty((count, width), np.uint8)
    for weight in range(width):  # three times as fast as one transposition
        whole[:, weight] = shuffled[weight]
    return whole.reshape(-1).view(_UNSIGNED[width])
