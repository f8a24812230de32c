"""How the commands print: tables for people, plain columns where the output is no terminal, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import Any

COLOURS = {
    "completed": "green",
    "published": "green",
    "failed": "red",
    "stopped": "yellow",
    "in_progress": "cyan",
    "queued": "blue",
}
"""Status -> colour."""


def is_terminal() -> bool:
    """Whether a person reads the output, in colours."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Collection[str] = ()) -> None:
    """Print rows under their columns; statuses get their colours. right: columns of numbers."""
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not is_terminal() or (table := rich_table(columns, texts, right)) is None:
        print(plain(columns, texts, right))
        return
    from rich.console import Console

    Console().print(table)


WHOLE = ("ID", "ACCESS KEY")
"""Columns that are of no use with a part missing."""


def rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()) -> Any:
    """The rows as a table of `rich`; None where that is not installed."""
    try:
        from rich.table import Table
        from rich.text import Text
    except ModuleNotFoundError:
        return None
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name in WHOLE, justify="right" if name in right else "left")
    for row in rows:
        table.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in row))
    return table


def plain(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()) -> str:
    """Columns padded with spaces, as programs and pipes like them."""
    lines = [list(columns), *([_one_line(cell) for cell in row] for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]

    def padded(line: Sequence[str]) -> str:
        cells = zip(line, widths, columns, strict=True)
        return "  ".join(c.rjust(width) if name in right else c.ljust(width) for c, width, name in cells).rstrip()

    return "\n".join(padded(line) for line in lines)


def _one_line(cell: str) -> str:
    return " ".join(cell.split())


def shown_id(id_: Any) -> str:
    """An id as tables show it: enough of it to name the task."""
    return str(id_)[:8]


def full_name(task: Mapping[str, Any]) -> str:
    """`project/name` of a task that was read with `project.name`."""
    project = (task.get("project") or {}).get("name") if isinstance(task.get("project"), dict) else None
    return f"{project}/{task.get('name')}" if project else str(task.get("name") or "")


def when(text: Any) -> datetime | None:
    """A time of the API."""
    if not text:
        return None
    found = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def clock(text: Any) -> str:
    """That time on this machine's clock, to the second."""
    moment = when(text)
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def ago(text: Any) -> str:
    """How long ago that was: `3m`, `2d`."""
    moment = when(text)
    return "" if moment is None else lasted(max(0.0, time.time() - moment.timestamp()))


def lasted(seconds: float | None) -> str:
    """A duration in its one or two largest units."""
    if seconds is None:
        return ""
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def runtime_s(task: Mapping[str, Any]) -> float | None:
    """How long a task ran, or runs already."""
    begun = when(task.get("started"))
    if begun is None:
        return None
    if task.get("status") == "in_progress":
        return time.time() - begun.timestamp()
    ended = when(task.get("completed") or task.get("status_changed")) or begun
    return ended.timestamp() - begun.timestamp()


def number(value: Any) -> str:
    """A scalar as tables show it."""
    return f"{value:.6g}" if isinstance(value, int | float) else str(value or "")
