"""Leaving points of a series out so that its shape stays. Pure."""

from __future__ import annotations

import numpy as np

from control_plane.store.points import SeriesArrays

KEPT_AN_INTERVAL = 5
"""First, last, least, greatest, and the first that is no number."""


def thin(series: SeriesArrays, samples: int) -> SeriesArrays:
    """Of at most `samples` equal intervals of the iterations: first, last, least and greatest point, and the first NaN.

    Thinning again to as many samples changes nothing.
    """
    if len(series) <= KEPT_AN_INTERVAL * samples:
        return series
    first, last = int(series.steps[0]), int(series.steps[-1])
    interval = -(-(last - first + 1) // samples)
    numbers = (series.steps - first) // interval
    is_first = np.concatenate(([True], numbers[1:] != numbers[:-1]))
    is_last = np.append(is_first[1:], True)
    kept = is_first | is_last
    finite_or_infinite = ~np.isnan(series.values)
    places = np.flatnonzero(finite_or_infinite)
    if len(places):
        # By interval, then by value, then by place: of equal ones the first.
        order = places[np.lexsort((series.values[places], numbers[places]))]
        begins = np.flatnonzero(np.concatenate(([True], numbers[order][1:] != numbers[order][:-1])))
        kept[order[begins]] = True
        ends = np.append(begins[1:], len(order)) - 1
        kept[order[ends]] = True
    nans = np.flatnonzero(~finite_or_infinite)
    if len(nans):
        begins = np.concatenate(([True], numbers[nans][1:] != numbers[nans][:-1]))
        kept[nans[begins]] = True
    return SeriesArrays(series.steps[kept], series.times_ms[kept], series.values[kept])
