"""Every endpoint that writes, its answer lost after the commit and the call sent again: one effect, and a 200.

Source: contract/wire.md, section 6.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from control_plane.services.repeats import ONCE
from control_plane.services.table import handler_table
from tests.conftest import RunningServer
from tests.faults import FaultProxy, Moment, RetryingClient

from .cases import ALSO_READS, CASES, DOUBLES, ENDS_THE_CALLER, GONE, WAITS, writes
from .world import World

TABLE = handler_table()


@pytest.fixture(scope="module")
def world(server: RunningServer) -> World:
    return World(server)


@pytest.fixture(scope="module")
def proxy(server: RunningServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.api) as running:
        yield running


def test_every_write_has_a_case_and_nothing_else_has() -> None:
    assert sorted({*CASES, *WAITS}) == sorted(writes(TABLE))
    assert not (ALSO_READS | GONE | set(DOUBLES) | set(ENDS_THE_CALLER) | set(ONCE)) - set(TABLE)


def lose_one(world: World, proxy: FaultProxy, name: str, moment: Moment) -> tuple[dict[str, Any], Any, Any]:
    """Make the call of a case, cut once; what is there before, between the two tries and after them."""
    body = CASES[name](world)
    before = world.picture(body)
    between: list[dict[str, Any]] = []
    client = RetryingClient(proxy.url, world.token)
    proxy.cuts.clear()
    proxy.cut(name, moment, lambda: between.append(world.picture(body)))
    try:
        code, subcode, data = client.call(name, body)
    finally:
        client.close()
    assert proxy.cuts == [name]
    assert client.tries == 2
    assert (code, subcode) == (200, 0), data
    return before, between[0], (world.picture(body), data)


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_lost_answer_leaves_one_effect_and_the_retry_is_answered(world: World, proxy: FaultProxy, name: str) -> None:
    _, between, (after, _) = lose_one(world, proxy, name, "after")
    assert after == between


@pytest.mark.parametrize("name", ["tasks.enqueue", "tasks.delete", "queues.get_next_task", "queues.create"])
@pytest.mark.parametrize("moment", ["before", "half"])
def test_so_does_half_an_answer_and_a_request_that_never_came(
    world: World, proxy: FaultProxy, name: str, moment: Moment
) -> None:
    before, between, (after, _) = lose_one(world, proxy, name, moment)
    if moment == "half":
        assert after == between
    else:
        assert between == before != after


def successes(data: Any) -> Any:
    """An answer without its times, in an order of its own."""
    if isinstance(data, dict):
        return {key: successes(value) for key, value in data.items() if not key.endswith(("_update", "_change"))}
    if isinstance(data, list) and data and isinstance(data[0], dict) and "id" in data[0]:
        return sorted(map(successes, data), key=lambda item: str(item["id"]))
    return data


@pytest.mark.parametrize("name", ["tasks.enqueue", "tasks.enqueue_many", "tasks.delete", "tasks.delete_many"])
def test_the_retry_is_answered_as_the_first_try(server: RunningServer, world: World, name: str) -> None:
    """All of it: the addresses of a deleted task's files are in no other answer."""
    answers: list[Any] = []
    with FaultProxy(server.api, on_lost=lambda answer: answers.append(answer["data"])) as proxy:
        _, _, (_, data) = lose_one(world, proxy, name, "after")
    assert len(answers) == 1
    assert successes(data) == successes(answers[0])
