"""Followers of a console on a real store, against a plain list of lines in the order they came."""

from __future__ import annotations

import asyncio
import random
import re
from pathlib import Path

import pytest

from control_plane.store import Store, console_tail, event_tails
from control_plane.store.blocks import Record
from control_plane.store.console_tail import Position, parse
from control_plane.store.events import Part

from .places import Died, Place, dying

OWNER = "c" * 32


class Follower:
    """Reads from where it was, now and then in another process: its position goes through text."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._position: Position | None = None

    async def begin(self, place: Place, first: int) -> None:
        tail = await place.reads.console_tail(OWNER, None, first=first)
        assert tail.is_new
        self.seen += [line.text for line in tail.lines]
        self._position = tail.position

    async def read(self, place: Place, times: int | None = None) -> bool:
        """Read on, to the end where no number is given; False when it had to begin anew."""
        while times is None or times > 0:
            assert self._position is not None
            tail = await place.reads.console_tail(OWNER, parse(str(self._position)))
            if tail.is_new:
                return False
            self.seen += [line.text for line in tail.lines]
            self._position = tail.position
            if times is not None:
                times -= 1
            elif tail.is_end:
                break
        return True


async def append(store: Store, draw: random.Random, number: int) -> list[str]:
    """A batch of lines, some with times of late; their texts as they are to come."""
    lines = [
        Record(draw.choice([number, number, draw.randrange(100)]), 0, "", "", "", f"{number} {k}")
        for k in range(draw.randrange(1, 9))
    ]
    await store.events.append(OWNER, Part(f"p{number}", 1000, records={"log": lines}))
    return [line.text for line in sorted(lines, key=lambda line: line.at_ms)]


@pytest.mark.parametrize("seed", range(6))
async def test_every_line_comes_once_in_the_order_of_arrival(
    store: Store, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(seed)
    monkeypatch.setattr(event_tails, "LINES_A_TAIL", draw.choice([1, 3, 7, 1000]))
    monkeypatch.setattr(event_tails, "BLOCKS_A_TAIL", draw.choice([1, 2, 1000]))
    monkeypatch.setattr(event_tails, "BYTES_A_TAIL", draw.choice([1, 100, 10**6]))
    monkeypatch.setattr(console_tail, "TAIL_CHARACTERS", draw.choice([1, 10, 10**6]))
    place, came = Place(store, tmp_path), list[str]()
    followers: list[tuple[int, Follower]] = []
    for number in range(120):
        action = draw.random()
        if action < 0.5:
            came += await append(store, draw, number)
        elif action < 0.6:
            followers.append((len(came), Follower()))
            await followers[-1][1].begin(place, 0)
        elif action < 0.75 and followers:
            assert await draw.choice(followers)[1].read(place, draw.randrange(4))
        elif action < 0.85:
            await (await place.sealer()).seal(OWNER)
        elif action < 0.9:
            await (await place.sealer()).merge(OWNER, least=2)
        else:
            revive = dying(place, draw)
            try:
                await (await place.sealer()).seal(OWNER)
            except Died:
                pass
            finally:
                revive()
            place = Place(store, tmp_path)
    assert len(followers) > 3
    assert len(came) > 100
    for since, follower in followers:
        assert await follower.read(place)
        assert follower.seen == came[since:]


async def test_the_newest_lines_come_first_and_then_what_follows(store: Store, place: Place) -> None:
    draw, came = random.Random(1), list[str]()
    for number in range(20):
        came += await append(store, draw, 1000 + number)
        if number == 10:
            await (await place.sealer()).seal(OWNER)
    by_time = [line.text for line in (await place.reads.console(OWNER, most=12)).lines]
    follower = Follower()
    await follower.begin(place, 12)
    assert follower.seen == by_time
    after = await append(store, draw, 2000)
    assert await follower.read(place)
    assert follower.seen == by_time + after


@pytest.mark.parametrize("is_sealed", [False, True])
async def test_who_follows_begins_anew_when_lines_were_removed(store: Store, place: Place, is_sealed: bool) -> None:
    draw = random.Random(2)
    came = [*await append(store, draw, 1), *await append(store, draw, 2)]
    if is_sealed:
        await (await place.sealer()).seal(OWNER)
    follower = Follower()
    await follower.begin(place, 100)
    assert await follower.read(place)
    assert sorted(follower.seen) == sorted(came)
    assert await store.events.drop_lines(OWNER, lambda line: line.text == came[0]) == 1
    assert not await follower.read(place)
    await follower.begin(place, 100)
    assert sorted(follower.seen) == sorted(came + came[1:])
    await store.events.reset(OWNER)
    assert not await follower.read(place)


async def test_many_followers_share_their_reads(store: Store, place: Place) -> None:
    draw = random.Random(3)
    followers = [Follower() for _ in range(200)]
    for follower in followers:
        await follower.begin(place, 0)
    before = place.reads._tail_reads
    came = await append(store, draw, 1)
    await asyncio.gather(*(follower.read(place) for follower in followers))
    assert [follower.seen for follower in followers] == [came] * 200
    assert place.reads._tail_reads - before <= 4


async def test_who_shares_a_read_that_ends_for_another_reads_for_itself(store: Store, place: Place) -> None:
    follower, other = Follower(), Follower()
    await follower.begin(place, 0)
    await other.begin(place, 0)
    reading = asyncio.ensure_future(follower.read(place))
    await asyncio.sleep(0)  # it has begun to read
    sharing = asyncio.ensure_future(other.read(place))
    await asyncio.sleep(0)
    reading.cancel()
    assert await sharing
    with pytest.raises(asyncio.CancelledError):
        await reading


@pytest.mark.parametrize("text", ["1", "1.2.3.4", "1.2.3.4.5.6", "a.0.0.0.0", "-1.0.0.0.0", f"1.0.0.0.{2**63}"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        parse(text)


async def test_long_lines_come_a_few_at_a_time(store: Store, place: Place) -> None:
    """Each of many who follow and do not read holds what it was given."""
    lines = [Record(number, 0, "", "", "", "x" * 100_000) for number in range(40)]
    tail = await place.reads.console_tail(OWNER, None)
    await store.events.append(OWNER, Part("p", 1000, records={"log": lines}))
    counts = []
    while not tail.is_end or not counts:
        tail = await place.reads.console_tail(OWNER, tail.position)
        counts.append(len(tail.lines))
    assert sum(counts) == 40
    assert max(counts) <= 3
