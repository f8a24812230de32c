"""Who is given up, when, and what becomes of the task."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.services.lost import LOST, LOST_AGENTS, NON_RESPONSIVE, Signs, Verdict, judge, retries
from control_plane.services.status import Status
from control_plane.settings import Settings

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
SETTINGS = Settings()
DAY_AGO_MS = NOW_MS - 86_400_000


def task(silent_s: float, **more: Any) -> dict[str, Any]:
    return {"last_update": (NOW - timedelta(seconds=silent_s)).isoformat(), **more}


def asking(times: Any, used: int = 0, **more: Any) -> dict[str, Any]:
    """A lost task that asks to be queued again."""
    properties = {"retries": {"section": "properties", "name": "retries", "value": times}}
    asked = {"hyperparams": {"properties": properties}, "execution": {"queue": "q"}, LOST_AGENTS: used or None}
    return task(1000, **asked, **more)


def verdict_of(task: dict[str, Any], *, lease_over_s: float | None = None, **more: Any) -> Verdict | None:
    until = None if lease_over_s is None else NOW_MS - int(lease_over_s * 1000)
    facts: dict[str, Any] = {"now_ms": NOW_MS, "since_ms": DAY_AGO_MS, **more}
    return judge(task, lease_until_ms=until, settings=SETTINGS, **facts)


def verdict(task: dict[str, Any], *, lease_over_s: float | None = None, **more: Any) -> Status | None:
    found = verdict_of(task, lease_over_s=lease_over_s, **more)
    return None if found is None else found.status


def test_a_task_of_ours_is_stopped_when_its_agent_and_it_are_silent() -> None:
    found = verdict_of(task(600, last_worker="box:0"), lease_over_s=600)
    assert found is not None
    assert (found.status, found.reason) == (Status.STOPPED, LOST)
    assert "box:0" in found.message
    assert "600 s" in found.message


def test_a_lost_agent_is_noticed_within_a_minute() -> None:
    """It renewed last a moment before it died, and its task spoke last at that moment, too."""
    settings = Settings()
    for renewed_ago_s in range(61):
        over_s = renewed_ago_s - settings.lease_s
        if verdict(task(renewed_ago_s), lease_over_s=over_s) is not None:
            assert settings.lease_s < renewed_ago_s <= 60 - settings.watch_period_s - 2
            return
    raise AssertionError("not noticed")


@pytest.mark.parametrize(("silent_s", "lease_over_s"), [(601, 10), (10, 5000), (601, -5), (44, 600)])
def test_either_sign_of_life_keeps_a_task_of_ours(silent_s: float, lease_over_s: float) -> None:
    assert verdict(task(silent_s), lease_over_s=lease_over_s) is None


def test_others_have_two_hours() -> None:
    assert verdict(task(7199)) is None
    found = verdict_of(task(7201))
    assert found is not None
    assert (found.status, found.reason, found.message) == (Status.STOPPED, NON_RESPONSIVE, NON_RESPONSIVE)


def test_a_report_of_the_worker_is_a_sign_of_life() -> None:
    report = (NOW - timedelta(seconds=30)).isoformat()
    assert verdict(task(99_999, last_worker_report=report)) is None


def test_who_was_asked_to_stop_has_ten_minutes() -> None:
    assert verdict(task(599, status_message="stopping")) is None
    assert verdict(task(601, status_message="stopping")) == Status.STOPPED


def test_time_without_a_server_counts_for_nobody() -> None:
    just_up = NOW_MS - 5_000
    assert verdict(task(50_000), since_ms=just_up) is None
    assert verdict(task(50_000), lease_over_s=50_000, since_ms=just_up) is None


def test_a_task_without_any_time_is_judged_by_the_watch() -> None:
    assert verdict({}, since_ms=NOW_MS - 7_300_000) == Status.STOPPED
    assert verdict({}, since_ms=NOW_MS - 1_000) is None


# ---- retries


def test_a_task_that_asks_is_queued_again_as_often_as_it_asks() -> None:
    outcomes = [verdict_of(asking("2", used), lease_over_s=1000) for used in range(3)]
    assert [found and found.status for found in outcomes] == [Status.QUEUED, Status.QUEUED, Status.STOPPED]
    first, second, last = (found.message if found else "" for found in outcomes)
    assert first.startswith("Queued again (1 of 2): its agent unknown is lost")
    assert second.startswith("Queued again (2 of 2)")
    assert last.endswith("(after 2 retries)")


def test_one_that_was_asked_to_stop_or_was_in_no_queue_is_not_queued_again() -> None:
    assert verdict(asking("2", status_message="stopping"), lease_over_s=1000) == Status.STOPPED
    assert verdict({**asking("2"), "execution": {}}, lease_over_s=1000) == Status.STOPPED


def test_what_no_agent_of_ours_ran_is_not_queued_again() -> None:
    """Nobody knows whether an official agent's process still runs."""
    assert verdict({**asking("2"), **task(8000)}) == Status.STOPPED


@pytest.mark.parametrize("value", ["", "many", "-1", "1.5", None, [], "9" * 30, "\u0663"])
def test_what_is_no_number_asks_for_nothing(value: Any) -> None:
    assert retries(asking(value)) == 0


# ---- clocks


def test_a_sign_from_the_future_counts_from_when_it_was_seen_first() -> None:
    signs = Signs()
    ahead = NOW_MS + 3_600_000
    assert signs.silent_s("t", ahead, now_ms=NOW_MS, monotonic_s=100.0) == 0.0
    assert signs.silent_s("t", ahead, now_ms=NOW_MS + 5000, monotonic_s=105.0) == 5.0
    assert signs.silent_s("t", ahead + 1, now_ms=NOW_MS + 6000, monotonic_s=106.0) == 0.0
    assert signs.silent_s("t", NOW_MS, now_ms=NOW_MS, monotonic_s=107.0) is None
    assert verdict(task(-3600), silent_s=7201) == Status.STOPPED
    assert verdict(task(-3600), silent_s=7199) is None


@given(
    silent_s=st.floats(-1e5, 1e5),
    lease_over_s=st.none() | st.floats(-1e5, 1e5),
    up_s=st.floats(0, 1e5),
    times=st.integers(0, 3),
    used=st.integers(0, 3),
)
def test_nobody_who_spoke_lately_is_given_up(
    silent_s: float, lease_over_s: float | None, up_s: float, times: int, used: int
) -> None:
    """Whatever the lease, the outage and the wishes: no verdict without the full time of silence."""
    lost = {**asking(str(times), used), **task(silent_s)}
    found = verdict(lost, lease_over_s=lease_over_s, since_ms=NOW_MS - int(up_s * 1000))
    limit_s = SETTINGS.stuck_after_s if lease_over_s is None else SETTINGS.lost_after_s
    if min(silent_s, up_s) < limit_s - 0.01:
        assert found is None
    if found == Status.QUEUED:
        assert used < times
