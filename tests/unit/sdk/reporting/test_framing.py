"""What is read back from a segment is a prefix of what was written, whatever became of its end."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_sdk.journal import framing

texts = st.text(max_size=40)
numbers = st.integers(-(2**63), 2**63 - 1)
records = st.one_of(
    st.builds(framing.series, st.integers(0, 2**32 - 1), texts, texts),
    st.builds(framing.log, st.integers(0, 2**63), st.sampled_from(framing.LEVELS), texts),
    st.builds(framing.event, st.binary(max_size=60)),
)


def ends(written: list[bytes]) -> list[int]:
    offsets = [0]
    for record in written:
        offsets.append(offsets[-1] + len(record))
    return offsets


@given(st.lists(records, max_size=12), st.integers(0, 64))
def test_everything_written_is_read_back_before_the_empty_rest(written: list[bytes], rest: int) -> None:
    data = b"".join(written) + bytes(rest)
    end = framing.valid_end(data, 0, len(data))
    assert end == len(data) - rest
    found = [data[start:stop] for start, stop in pairs(data, end)]
    assert found == written


@given(st.lists(records, min_size=1, max_size=12), st.data())
def test_a_torn_write_loses_only_the_record_that_was_being_written(written: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(written)
    cut = data.draw(st.integers(0, len(whole)))
    torn = whole[:cut] + bytes(len(whole) - cut + 64)
    end = framing.valid_end(torn, 0, len(torn))
    boundaries = ends(written)
    # A record whose last bytes are zeros anyway may be whole already: then it is read.
    assert end in boundaries
    assert end >= max(offset for offset in boundaries if offset <= cut)
    assert torn[:end] == whole[:end]


@given(st.lists(records, min_size=1, max_size=12), st.data())
def test_a_damaged_byte_ends_the_segment_before_it(written: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(b"".join(written))
    position = data.draw(st.integers(0, len(whole) - 1))
    whole[position] ^= data.draw(st.integers(1, 255))
    end = framing.valid_end(bytes(whole), 0, len(whole))
    assert end == max(offset for offset in ends(written) if offset <= position)


@given(st.integers(0, 2**32 - 1), texts, texts)
def test_the_names_of_a_series_come_back(series_id: int, title: str, name: str) -> None:
    record = framing.series(series_id, title, name)
    assert framing.read_series(record[framing.PREFIX_BYTES :]) == (series_id, title, name)


def test_a_text_that_utf8_cannot_carry_is_replaced_not_refused() -> None:
    record = framing.log(1, "info", "bad \ud800 text")
    assert framing.read_log(record[framing.PREFIX_BYTES :]) == (1, "info", "bad ? text")


@pytest.mark.parametrize("iteration", [2**63, -(2**63) - 1])
def test_an_iteration_beyond_64_bits_is_an_error(iteration: int) -> None:
    with pytest.raises(struct.error):
        framing.point(0, iteration, 0, 0.0)


def test_a_record_too_long_for_its_length_field_is_refused() -> None:
    with pytest.raises(ValueError, match="the limit is"):
        framing.event(bytes(framing.MAX_PAYLOAD_BYTES + 1))


def pairs(data: bytes, end: int) -> list[tuple[int, int]]:
    found, start = [], 0
    for _, _, following in framing.records(data, 0, end):
        found.append((start, following))
        start = following
    return found
