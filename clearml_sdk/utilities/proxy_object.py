"""Nested dictionaries as one level, under the path that integrations import it from."""

from __future__ import annotations

from clearml_sdk.parameters import flatten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def flatten_dictionary(a_dict: Mapping[Any, Any], prefix: str = "", sep: str = "/") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a/b": 1}`; lists and empty dictionaries stay values."""
    return flatten(a_dict, prefix, sep)
