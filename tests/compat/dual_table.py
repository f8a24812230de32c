"""What two runs of one example recorded, compared by the table of differences that are meant."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("dual_differences.toml")
MISSING = "<not there>"


@dataclass(frozen=True)
class Row:
    """Fields of an example's record that differ, or are not there, and why.

    example: "*" for any. field: a pattern of paths. line: in fields that are lists of lines, only lines that match it.
    is_certain: that it differs each time.
    """

    example: str
    field: str
    reason: str
    line: str = ""
    is_certain: bool = True

    def covers(self, example: str, path: str) -> bool:
        return self.example in ("*", example) and fnmatch.fnmatchcase(path, self.field)


def read() -> list[Row]:
    """The table."""
    return [
        Row(one.get("example", "*"), field, one["reason"], one.get("line", ""), one.get("certain", True))
        for one in tomllib.loads(TABLE.read_text())["difference"]
        for field in ([one["field"]] if isinstance(one["field"], str) else one["field"])
    ]


def compare(example: str, theirs: dict[str, Any], ours: dict[str, Any], rows: Sequence[Row]) -> list[str]:
    """The differences that no row covers; and the rows of this example alone that cover none."""
    found, used = [], set()
    for path in sorted({*theirs, *ours}):
        covering = [row for row in rows if row.covers(example, path)]
        official, own = theirs.get(path, MISSING), ours.get(path, MISSING)
        for row in covering:
            if row.line and isinstance(official, list) and isinstance(own, list):
                kept = [[line for line in lines if not re.search(row.line, line)] for lines in (official, own)]
                used.update({row} if kept != [official, own] else ())
                official, own = kept
        if _same(path, official, own):
            continue
        excused = [row for row in covering if not row.line]
        used.update(excused)
        if not excused:
            found.append(f"{path}\n    official: {official!r:.600}\n    ours:     {own!r:.600}")
    idle = [row for row in rows if row.example == example and row.is_certain and row not in used]
    return found + [f"listed, but the same now: {row.field} ({row.reason})" for row in idle]


PICTURE_STEPS = 3
"""By how much the mean colours of two encodings of one picture may differ, of 255."""


def _same(path: str, first: Any, second: Any) -> bool:
    if path.endswith("content/fields") and isinstance(first, list) and isinstance(second, list):
        pairs = [pair for a, b in zip(first, second, strict=True) for pair in zip(a, b, strict=True)]
        return all(abs(a - b) <= PICTURE_STEPS for a, b in pairs)
    if isinstance(first, float) or isinstance(second, float):
        both = isinstance(first, int | float) and isinstance(second, int | float)
        return both and abs(first - second) <= 1e-6 * abs(first)
    return bool(first == second)
