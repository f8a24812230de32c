"""How many tasks a daemon asks for, and from which queues."""

from __future__ import annotations

import pytest

from clearml_agent.errors import UsageError
from clearml_agent.placing import Room, Slots, parse_limits
from clearml_agent.queues import Queue
from clearml_agent.runs import Record

QUEUES = [Queue("a1", "first"), Queue("b1", "second"), Queue("c1", "third")]


def running(*queues: str, worker: str = "host:cpu:0") -> list[Record]:
    return [Record(task=f"t{i}", claim=1, token="", worker=worker, queue=queue) for i, queue in enumerate(queues)]


def test_without_limits_every_queue_is_asked_for_what_is_free() -> None:
    slots = Slots(3, "host:cpu:0", QUEUES)
    assert slots.room(running("a1")) == Room(2)
    assert slots.room(running("a1", "a1", "b1")) == Room(0)
    assert slots.room(running("a1", worker="host:cpu:1")) == Room(3)


def test_a_queue_at_its_limit_is_not_asked_and_no_answer_can_go_beyond_one() -> None:
    slots = Slots(100, "host:cpu:0", QUEUES, {0: 2, 2: 5})
    assert slots.room([]) == Room(2, ["a1", "b1", "c1"])
    assert slots.room(running("a1")) == Room(1, ["a1", "b1", "c1"])
    assert slots.room(running("a1", "a1")) == Room(5, ["b1", "c1"])
    assert slots.room(running("a1", "a1", *["c1"] * 5)) == Room(93, ["b1"])


def test_the_limit_of_the_agent_goes_before_those_of_its_queues() -> None:
    slots = Slots(3, "host:cpu:0", QUEUES, {0: 2})
    assert slots.room(running("a1", "b1", "b1")) == Room(0, [])


def test_limits_are_written_after_the_queue() -> None:
    assert parse_limits(["services=20", "pipelines", "odd=name", "a=b=3"]) == (
        ["services", "pipelines", "odd=name", "a=b"],
        {0: 20, 3: 3},
    )
    for text in ("services=0", "services=-1"):
        with pytest.raises(UsageError, match="1 or more"):
            parse_limits([text])
