"""Which GPUs a task gets: never more than there is, and never none where there is room."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_agent.errors import UsageError
from clearml_agent.gpus.packing import (
    WHOLE,
    Allocation,
    Board,
    Part,
    Request,
    idle,
    kept_for,
    parse_queue,
    parse_request,
    place,
    used,
)

from .simulated import boards

FOUR = boards(4, 8000)


def holds(*shares: tuple[int, int]) -> list[Allocation]:
    """Allocations of one part each, made of (board, share)."""
    return [
        Allocation([Part(FOUR[board].name, FOUR[board].uuid, share, "" if share == WHOLE else "abcdefgh"[at])])
        for at, (board, share) in enumerate(shares)
    ]


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("1", 1000, 1000),
        ("4", 4000, 4000),
        ("1-4", 1000, 4000),
        ("0.25", 250, 250),
        (".5", 500, 500),
        ("0.125", 125, 125),
    ],
)
def test_a_number_of_gpus_is_whole_a_range_or_a_share(text: str, least: int, most: int) -> None:
    assert parse_request(text) == Request(least, most)
    assert parse_queue(f"a=b={text}") == ("a=b", Request(least, most))


@pytest.mark.parametrize("text", ["0", "0.0", "1.5", "4-1", "0-2", "-1", "half", "", "0.1234", "2-"])
def test_what_is_no_number_of_gpus_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match="is no number of GPUs"):
        parse_queue(f"queue={text}")


def test_queue_without_a_number_gets_one_gpu_and_a_number_needs_a_queue() -> None:
    assert parse_queue("default") == ("default", Request(WHOLE, WHOLE))
    with pytest.raises(UsageError, match="names no queue"):
        parse_queue("=2")


@pytest.mark.parametrize(
    ("request_", "held", "name"),
    [
        ("1", [], "gpu0"),
        ("2", [(0, 1000)], "gpu1,2"),
        ("1-4", [(1, 1000)], "gpu0,2,3"),
        ("1-2", [], "gpu0,1"),
        ("2-4", [(0, 1000), (1, 1000), (2, 1000)], None),
        ("1", [(0, 250), (1, 1000), (2, 1000)], "gpu3"),
        ("0.25", [], "gpu0.25a"),
        ("0.25", [(2, 250)], "gpu2.25b"),
        ("0.25", [(2, 250), (3, 500)], "gpu3.25a"),
        ("0.5", [(2, 750), (3, 500)], "gpu3.5a"),
        ("0.5", [(0, 1000), (1, 1000), (2, 1000), (3, 750)], None),
    ],
)
def test_gpus_are_given_in_order_and_shares_where_they_leave_the_least(
    request_: str, held: Sequence[tuple[int, int]], name: str | None
) -> None:
    found = place(parse_request(request_), FOUR, holds(*held))
    assert (found and found.name) == name


def test_share_of_a_gpu_has_the_same_share_of_its_memory() -> None:
    found = place(parse_request("0.25"), FOUR, [])
    assert found is not None
    assert [(part.memory_mib, part.share_text) for part in found.parts] == [(2000, "0.25")]
    unknown = place(parse_request("0.25"), [Board("0", "GPU-x")], [])
    assert unknown is not None
    assert unknown.parts[0].memory_mib == 0


def test_mig_instance_is_named_as_workers_are() -> None:
    found = place(parse_request("1"), [Board("0:1", "MIG-x", 10_000)], [])
    assert found is not None
    assert (found.name, found.uuids) == ("gpu0.1", ["MIG-x"])


REQUESTS = st.one_of(
    st.integers(1, 4).map(lambda n: Request(n * WHOLE, n * WHOLE)),
    st.tuples(st.integers(1, 4), st.integers(0, 3)).map(lambda t: Request(t[0] * WHOLE, sum(t) * WHOLE)),
    st.sampled_from([100, 125, 250, 333, 500, 667, 750, 999]).map(lambda share: Request(share, share)),
)


@given(
    count=st.integers(1, 6),
    memory=st.sampled_from([0, 7, 8000, 143_771]),
    steps=st.lists(st.tuples(REQUESTS, st.integers(0, 40)), max_size=60),
)
def test_nothing_is_given_twice_and_room_is_always_found(
    count: int, memory: int, steps: list[tuple[Request, int]]
) -> None:
    host, held = boards(count, memory), list[Allocation]()
    for request, ends in steps:
        if ends < len(held):
            held.pop(ends)
        before = used(held)
        found = place(request, host, held)
        if request.is_fraction:
            has_room = any(before.get(board.uuid, 0) + request.most <= WHOLE for board in host)
        else:
            has_room = sum(not before.get(board.uuid) for board in host) * WHOLE >= request.least
        assert (found is not None) == has_room
        if found is None:
            continue
        held.append(found)
        total = sum(part.share for part in found.parts)
        assert request.least <= total <= request.most
        assert all(share <= WHOLE for share in used(held).values())
        for board in host:
            parts = [part for allocation in held for part in allocation.parts if part.uuid == board.uuid]
            assert len({part.letter for part in parts}) == len(parts)
            assert sum(part.memory_mib for part in parts) <= memory
        assert len({allocation.name for allocation in held}) == len(held)


def test_free_gpus_and_the_emptiest_shared_ones_are_kept_for_whole_requests() -> None:
    held = holds((0, 1000), (1, 750), (2, 250))
    uuid = [board.uuid for board in FOUR]
    assert kept_for(parse_request("1"), FOUR, held) == {uuid[3]}
    assert kept_for(parse_request("3"), FOUR, held) == {uuid[3], uuid[2]}
    assert kept_for(parse_request("4"), FOUR, held) == {uuid[3], uuid[2], uuid[1]}
    assert kept_for(parse_request("0.5"), FOUR, held) == {uuid[2]}
    assert idle([uuid[1], uuid[2], uuid[3]], held) == 0.25 + 0.75 + 1
