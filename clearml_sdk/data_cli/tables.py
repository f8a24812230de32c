"""What commands print: tables, and JSON."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], *, right: frozenset[str] = frozenset()) -> str:
    """Columns under their heads, as wide as what is in them. right: heads of columns of numbers."""
    cells = [[str(cell) if cell is not None else "" for cell in row] for row in rows]
    widths = [max(len(name), *(len(row[at]) for row in cells), 0) for at, name in enumerate(head)]

    def line(row: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if name in right else cell.ljust(width)
            for cell, width, name in zip(row, widths, head, strict=True)
        ]
        return " | ".join(padded).rstrip()

    rule = "-" * (sum(widths) + 3 * (len(widths) - 1))
    return "\n".join([line(head), rule, *(line(row) for row in cells)])


def print_json(value: Any) -> None:
    """One JSON object, times and the like as text."""
    print(json.dumps(value, indent=1, default=str, ensure_ascii=False))
