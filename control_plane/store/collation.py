"""The order of values: how those of one field compare, whatever types they are. Pure. Source: wire.md 7, `order_by`."""

from __future__ import annotations

import math
import re
from typing import Any

SortPlace = tuple[Any, ...]
"""Begins with 0 for a number, which follows; greater for everything else."""


def plain(value: Any) -> SortPlace:
    """Numbers first, then texts, then lists member by member, then objects."""
    if isinstance(value, (int, float)):
        return (0, value)
    if isinstance(value, str):
        return (1, value)
    if isinstance(value, list):
        return (2, [plain(item) for item in value])
    return (3, str(value))


def natural(value: Any) -> SortPlace:
    """A sort key by which "9" comes before "10": numbers first, then texts by their words and numbers."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (0, float(value))
    text = str(value)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isnan(number):
        return (0, number)
    return (1, tuple(_place(part) for part in re.split(r"([0-9]+)", text) if part))


def _place(part: str) -> SortPlace:
    """Of a word or a number in a text; numbers may be longer than Python makes integers of."""
    if not part[0].isascii() or not part[0].isdecimal():
        return (1, 0, part)
    digits = part.lstrip("0")
    return (0, len(digits), digits)
