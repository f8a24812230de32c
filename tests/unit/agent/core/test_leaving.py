"""The stages in which a daemon leaves."""

from __future__ import annotations

import pytest

from clearml_agent.leaving import Stage, next_stage, order
from clearml_agent.runs import Stop, StopKind


@pytest.mark.parametrize(
    ("signals", "stages"),
    [
        ("TERM TERM TERM", [Stage.DRAIN, Stage.REQUEUE, Stage.KILL]),
        ("INT INT", [Stage.STOP, Stage.KILL]),
        ("HUP HUP TERM", [Stage.DRAIN, Stage.DRAIN, Stage.REQUEUE]),
        ("TERM INT TERM", [Stage.DRAIN, Stage.STOP, Stage.KILL]),
        ("TERM TERM INT", [Stage.DRAIN, Stage.REQUEUE, Stage.KILL]),
        ("INT TERM HUP", [Stage.STOP, Stage.KILL, Stage.KILL]),
    ],
)
def test_each_signal_goes_one_stage_further(signals: str, stages: list[Stage]) -> None:
    stage, seen = Stage.SERVING, []
    for name in signals.split():
        stage = next_stage(stage, f"SIG{name}")
        seen.append(stage)
    assert seen == stages


def test_draining_leaves_what_runs_alone() -> None:
    assert order(Stage.DRAIN, "SIGTERM", "") is None
    assert order(Stage.REQUEUE, "SIGTERM", "") == Stop(StopKind.REQUEUE, "SIGTERM")
    assert order(Stage.STOP, "SIGINT", "ann") == Stop(StopKind.AGENT, "SIGINT", "ann")


def test_what_a_user_wants_goes_before_what_the_agent_wants() -> None:
    kinds = [StopKind.REQUEUE, StopKind.AGENT, StopKind.USER, StopKind.STATUS, StopKind.FENCED]
    stops = [Stop(kind, "x") for kind in kinds]
    assert stops[0].outranks(None)
    for index, stop in enumerate(stops):
        assert [stop.outranks(other) for other in stops] == [index > other for other in range(len(stops))]
