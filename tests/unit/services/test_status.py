"""The status machine is its table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.services.status import ALL, LOCKED, STEPS, TERMINAL, Status, is_legal

statuses = st.sampled_from(sorted(ALL))

# Written out from contract/wire.md, section 9: the table in the code must say the same.
WIRE = {
    "created": "queued in_progress",
    "queued": "created in_progress stopped",
    "in_progress": "stopped failed created completed",
    "stopped": "queued in_progress created completed failed closed publishing published",
    "closed": "created failed stopped publishing published",
    "failed": "created queued stopped published",
    "completed": "in_progress created published",
    "publishing": "published",
    "published": "",
    "unknown": "",
}


@pytest.mark.parametrize("current", sorted(WIRE))
def test_steps_are_those_of_the_contract(current: str) -> None:
    assert {str(status) for status in STEPS[Status(current)]} == set(WIRE[current].split())


@given(statuses)
def test_same_to_same_is_legal(status: Status) -> None:
    assert is_legal(status, status)


@given(statuses, statuses)
def test_force_allows_everything(current: Status, new: Status) -> None:
    assert is_legal(current, new, force=True)


@given(statuses, statuses)
def test_without_force_the_table_decides(current: Status, new: Status) -> None:
    assert is_legal(current, new) == (current == new or new in STEPS[current])


def test_every_status_has_a_row_and_published_is_the_end() -> None:
    assert set(STEPS) == ALL
    assert not STEPS[Status.PUBLISHED]
    assert LOCKED <= TERMINAL


def test_a_word_that_is_no_status_is_not_legal() -> None:
    assert not is_legal("created", "nonsense")
    assert not is_legal("nonsense", "created")
