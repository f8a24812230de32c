"""Sums and extremes over a table's columns, without a Python object a document. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from control_plane.store.columns import INTEGER, REAL, TIME, Column, Rows
from control_plane.store.fields import FieldRef
from control_plane.store.table import Found, Table


def totals(table: Table, found: Found, by: FieldRef, refs: Sequence[FieldRef]) -> list[tuple[Any, ...]]:
    """`(value of by, sum, greatest, sum, greatest, ...)`, a pair a field, for each value that `by` has.

    Numbers and times count, other values do not. The greatest of times is a time, and their sum means nothing; None
    is the greatest of nothing.
    """
    groups, values = table.columns[by].groups(found.rows)
    columns: list[list[Any]] = []
    for ref in refs:
        columns += _sum_and_greatest(table.columns[ref], found.rows, groups, len(values))
    present = np.unique(groups).tolist()
    return [(values[group], *(column[group] for column in columns)) for group in present]


def _sum_and_greatest(column: Column, rows: Rows, groups: Rows, count: int) -> list[list[Any]]:
    kinds, data = column.kinds[rows], column.data[rows]
    at = np.flatnonzero((kinds == INTEGER) | (kinds == REAL) | (kinds == TIME))
    sums = np.bincount(groups[at], weights=data[at], minlength=count)
    greatest: list[Any] = [None] * count
    order = at[np.argsort(data[at], kind="stable")]
    # Of several rows of one group the last one written stays: the greatest, as they come in their order.
    last = np.full(count, -1, np.intp)
    last[groups[order]] = order
    known = np.flatnonzero(last >= 0)
    for group, value in zip(known.tolist(), column.values(rows[last[known]]), strict=True):
        greatest[group] = value
    return [sums.tolist(), greatest]


def stamps(table: Table, found: Found, refs: Sequence[FieldRef]) -> list[tuple[Any, ...]]:
    """`(id, number, ...)` of what matches: numbers that change whenever these times do, cheaper than the times."""
    numbers = [table.columns[ref].data[found.rows].tolist() for ref in refs]
    return list(zip(table.ids(found.rows), *numbers, strict=True))
