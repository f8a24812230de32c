"""What the page shows of an object is the begin of its representation, of which no more is made than that."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearml_sdk.artifacts import previews

LIMIT = 20
plain = st.one_of(
    st.integers(), st.floats(), st.none(), st.text(max_size=30), st.binary(max_size=30), st.sampled_from(["'", '"'])
)
quotes = st.text(alphabet="'\"ab\\\n\x00ü", max_size=40)
hashable = st.recursive(
    plain | quotes, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5
)
values = st.recursive(
    plain | quotes | quotes.map(lambda text: text.encode()),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(hashable, inner, max_size=4)
        | st.sets(hashable, max_size=4)
    ),
    max_leaves=15,
)


@settings(max_examples=150)
@given(value=values)
def test_the_preview_is_the_begin_of_the_representation(value: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(previews, "MAX_BYTES", LIMIT)
        assert previews.of_object(value) == previews.cut(repr(value))


def test_what_holds_itself() -> None:
    loop: list[Any] = [1, (2, {"k": []})]
    loop[1][1]["k"] = loop
    loop.append({"own": loop})
    assert previews.of_object(loop) == repr(loop)


@pytest.mark.parametrize(
    "value",
    [
        bytes(20_000_000),
        "x" * 20_000_000,
        {"k" * 70_000: b"x" * 20_000_000},
        [0.5] * 2_000_000,
        {n: n for n in range(500_000)},
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_more_is_made_than_is_shown(value: Any) -> None:
    tracemalloc.start()
    try:
        assert len(previews.of_object(value)) == previews.MAX_BYTES
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_an_object_whose_representation_fails() -> None:
    class Bad:
        def __repr__(self) -> str:
            raise RuntimeError

    assert "repr() fails" in previews.of_object([Bad()])
