"""What every benchmark shares: a server of its own, statistics, and a table of ratios."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

console = Console(highlight=False, width=100)


@dataclass(frozen=True)
class Figure:
    """One measured quantity. `seconds`: one value a round, both sides measured in alternation."""

    name: str
    ours: Sequence[float]
    official: Sequence[float]


def spread(seconds: Sequence[float]) -> str:
    """`median [min..max]`, in milliseconds."""
    return f"{statistics.median(seconds) * 1e3:.1f} ms [{min(seconds) * 1e3:.1f}..{max(seconds) * 1e3:.1f}]"


def report(title: str, figures: Sequence[Figure], limits: dict[str, Sequence[float]]) -> None:
    """Print each figure as ours, official and their ratio, and below them the raw limits of this machine."""
    table = Table(title=title, title_justify="left")
    for column in ("what", "ours", "official", "ratio"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for figure in figures:
        ratio = statistics.median(figure.ours) / statistics.median(figure.official)
        table.add_row(figure.name, spread(figure.ours), spread(figure.official), f"{ratio:.3f}x")
    for name, seconds in limits.items():
        table.add_row(f"limit: {name}", spread(seconds), "", "")
    console.print(table)


def timed(run: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def bare_interpreter(python: Path | str = sys.executable) -> float:
    """Seconds to start an interpreter that does nothing: the floor of everything that starts one."""
    return timed(lambda: subprocess.run([str(python), "-c", "pass"], check=True))
