"""Token buckets, against the rule they stand for; whose address a call has; passwords' and times' forms."""

import argparse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.commands._accounts import seconds
from control_plane.http.limits import forwarded_for
from control_plane.services import passwords
from control_plane.services.access import login_name
from control_plane.services.buckets import REMEMBERED, Buckets
from control_plane.services.errors import ApiError
from control_plane.services.guesses import Guesses
from control_plane.services.passwords import Passwords


@given(
    burst=st.integers(1, 20),
    per_s=st.floats(0.1, 50),
    steps=st.lists(st.floats(0, 3, allow_nan=False), min_size=1, max_size=60),
)
def test_no_window_of_time_lets_more_through_than_burst_and_rate(burst: int, per_s: float, steps: list[float]) -> None:
    buckets = Buckets(per_s, burst)
    now, passed = 0.0, []
    for step in steps:
        now += step
        wait_s = buckets.take("x", now)
        if not wait_s:
            passed.append(now)
        else:
            # Who waits as long as told is let through.
            assert buckets.wait_s("x", now + wait_s + 1e-6) < 1e-5
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - passed[first]) * per_s + 1e-6


def test_names_do_not_share_a_bucket_and_asking_takes_nothing() -> None:
    buckets = Buckets(1, 2)
    assert [buckets.wait_s("a", 0) for _ in range(9)] == [0.0] * 9
    assert [buckets.take("a", 0) for _ in range(3)] == [0.0, 0.0, 1.0]
    assert buckets.take("b", 0) == 0.0
    assert buckets.take("a", 0.5) == 0.5
    assert buckets.take("a", 1.0) == 0.0


def test_a_clock_that_goes_back_takes_nothing_away() -> None:
    buckets = Buckets(1, 2)
    assert [buckets.take("a", 100), buckets.take("a", 50), buckets.take("a", 50)] == [0.0, 0.0, 1.0]


def test_no_limit_is_no_limit() -> None:
    buckets = Buckets(0, 0)
    assert [buckets.take("a", 0) for _ in range(1000)] == [0.0] * 1000


def test_the_memory_of_buckets_is_bounded() -> None:
    buckets = Buckets(1, 1)
    for number in range(REMEMBERED + 10):
        buckets.take(str(number), 0)
    assert len(buckets._levels) == REMEMBERED


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("", ""),
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.0.0.1", "203.0.113.7"),
        ("1.2.3.4, 203.0.113.7, 10.0.0.1", "203.0.113.7"),
        ("10.0.0.1", ""),
        ("not an address", ""),
        ("203.0.113.7, evil\r\n", ""),
        (" 2001:DB8::1 ", "2001:db8::1"),
    ],
)
def test_the_last_address_that_is_no_proxy_counts(header: str, address: str) -> None:
    assert forwarded_for(header, {"10.0.0.1"}) == address


def test_guesses_of_one_do_not_hold_up_another() -> None:
    guesses = Guesses.allowing(3)
    for _ in range(3):
        guesses.check("ada", "1.1.1.1")
        guesses.wrong("ada", "1.1.1.1")
    with pytest.raises(ApiError) as caught:
        guesses.check("ada", "1.1.1.1")
    assert (caught.value.code, caught.value.subcode) == (429, 192)
    guesses.check("ada", "2.2.2.2")
    guesses.check("bob", "1.1.1.1")


def test_a_user_guessed_at_from_everywhere_is_protected_too() -> None:
    guesses = Guesses.allowing(2)
    for number in range(60):
        guesses.wrong("ada", f"1.1.{number}.1")
    with pytest.raises(ApiError):
        guesses.check("ada", "9.9.9.9")
    guesses.check("bob", "9.9.9.9")


async def test_passwords_are_right_or_not() -> None:
    made = Passwords()
    stored = await made.hash("correct horse")
    assert stored.startswith("$argon2id$") and "correct" not in stored
    assert stored != await made.hash("correct horse")
    assert await made.is_right(stored, "correct horse")
    for wrong in ("", "correct hors", "correct horse ", "x" * 100_000):
        assert not await made.is_right(stored, wrong)
    assert not await made.is_right(None, "correct horse")
    assert not await made.is_right("damaged", "correct horse")


def test_generated_passwords_are_accepted_and_differ() -> None:
    found = {passwords.generated() for _ in range(100)}
    assert len(found) == 100
    for password in found:
        passwords.accept(password)


def test_a_login_name_knows_no_case() -> None:
    assert login_name("  Straße ") == login_name("STRASSE")


@pytest.mark.parametrize(("text", "found"), [("30m", 1800), ("12h", 43_200), ("90d", 7_776_000), (" 1 Y ", 31_536_000)])
def test_times_are_read(text: str, found: int) -> None:
    assert seconds(text) == found


@pytest.mark.parametrize("text", ["", "0d", "-1d", "1.5h", "12", "d", "1 month"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        seconds(text)
