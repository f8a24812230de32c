"""Histograms over the course of a training as one surface: a row an iteration, thinned out as they become many."""

from __future__ import annotations

import threading

from clearml_sdk.reporting import figures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Bucket = tuple[float, float, float]
    Report = Callable[[tuple[str, str], int, dict[str, Any]], None]

MAX_ROWS = 50
BINS = 50


class Surfaces:
    """The histograms of all series. A surface is reported at its 1st, 2nd, 4th ... histogram and at the end."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._rows: dict[tuple[str, str], dict[int, list[Bucket]]] = {}
        self._seen: dict[tuple[str, str], int] = {}
        self._unreported: set[tuple[str, str]] = set()

    def add(self, name: tuple[str, str], step: int, buckets: list[Bucket]) -> None:
        """Take the histogram of an iteration. name: (title, series)."""
        with self._lock:
            rows = self._rows.setdefault(name, {})
            rows[step] = buckets
            if len(rows) > MAX_ROWS:
                for old in sorted(rows)[1:-1:2]:
                    del rows[old]
            seen = self._seen[name] = self._seen.get(name, 0) + 1
            is_due = seen & (seen - 1) == 0
            if is_due:
                self._unreported.discard(name)
            else:
                self._unreported.add(name)
            kept = dict(rows)
        if is_due:
            self._report(name, max(kept), surface(name, kept))

    def finish(self) -> None:
        """Report what came since the last report of each surface."""
        with self._lock:
            left, self._unreported = sorted(self._unreported), set()
            kept = {name: dict(self._rows[name]) for name in left}
        for name, rows in kept.items():
            self._report(name, max(rows), surface(name, rows))


def surface(name: tuple[str, str], rows: dict[int, list[Bucket]]) -> dict[str, Any]:
    """The figure: values along x, iterations along y, counts upwards."""
    edges = [edge for buckets in rows.values() for left, right, _ in buckets for edge in (left, right)]
    low, high = (min(edges), max(edges)) if edges else (0.0, 1.0)
    width = (high - low) / BINS or 1.0
    steps = sorted(rows)
    heights = [counts(rows[step], low, width) for step in steps]
    labels = [f"{low + (place + 0.5) * width:.4g}" for place in range(BINS)]
    return figures.surface(
        name[0],
        name[1],
        heights,
        xaxis="value",
        yaxis="iteration",
        zaxis="count",
        xlabels=labels,
        ylabels=[str(step) for step in steps],
        camera=(-0.1, 1.3, 1.4),
        comment=None,
        extra_layout=None,
    )


def counts(buckets: list[Bucket], low: float, width: float) -> list[float]:
    """The buckets' counts in `BINS` bins from `low` on; a bucket over several bins is spread evenly."""
    found = [0.0] * BINS
    for left, right, count in buckets:
        first = min(BINS - 1, max(0, int((left - low) / width)))
        last = min(BINS - 1, max(first, int((right - low) / width)))
        if last == first or right <= left:
            found[first] += count
            continue
        for place in range(first, last + 1):
            inside = min(right, low + (place + 1) * width) - max(left, low + place * width)
            found[place] += count * max(0.0, inside) / (right - left)
    return found
