"""Statistics of a series after a long run of points, as arrays. Loaded with numpy, when the first such run comes."""

from __future__ import annotations

import numpy as np

from control_plane.store.points import Floats, Integers
from control_plane.store.series import Statistics


def add(one: Statistics, steps: Integers, times_ms: Integers, values: Floats) -> bool:
    """Add points in the order they were written, at least one; False (nothing is changed) when one of them may replace
    an older one. The result is to the bit that of `Statistics.add` for each point."""
    if not (steps[1:] > steps[:-1]).all():
        order = np.argsort(steps, kind="stable")
        ordered = steps[order]
        order = order[np.append(ordered[1:] != ordered[:-1], True)]
        steps, times_ms, values = steps[order], times_ms[order], values[order]
    if not one.can_add(int(steps[0])):
        return False
    if not one.count:
        one.first_value, one.first_iteration = float(values[0]), int(steps[0])
    one.count += len(steps)
    one.value, one.iteration, one.at_ms = float(values[-1]), int(steps[-1]), int(times_ms[-1])
    is_nan = np.isnan(values)
    if is_nan.any():
        steps, values = steps[~is_nan], values[~is_nan]
        if not len(steps):
            return True
    one.numbers += len(values)
    with np.errstate(over="ignore", invalid="ignore"):
        # One after the other, not in pairs as `sum` does it: how points are cut in batches must not matter.
        one.total = float(np.cumsum(np.append(one.total, values))[-1])
    low, high = int(values.argmin()), int(values.argmax())
    if not one.min_value <= values[low]:
        one.min_value, one.min_iteration = float(values[low]), int(steps[low])
    if not one.max_value >= values[high]:
        one.max_value, one.max_iteration = float(values[high]), int(steps[high])
    return True
