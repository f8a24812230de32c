"""Pages through several sorted series at once, without looking at more than the page needs. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

Position = tuple[int, str, int]
"""An x, the name of a series, and how many of its points of that x come before."""

Span = tuple[int, int]
"""Places in a series: from, up to."""


def page(series: Mapping[str, Sequence[int]], after: Position | None, size: int) -> dict[str, Span]:
    """The next `size` points after a position, by x and then by name, as spans of the series that have any.

    Each series ascends; an x may be repeated in it.
    """
    begins = {name: _begin(name, xs, after) for name, xs in series.items()}
    if sum(len(xs) - begins[name] for name, xs in series.items()) <= size:
        return {name: (begins[name], len(xs)) for name, xs in series.items() if begins[name] < len(xs)}
    last = sorted(x for name, xs in series.items() for x in xs[begins[name] : begins[name] + size])[size - 1]
    ends = {name: bisect_left(xs, last, begins[name]) for name, xs in series.items()}
    room = size - sum(ends[name] - begins[name] for name in series)
    for name in sorted(series):
        more = min(room, bisect_right(series[name], last, ends[name]) - ends[name])
        ends[name] += more
        room -= more
    return {name: (begins[name], ends[name]) for name in series if begins[name] < ends[name]}


def end(series: Mapping[str, Sequence[int]], spans: Mapping[str, Span]) -> Position | None:
    """The position of the last point of a page; None when it is empty."""
    last = max(((series[name][high - 1], name) for name, (_, high) in spans.items()), default=None)
    if last is None:
        return None
    x, name = last
    return x, name, spans[name][1] - 1 - bisect_left(series[name], x)


def _begin(name: str, xs: Sequence[int], after: Position | None) -> int:
    if after is None:
        return 0
    x, last_name, shown = after
    if name == last_name:
        return min(bisect_left(xs, x) + shown + 1, bisect_right(xs, x))
    return bisect_right(xs, x) if name < last_name else bisect_left(xs, x)


def spans(series: Sequence[Sequence[int]], after: int | None, size: int, *, descending: bool) -> list[Span]:
    """For each series the places (from, up to) of the next page: at least `size` points, and all of its last x."""
    ends = []
    candidates: list[int] = []
    for xs in series:
        if descending:
            low, high = 0, len(xs) if after is None else bisect_left(xs, after)
            candidates += xs[max(low, high - size) : high]
        else:
            low, high = 0 if after is None else bisect_right(xs, after), len(xs)
            candidates += xs[low : low + size]
        ends.append((low, high))
    if not candidates:
        return [(0, 0)] * len(series)
    candidates.sort(reverse=descending)
    last = candidates[min(size, len(candidates)) - 1]
    if descending:
        return [(bisect_left(xs, last, low, high), high) for xs, (low, high) in zip(series, ends, strict=True)]
    return [(low, bisect_right(xs, last, low, high)) for xs, (low, high) in zip(series, ends, strict=True)]
