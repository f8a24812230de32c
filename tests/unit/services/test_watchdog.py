"""The watchdogs' verdicts: who is given up, and when."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from control_plane.services.status import Status
from control_plane.services.watchdog import NON_RESPONSIVE, judge
from control_plane.settings import Settings

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
SETTINGS = Settings()
DAY_AGO_MS = NOW_MS - 86_400_000


def task(silent_s: float, **more: Any) -> dict[str, Any]:
    return {"last_update": (NOW - timedelta(seconds=silent_s)).isoformat(), **more}


def verdict(task: dict[str, Any], *, lease_over_s: float | None = None, since_ms: int = DAY_AGO_MS) -> Status | None:
    until = None if lease_over_s is None else NOW_MS - int(lease_over_s * 1000)
    found = judge(task, now_ms=NOW_MS, since_ms=since_ms, lease_until_ms=until, settings=SETTINGS)
    return None if found is None else found.status


def test_a_task_of_ours_fails_when_its_agent_and_it_are_silent() -> None:
    assert verdict(task(601), lease_over_s=601) == Status.FAILED


@pytest.mark.parametrize(("silent_s", "lease_over_s"), [(601, 10), (10, 5000), (601, -5)])
def test_either_sign_of_life_keeps_a_task_of_ours(silent_s: float, lease_over_s: float) -> None:
    assert verdict(task(silent_s), lease_over_s=lease_over_s) is None


def test_others_have_two_hours() -> None:
    assert verdict(task(7199)) is None
    found = judge(task(7201), now_ms=NOW_MS, since_ms=DAY_AGO_MS, lease_until_ms=None, settings=SETTINGS)
    assert found is not None
    assert (found.status, found.reason) == (Status.STOPPED, NON_RESPONSIVE)


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
