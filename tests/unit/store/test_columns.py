"""Columns give back what was put into them, and sort it."""

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.store import kept
from control_plane.store.collation import natural, plain
from control_plane.store.columns import Column, microseconds
from control_plane.store.fields import look_inside
from control_plane.store.ranks import Ranks
from control_plane.store.wordcount import occurrences

TIMES = st.datetimes().map(lambda moment: moment.isoformat(timespec="microseconds") + "+00:00")
NUMBER_TEXTS = st.integers().map(str) | st.floats().map(str) | st.sampled_from(["007", "1e-3", "-0", "+1", " 1", "1_0"])
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
JSON = st.recursive(
    SCALARS | st.text() | TIMES | NUMBER_TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.booleans(), st.lists(st.lists(st.tuples(st.integers(0, 9), JSON), unique_by=lambda pair: pair[0])))
def test_a_column_gives_back_what_was_put_last(by_numbers, batches):
    column = Column(10, by_numbers=by_numbers)
    known = {}
    for batch in batches:
        column.put([row for row, _ in batch], [value for _, value in batch])
        known |= dict(batch)
    expected = [known.get(row) for row in range(10)]
    rows = np.arange(10)
    assert repr(column.values(rows)) == repr(expected)
    assert column.present == sum(value is not None for value in expected)
    numbers, values = column.groups(rows)
    assert repr([values[number] for number in numbers.tolist()]) == repr(expected)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.lists(NUMBERS, min_size=1)
    | st.lists(st.integers(-(2**70), 2**70), min_size=1)
    | st.lists(st.integers(-9, 9), min_size=1)
    | st.lists(NUMBERS.map(repr), min_size=1)
    | st.lists(st.integers().map(str), min_size=1)
    | st.lists(NUMBER_TEXTS, min_size=1),
    st.booleans(),
)
def test_values_of_one_kind_put_at_once_lie_as_those_put_one_by_one(values, by_numbers):
    at_once, one_by_one = Column(len(values), by_numbers=by_numbers), Column(len(values), by_numbers=by_numbers)
    at_once.put(range(len(values)), values)
    for row, value in enumerate(values):
        one_by_one.put([row], [value])
    assert at_once.kinds.tolist() == one_by_one.kinds.tolist()
    assert repr(at_once.data.tolist()) == repr(one_by_one.data.tolist())
    assert at_once.table == one_by_one.table


@given(st.lists(JSON | st.fixed_dictionaries({"value": JSON, "x": JSON})), st.sampled_from(["value", "x", "name"]))
def test_a_value_inside_each_leaf_is_read_as_from_the_whole_leaf(leaves, key):
    decoded = kept.decoded(orjson.dumps(leaves), (key,))
    assert repr(decoded) == repr([look_inside(leaf, (key,)) for leaf in orjson.loads(orjson.dumps(leaves))])


@given(st.lists(st.text() | TIMES, min_size=1))
def test_times_that_turn_out_to_be_texts_stay_what_they_were(values):
    column = Column(len(values) + 1)
    for row, value in enumerate(values):
        column.put([row], [value])
    assert column.values(np.arange(len(values) + 1)) == [*values, None]


@pytest.mark.parametrize("key", [plain, natural])
@given(values=st.lists(JSON.filter(lambda value: value is not None), unique_by=repr), size=st.integers(1, 9))
def test_ranks_that_grow_are_the_order_of_everything(key, values, size):
    table = []
    ranks = Ranks(table, by_numbers=key is natural)
    for first in range(0, len(values), size):
        table += values[first : first + size]
        ranks.update()
    keys = [key(value) for value in values]
    for one, place, is_number in zip(keys, ranks.place.tolist(), ranks.is_number.tolist(), strict=True):
        assert is_number == (one[0] == 0)
        for other, other_place, other_is_number in zip(
            keys, ranks.place.tolist(), ranks.is_number.tolist(), strict=True
        ):
            if is_number == other_is_number:
                assert (one < other, one == other) == (place < other_place, place == other_place)


@given(st.lists(st.text() | st.none() | st.lists(st.text())), st.lists(st.sampled_from(["a", "é", "a.b", "1"])))
def test_words_are_counted_as_in_each_text_alone(values, words):
    expected = [0 if value is None else sum(str(value).lower().count(word) for word in words) for value in values]
    assert occurrences(values, words).tolist() == expected


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-31T12:00:00.000000",
        "2024-01-31 12:00:00.000000+00:00",
        "2024-01-31T12:00:00.000000+01:00",
        "2024-02-30T12:00:00.000000+00:00",
        "9999-01-31T12:00:00.000000+00:00",
        "2024-W05-3T12:00:00.00000000+00:",
        5,
        None,
    ],
)
def test_only_a_time_as_the_store_writes_it_is_kept_as_one(text):
    assert microseconds(text) is None
