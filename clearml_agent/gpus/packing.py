"""Which GPUs a task gets: whole ones, or a share of one, never more than there is. Pure.

Shares are counted in thousandths of a GPU, so that sums are exact.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from clearml_agent.errors import UsageError

WHOLE = 1000
"""A whole GPU."""
NUMBER = re.compile(r"(\d+)(?:-(\d+))?$")
FRACTION = re.compile(r"0?\.(\d{1,3})$")


@dataclass(frozen=True)
class Board:
    """A GPU, or a MIG instance, that can be given out.

    name: index, as `0` or `0:1`; memory_mib: all it has, 0 when that is not known.
    """

    name: str
    uuid: str
    memory_mib: int = 0


class Part(msgspec.Struct, frozen=True):
    """What a task holds of one GPU.

    share: thousandths; letter: tells apart those who share a GPU; memory_mib: its budget, 0 for none.
    """

    name: str
    uuid: str
    share: int = WHOLE
    letter: str = ""
    memory_mib: int = 0

    @property
    def is_whole(self) -> bool:
        return self.share >= WHOLE

    @property
    def share_text(self) -> str:
        """`0.25`."""
        return f"{self.share / WHOLE:g}"


class Allocation(msgspec.Struct, frozen=True):
    """What one task holds."""

    parts: list[Part]

    @property
    def name(self) -> str:
        """`gpu0,1`, or `gpu0.25a` for a quarter of GPU 0. Source: contract/agent_behaviour.md 1."""
        words = [
            part.name.replace(":", ".") + ("" if part.is_whole else part.share_text.removeprefix("0") + part.letter)
            for part in self.parts
        ]
        return "gpu" + ",".join(words)

    @property
    def uuids(self) -> list[str]:
        return [part.uuid for part in self.parts]


@dataclass(frozen=True)
class Request:
    """What one task of a queue gets: from `least` to `most` thousandths; below WHOLE, a share of one GPU."""

    least: int
    most: int

    @property
    def is_fraction(self) -> bool:
        return self.most < WHOLE

    def __str__(self) -> str:
        if self.is_fraction:
            return f"{self.most / WHOLE:g} of a GPU"
        least, most = self.least // WHOLE, self.most // WHOLE
        return f"{least} GPU{'s' * (least > 1)}" if least == most else f"{least} to {most} GPUs"


ONE = Request(WHOLE, WHOLE)


def parse_request(text: str) -> Request:
    """`2`, `1-4`, `0.25`. Raises UsageError."""
    if found := NUMBER.match(text.strip()):
        least = int(found[1])
        most = int(found[2] or least)
        if 1 <= least <= most:
            return Request(least * WHOLE, most * WHOLE)
    elif found := FRACTION.match(text.strip()):
        share = int(found[1].ljust(3, "0"))
        if share:
            return Request(share, share)
    raise UsageError(f"{text!r} is no number of GPUs: write 2, a range such as 1-4, or a fraction such as 0.25")


def parse_queue(text: str) -> tuple[str, Request]:
    """`name=2`: a queue and what its tasks get; one GPU where it does not say. Raises UsageError."""
    name, equals, wanted = text.rpartition("=")
    if not equals:
        return text, ONE
    if not name:
        raise UsageError(f"{text!r} names no queue: write QUEUE=GPUS")
    return name, parse_request(wanted)


def used(held: Iterable[Allocation]) -> dict[str, int]:
    """UUID -> thousandths that are given out."""
    found: dict[str, int] = {}
    for allocation in held:
        for part in allocation.parts:
            found[part.uuid] = found.get(part.uuid, 0) + part.share
    return found


def place(request: Request, boards: Sequence[Board], held: Sequence[Allocation]) -> Allocation | None:
    """What the task gets now: free GPUs in their order; a share goes where it leaves the least. None: no room.

    Source: contract/agent_behaviour.md 10.
    """
    taken = used(held)
    if request.is_fraction:
        return _share(request.most, boards, held, taken)
    free = [board for board in boards if not taken.get(board.uuid)]
    count = min(len(free), request.most // WHOLE)
    if count * WHOLE < request.least:
        return None
    return Allocation([Part(board.name, board.uuid) for board in free[:count]])


def _share(
    share: int, boards: Sequence[Board], held: Sequence[Allocation], taken: Mapping[str, int]
) -> Allocation | None:
    room = [board for board in boards if taken.get(board.uuid, 0) + share <= WHOLE]
    if not room:
        return None
    board = max(room, key=lambda board: taken.get(board.uuid, 0))
    letters = {part.letter for allocation in held for part in allocation.parts if part.uuid == board.uuid}
    letter = next(letter for letter in _letters() if letter not in letters)
    return Allocation([Part(board.name, board.uuid, share, letter, board.memory_mib * share // WHOLE)])


def _letters() -> Iterable[str]:
    yield from string.ascii_lowercase
    yield from (first + second for first in string.ascii_lowercase for second in string.ascii_lowercase)


def kept_for(request: Request, boards: Sequence[Board], held: Sequence[Allocation]) -> frozenset[str]:
    """The GPUs that nobody else may get while this request waits for room.

    For whole GPUs: every free one, and of the shared ones as many, the emptiest, as are needed beside those that are
    held whole. For a share: the shared GPU that is emptiest.
    """
    taken = used(held)
    shares = {part.uuid for allocation in held for part in allocation.parts if not part.is_whole}
    shared = sorted((board.uuid for board in boards if board.uuid in shares), key=lambda uuid: taken[uuid])
    if request.is_fraction:
        return frozenset(shared[:1])
    free = [board.uuid for board in boards if not taken.get(board.uuid)]
    others = len(boards) - len(shared)
    return frozenset([*free, *shared[: max(0, request.least // WHOLE - others)]])


def idle(uuids: Iterable[str], held: Sequence[Allocation]) -> float:
    """How many GPUs' worth of these is given to nobody."""
    taken = used(held)
    return sum(WHOLE - min(WHOLE, taken.get(uuid, 0)) for uuid in uuids) / WHOLE
