"""A table of figures beside the raw limit of the machine and the goal that each has: does it hold?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

console = Console(highlight=False, width=140)


class Goals:
    """Collects figures; `show` prints them.

    A figure is the median of its values. `limit` is what the machine itself can do, measured in the same run;
    `beside` names what stands there instead.
    """

    def __init__(self, title: str, *, beside: str = "raw limit") -> None:
        self.missed: list[str] = []
        self._table = Table(title=title, title_justify="left")
        for column in ("what", "measured", beside, "goal", "holds"):
            self._table.add_column(column, justify="left" if column == "what" else "right")

    def at_most(self, what: str, values: Sequence[float], unit: str, goal: float, limit: str = "") -> None:
        """A figure that should be no larger than its goal."""
        self._add(what, values, unit, limit, f"<= {_number(goal)}", statistics.median(values) <= goal)

    def at_least(self, what: str, values: Sequence[float], unit: str, goal: float, limit: str = "") -> None:
        """A figure that should be no smaller than its goal."""
        self._add(what, values, unit, limit, f">= {_number(goal)}", statistics.median(values) >= goal)

    def note(self, what: str, values: Sequence[float], unit: str, limit: str = "") -> None:
        """A figure without a goal."""
        self._table.add_row(what, spread(values, unit), limit)

    def show(self) -> None:
        """Print the table, and how much of a processor there was to be had while it was made."""
        console.print(self._table)
        console.print(f"a busy loop got {share():.0%} of a processor: times on a machine that is used are no goals")

    def _add(self, what: str, values: Sequence[float], unit: str, limit: str, goal: str, holds: bool) -> None:
        if not holds:
            self.missed.append(what)
        self._table.add_row(what, spread(values, unit), limit, f"{goal} {unit}", "yes" if holds else "NO")


def share(seconds: float = 0.5) -> float:
    """Of a processor, what a process that wants all of it gets."""
    began, worked = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        pass
    return (time.process_time() - worked) / (time.perf_counter() - began)


def spread(values: Sequence[float], unit: str) -> str:
    """`median [min..max] unit`, or the one value that there is."""
    middle = _number(statistics.median(values))
    if len(values) == 1:
        return f"{middle} {unit}"
    return f"{middle} [{_number(min(values))}..{_number(max(values))}] {unit}"


def _number(value: float) -> str:
    """Three digits, and thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
