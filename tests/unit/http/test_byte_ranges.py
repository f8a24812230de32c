"""Which bytes of a file a request for a part of it gets."""

from __future__ import annotations

import pytest

from control_plane.http.byte_ranges import Part, Version, wanted_part

VERSION = Version(100, '"a-b-c"', 1_700_000_000.75)
NOW = 1_700_000_100.0
WHOLE = Part(0, 100, is_whole=True)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (None, WHOLE),
        ("bytes=0-9", Part(0, 10, is_whole=False)),
        ("bytes=0-0", Part(0, 1, is_whole=False)),
        ("Bytes = 90-", Part(90, 100, is_whole=False)),
        ("bytes=90-1000", Part(90, 100, is_whole=False)),
        ("bytes=-10", Part(90, 100, is_whole=False)),
        ("bytes=-1000", Part(0, 100, is_whole=False)),
        ("bytes=0-", Part(0, 100, is_whole=False)),
        ("bytes=100-", None),
        ("bytes=-0", None),
        ("bytes=9-8", WHOLE),
        ("bytes=0-1,5-6", WHOLE),
        ("lines=0-1", WHOLE),
        ("bytes=-", WHOLE),
        ("bytes=a-b", WHOLE),
    ],
)
def test_one_range_is_sent_and_what_is_none_changes_nothing(asked: str | None, found: Part | None) -> None:
    assert wanted_part(VERSION, asked, None, now=NOW) == found


@pytest.mark.parametrize(
    ("validator", "is_same"),
    [
        ('"a-b-c"', True),
        ('"other"', False),
        ('W/"a-b-c"', False),
        (VERSION.last_modified, True),
        ("Tue, 14 Nov 2023 22:13:21 GMT", False),
        ("yesterday", False),
    ],
)
def test_the_rest_is_sent_only_of_the_same_version(validator: str, is_same: bool) -> None:
    found = wanted_part(VERSION, "bytes=50-", validator, now=NOW)
    assert found == (Part(50, 100, is_whole=False) if is_same else WHOLE)


def test_a_date_of_this_second_tells_no_versions_apart() -> None:
    assert wanted_part(VERSION, "bytes=50-", VERSION.last_modified, now=VERSION.modified_at + 0.2) == WHOLE


def test_an_empty_file_has_no_part() -> None:
    empty = Version(0, '"e"', 0.0)
    assert wanted_part(empty, "bytes=0-10", None, now=NOW) is None
    assert wanted_part(empty, None, None, now=NOW) == Part(0, 0, is_whole=True)
