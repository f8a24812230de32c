"""Callers' regular expressions: those of `re`, and none that stops the server."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.store.errors import InvalidQuery
from control_plane.store.patterns import BUDGET_S, compile_pattern, is_plain, size_of


@pytest.mark.parametrize(
    ("pattern", "plain"),
    [
        (r"^my\ task\ \(1\)\ \+\ more\*$", True),
        (r"^mypipe(| #\d+)$", True),
        (r"lr=[0-9.+*{}]+ .*done", True),
        (r"[]a)*]x", True),
        (r"(?i)loss", True),
        (r"(a+)+$", False),
        (r"(ab){2,}", False),
        (r"(a|a)*b", False),
        (r".*.*.*x", False),
        (r"(x+x+)", True),
    ],
)
def test_what_may_run_without_a_limit(pattern: str, plain: bool) -> None:
    assert is_plain(pattern) == plain


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@given(
    st.text("ab.*+?()[]^$|\\d{1,}", max_size=10),
    st.lists(st.text("ab1()", max_size=12), max_size=5),
    st.sampled_from([0, re.IGNORECASE]),
)
def test_it_finds_what_re_finds(pattern: str, texts: list[str], flags: int) -> None:
    try:
        wanted = re.compile(pattern, flags)
    except re.error:
        with pytest.raises(InvalidQuery):
            compile_pattern(pattern, flags)
        return
    found = compile_pattern(pattern, flags)
    for text in texts:
        assert found.is_in(text) == (wanted.search(text) is not None)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(r"(x+x+)+y", "x" * 4000), (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 4000), (r"(\w+\s?)+$", "a" * 3000 + "!")],
)
def test_a_search_without_end_is_ended(pattern: str, text: str) -> None:
    found = compile_pattern(pattern)
    began = time.monotonic()
    with pytest.raises(InvalidQuery, match="regex"):
        for _ in range(100):
            found.is_in(text)
    assert time.monotonic() - began < BUDGET_S * 20


@pytest.mark.parametrize(
    ("pattern", "size"),
    [
        ("", 0),
        ("abc", 3),
        ("a*b+?c", 3),
        (r"\d{4}-\d{2}", 7),
        ("x{3000}!", 3001),
        ("(?:ab){10}c", 31),
        ("((x{30}){30}){30}", 27_000),
        ("x{5}{4}", 20),
        ("[{]{3}", 3),
        (r"\{9}", 3),
        ("a{,3}b{0,9}c{}", 3),
        ("x{99999999999}", 999_999_999),
        (")(", 1),
    ],
)
def test_what_a_pattern_repeats_counts_as_often(pattern: str, size: int) -> None:
    assert size_of(pattern) == size
