"""Parameter values as texts and back."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearml_sdk.values import from_text, like, to_text

SIMPLE = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = SIMPLE | st.lists(st.integers()) | st.lists(st.text()) | st.dictionaries(st.text(), st.integers() | st.text())


class Colour(Enum):
    red = 1
    green = "g"


@pytest.mark.parametrize(
    ("value", "text", "kind"),
    [
        (1, "1", "int"),
        (0.1, "0.1", "float"),
        (True, "True", "bool"),
        ("a", "a", "str"),
        (None, "", None),
        ([1, 2], "[1, 2]", "list/int"),
        ((1, "a"), "[1, 'a']", "tuple"),
        ({}, "{}", "dict"),
        (Colour.green, "g", "Colour"),
    ],
)
def test_values_are_recorded_as_official_clients_record_them(value: Any, text: str, kind: str | None) -> None:
    assert to_text(value) == (text, kind)


@given(VALUES)
def test_a_recorded_value_comes_back_by_its_type(value: Any) -> None:
    text, kind = to_text(value)
    assert from_text(text, kind) == value


@given(VALUES)
def test_a_recorded_value_comes_back_like_itself(value: Any) -> None:
    text, kind = to_text(value)
    assert like(text, value, kind) == value


@pytest.mark.parametrize(
    ("text", "sample", "expected"),
    [
        ("0.5", 1.0, 0.5),
        ("2", 1.0, 2.0),
        ("3", 1, 3),
        ("3.0", 1, 3),
        ("0.5", 1, 0.5),
        ("yes", False, True),
        ("False", True, False),
        ("0", True, False),
        ("[3, 4]", [1], [3, 4]),
        ("[3, 4]", ["a"], ["3", "4"]),
        ("a, b", ["x"], ["a", "b"]),
        ("(1, 2)", (0, 0), (1, 2)),
        ("{'a': 2}", {"a": 1}, {"a": 2}),
        ("", 5, None),
        ("None", 5, None),
        ("7", "x", "7"),
        ("green", Colour.red, Colour.green),
        ("1", Colour.green, Colour.red),
        ("text", None, "text"),
        ("", None, None),
    ],
)
def test_edited_texts_take_the_type_of_the_scripts_value(text: str, sample: Any, expected: Any) -> None:
    found = like(text, sample)
    assert found == expected and type(found) is type(expected)
