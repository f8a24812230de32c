"""Following a console: lines in the order they came, from a position that survives sealing. Pure.

Lines come in blocks of a stream. Those of one block go by time; so they do in a segment, which says of every line in
which block it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from control_plane.store.blocks import Record, unpack_records
from control_plane.store.segments.index import State


class Position(NamedTuple):
    """What comes next: the lines of the block `ms`-`number` but for the first `seen`, and all later blocks.

    It counts only as long as nothing was reset (`generation`) and no line was removed (`edits`).
    """

    generation: int
    edits: int
    ms: int = 0
    number: int = 0
    seen: int = 0

    def __str__(self) -> str:
        return ".".join(map(str, self))

    @property
    def first(self) -> bytes:
        """The id of the first block to look at."""
        return f"{self.ms}-{self.number}".encode()

    @property
    def block(self) -> tuple[int, int]:
        """The same as two numbers."""
        return self.ms, self.number

    def is_of(self, state: State) -> bool:
        """Whether it still counts."""
        return (self.generation, self.edits) == (state.generation, state.edits)

    def after(self, block: tuple[int, int], seen: int | None = None) -> Position:
        """Behind so many lines of a block; None: behind all of them."""
        if seen is None:
            return self._replace(ms=block[0], number=block[1] + 1, seen=0)
        return self._replace(ms=block[0], number=block[1], seen=seen)


def parse(text: str) -> Position:
    """The inverse of `str`; raises ValueError for what is no position."""
    words = text.split(".")
    if len(words) != len(Position._fields) or not all(word.isascii() and word.isdigit() for word in words):
        raise ValueError(text)
    numbers = [int(word) for word in words]
    if max(numbers) >= 2**63:
        raise ValueError(text)
    return Position(*numbers)


@dataclass(frozen=True)
class Tail:
    """Some lines in the order they came."""

    lines: Sequence[Record]
    position: Position
    """Where to go on."""
    is_end: bool
    """Nothing more is there at the moment."""
    is_new: bool = False
    """These lines begin anew: there was no position, or it does not count any more."""


def lines_of(block: bytes) -> list[Record]:
    """The lines of a block of the stream as they go."""
    return sorted(unpack_records(block), key=lambda line: line.at_ms)


TAIL_CHARACTERS = 256 * 1024
"""Of texts, about so many are given at a time: each of those who follow holds them until they are sent."""


def take(position: Position, blocks: Iterable[tuple[tuple[int, int], Sequence[Record]]], most: int) -> Tail:
    """At most `most` lines of the blocks from a position on; `blocks` ascend, and none is before it."""
    lines: list[Record] = []
    size = 0
    for block, every in blocks:
        first = position.seen if block == position.block else 0
        some: list[Record] = []
        for line in islice(every, first, first + most - len(lines)):
            if size > TAIL_CHARACTERS:
                break
            some.append(line)
            size += len(line.text)
        lines += some
        seen = first + len(some)
        if seen < len(every):
            return Tail(lines, position.after(block, seen), False)
        position = position.after(block)
    return Tail(lines, position, True)
