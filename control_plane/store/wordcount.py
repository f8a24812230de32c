"""How often texts hold the words of a search: many texts are looked through as one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_PIECE = 10_000
"""Texts joined at a time: other threads run in between."""


def occurrences(values: Sequence[Any], words: Sequence[str]) -> npt.NDArray[np.int64]:
    """How often each value, as text in lower case, holds any of the words. None holds none.

    Args:
        words: lower-case; without line breaks, which stand between the texts here.
    """
    counts = np.zeros(len(values), np.int64)
    patterns = [re.compile(re.escape(word)) for word in words]
    for first in range(0, len(values), _PIECE):
        texts = ["" if value is None else str(value).lower() for value in values[first : first + _PIECE]]
        ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
        joined = "\n".join(texts)
        for pattern in patterns:
            starts = [match.start() for match in pattern.finditer(joined)]
            np.add.at(counts, first + np.searchsorted(ends, starts, side="right"), 1)
    return counts
