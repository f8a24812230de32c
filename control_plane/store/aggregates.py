"""Sums and extremes over a table's columns, without a Python object a document. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from control_plane.store.columns import INTEGER, REAL, TIME, Column, Floats, Rows
from control_plane.store.fields import FieldRef
from control_plane.store.table import Found, Table


def totals(
    table: Table, found: Found, by: Sequence[FieldRef], sums: Sequence[FieldRef], greatest: Sequence[FieldRef]
) -> list[tuple[Any, ...]]:
    """`(value of by, ..., how many, sum, ..., greatest, ...)` for each combination of values of `by`.

    Numbers and times count, other values do not. The sum of times means nothing; None is the greatest of nothing.
    """
    groups, combinations = table.combined(found, by)
    count = len(combinations)
    columns: list[list[Any]] = [np.bincount(groups, minlength=count).tolist()]
    for ref in sums:
        at, data = _numbers(table.columns[ref], found.rows)
        columns.append(np.bincount(groups[at], weights=data, minlength=count).tolist())
    columns += [_greatest(table.columns[ref], found.rows, groups, count) for ref in greatest]
    return [(*combination, *found) for combination, *found in zip(combinations, *columns, strict=True)]


def _numbers(column: Column, rows: Rows) -> tuple[Rows, Floats]:
    """Which of some rows hold a number or a time, and these."""
    kinds = column.kinds[rows]
    at = np.flatnonzero((kinds == INTEGER) | (kinds == REAL) | (kinds == TIME))
    return at, column.data[rows[at]]


def _greatest(column: Column, rows: Rows, groups: Rows, count: int) -> list[Any]:
    at, data = _numbers(column, rows)
    highest = np.full(count, -np.inf)
    np.maximum.at(highest, groups[at], data)
    # A row of each group that has its greatest value, the last of several: it knows how that is written.
    winner = np.full(count, -1, np.intp)
    at = at[data == highest[groups[at]]]
    winner[groups[at]] = at
    known = np.flatnonzero(winner >= 0)
    found: list[Any] = [None] * count
    for group, value in zip(known.tolist(), column.values(rows[winner[known]]), strict=True):
        found[group] = value
    return found


def stamps(table: Table, found: Found, refs: Sequence[FieldRef]) -> list[tuple[Any, ...]]:
    """`(id, number, ...)` of what matches: numbers that change whenever these times do, cheaper than the times."""
    numbers = [table.columns[ref].data[found.rows].tolist() for ref in refs]
    return list(zip(table.ids(found.rows), *numbers, strict=True))
