"""Callers' regular expressions: those of `re`, and none that stops the server."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.store.errors import InvalidQuery
from control_plane.store.patterns import BUDGET_S, compile_pattern, plain_length, size_of


@pytest.mark.parametrize(
    ("pattern", "length"),
    [
        (r"^my\ task\ \(1\)\ \+\ more\*$", 2000),
        (r"^mypipe(| #\d+)$", 447),
        (r"lr=[0-9.+*{}]+ .*done", 106),
        (r"[]a)*]x", 2000),
        (r"(?i)loss", 2000),
        (r"(?P<step>loss)+?", 0),
        (r"^(one|two|three)$", 2000),
        (r"(x+x+)", 106),
        (r"(x+?)\1", 106),
        (r"(a+)+$", 0),
        (r"(ab){2,}", 0),
        (r"(a|a)*b", 0),
        (r".*.*.*x", 0),
        (r"a?" * 20 + "a" * 20, 0),
        (r"(?:a|aa)" * 20 + "b", 0),
        (r"(a)?" * 20 + "b", 0),
        (r"((a|aa)|(b|bb))" * 8 + "c", 0),
        ("|".join("x" * 2000), 100),
        (r"(?P<a>x+)(?P=a)", 0),
    ],
)
def test_how_long_a_text_may_be_without_a_limit(pattern: str, length: int) -> None:
    assert plain_length(pattern) == length


@pytest.mark.parametrize(
    ("pattern", "letter"),
    [
        ("x*x*y", "x"),
        ("[xz]*[xz]*[^x]", "x"),
        ("(x|xx|xxx)(x|xx)(x|xx)x*y", "x"),
        ("x?x?x?x?x*z", "x"),
        (r"(x+)\1y", "x"),
    ],
)
def test_a_search_without_a_limit_is_short(pattern: str, letter: str) -> None:
    text = letter * plain_length(pattern)
    began = time.process_time()
    assert re.search(pattern, text) is None
    assert len(text) > 8
    assert time.process_time() - began < 0.5  # of about a millisecond; with the text's old limit it took up to minutes


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@settings(deadline=None)  # a module is loaded on the way
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
    [
        (r"(x+x+)+y", "x" * 4000),
        (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 4000),
        (r"(\w+\s?)+$", "a" * 3000 + "!"),
        (r"(?:a|aa)" * 40 + "b", "a" * 80),
    ],
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
