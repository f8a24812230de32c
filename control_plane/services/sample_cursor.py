"""Walking through images or plots one at a time: where the reader is, in a scroll id. Pure.

Units are ordered by iteration, metric, variant. A unit of plots has no variant: it is all plots of a metric at an
iteration.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

Unit = tuple[int, str, str]
"""Iteration, metric, variant."""


class Cursor(msgspec.Struct, array_like=True):
    """What was shown last, and what may be shown."""

    task: str
    metric: str
    variant: str
    iteration: int | None
    """None: nothing was there to show."""
    stays_in_metric: bool
    ceiling: int | None
    """Iterations above this one came after the scroll began and are not shown."""


_decoder = msgspec.json.Decoder(Cursor)


def encode(cursor: Cursor) -> str:
    """The scroll id of a cursor."""
    return msgspec.json.encode(cursor).decode()


def decode(scroll_id: str) -> Cursor:
    """The inverse of `encode`; raises ValueError for what is no scroll id of ours."""
    try:
        return _decoder.decode(scroll_id)
    except (msgspec.DecodeError, RecursionError):
        raise ValueError(scroll_id) from None


def newest(units: Collection[Unit], cursor: Cursor, iteration: int | None) -> int | None:
    """The newest iteration of the cursor's own series, not above `iteration`; None when there is none."""
    return max((step for step in _steps(units, cursor) if iteration is None or step <= iteration), default=None)


def bounds(units: Collection[Unit], cursor: Cursor) -> tuple[int | None, int | None]:
    """The lowest and the highest iteration of the cursor's own series."""
    steps = _steps(units, cursor)
    return min(steps, default=None), max(steps, default=None)


def beside(units: Collection[Unit], cursor: Cursor, *, earlier: bool, other_iteration: bool) -> Unit | None:
    """The unit next to the cursor's, in its metric or in all; `other_iteration`: the next one of another iteration."""
    if cursor.iteration is None:
        return None
    here = (cursor.iteration, cursor.metric, cursor.variant)
    around = (unit for unit in units if _is_visible(unit, cursor))
    if other_iteration:
        around = (unit for unit in around if unit[0] != cursor.iteration)
    if earlier:
        return max((unit for unit in around if unit < here), default=None)
    return min((unit for unit in around if unit > here), default=None)


def _is_visible(unit: Unit, cursor: Cursor) -> bool:
    if cursor.ceiling is not None and unit[0] > cursor.ceiling:
        return False
    return not cursor.stays_in_metric or unit[1] == cursor.metric


def _steps(units: Collection[Unit], cursor: Cursor) -> list[int]:
    named = (cursor.metric, cursor.variant)
    return [
        step
        for step, metric, variant in units
        if (metric, variant) == named and (cursor.ceiling is None or step <= cursor.ceiling)
    ]
