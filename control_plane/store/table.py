"""All documents of one kind as rows and columns, and queries over them. No I/O; a change is made between queries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from control_plane.store import fields
from control_plane.store.columns import Column, Rows
from control_plane.store.fields import FieldRef
from control_plane.store.layout import CORE
from control_plane.store.query import Condition, Query, SortKey
from control_plane.store.ranks import runs
from control_plane.store.wordcount import occurrences

Key = Callable[[Rows], npt.NDArray[Any]]
"""What to sort some rows by."""

ID = FieldRef(CORE, "id")
FEW = 4_096
"""Rows that are sorted rather than searched for the ones wanted."""
_ROOM = 1_024
_ID_BYTES = 8


@dataclass(frozen=True)
class Found:
    """The rows that match a query, in no order, and how often each holds the words of a text search."""

    rows: Rows
    scores: npt.NDArray[np.int64] | None = None


class Table:
    """Documents by row number, which is theirs until they are removed.

    Args:
        size: rows to make room for; it grows by itself.
    """

    def __init__(self, size: int = 0) -> None:
        self.columns: dict[FieldRef, Column] = {}
        """What queries may use."""
        self.unfinished: dict[FieldRef, Column] = {}
        """Columns that are still being filled; changes go into them as into the others."""
        self.rows: dict[str, int] = {}
        self._ids: list[str] = []
        self._free: list[int] = []
        self._capacity = size
        self._is_live = np.zeros(size, bool)
        self._id_starts = np.zeros(size, np.uint64)
        """The first bytes of each id, which nearly always tell which is first."""

    def __len__(self) -> int:
        return len(self.rows)

    # ---- changes

    def begin(self, refs: Iterable[FieldRef]) -> None:
        """Make empty columns, to be filled and then finished."""
        for ref in refs:
            self.unfinished[ref] = Column(self._capacity, by_numbers=ref.part in fields.NATURAL)

    def finish(self, refs: Iterable[FieldRef]) -> None:
        """Let queries use columns that are filled now."""
        for ref in refs:
            self.columns[ref] = self.unfinished.pop(ref)

    def use(self, refs: Iterable[FieldRef]) -> bool:
        """Whether there are columns for all of these; they are then the last ones to be forgotten."""
        if not all(ref in self.columns for ref in refs):
            return False
        for ref in refs:
            self.columns[ref] = self.columns.pop(ref)
        return True

    def forget_unused(self, needed: Collection[FieldRef], kept: int) -> None:
        """Drop columns that were not used for long, until no more than `kept` are there that nobody needs."""
        spare = [ref for ref in self.columns if ref not in needed]
        for ref in spare[: max(0, len(spare) - kept)]:
            del self.columns[ref]

    def abandon(self, refs: Iterable[FieldRef]) -> None:
        """Forget columns that are not finished."""
        for ref in refs:
            self.unfinished.pop(ref, None)

    def add(self, ids: Sequence[str]) -> list[int]:
        """The row of each id; those that had none get one, without values."""
        new = [id for id in ids if id not in self.rows]
        if new:
            self._add(new)
        return list(map(self.rows.__getitem__, ids))

    def _add(self, ids: Sequence[str]) -> None:
        rows = [self._free.pop() for _ in range(min(len(self._free), len(ids)))]
        rows += range(len(self._ids), len(self._ids) + len(ids) - len(rows))
        self._ids += [""] * (rows[-1] + 1 - len(self._ids))
        self.rows.update(zip(ids, rows, strict=True))
        for id, row in zip(ids, rows, strict=True):
            self._ids[row] = id
        if len(self._ids) > self._capacity:
            self._grow(len(self._ids) + len(self._ids) // 8 + _ROOM)
        self._is_live[rows] = True
        starts = np.array([id.encode()[:_ID_BYTES] for id in ids], f"S{_ID_BYTES}")
        self._id_starts[rows] = starts.view(">u8")
        for columns in (self.columns, self.unfinished):
            if ID in columns:
                columns[ID].put(rows, ids)

    def remove(self, ids: Iterable[str]) -> None:
        """Forget documents, where they are known."""
        rows = [row for id in ids if (row := self.rows.pop(id, None)) is not None]
        if not rows:
            return
        for row in rows:
            self._ids[row] = ""
        self._free += rows
        self._is_live[rows] = False
        for column in (*self.columns.values(), *self.unfinished.values()):
            column.put(rows, [None] * len(rows))

    def put(self, ref: FieldRef, rows: Sequence[int], values: Sequence[Any]) -> None:
        """Set the values of a field in some rows; None removes."""
        column = self.columns.get(ref) or self.unfinished.get(ref)
        if column is not None:
            column.put(rows, values)

    def _grow(self, size: int) -> None:
        grown = size - self._capacity
        self._is_live = np.concatenate((self._is_live, np.zeros(grown, bool)))
        self._id_starts = np.concatenate((self._id_starts, np.zeros(grown, np.uint64)))
        for column in (*self.columns.values(), *self.unfinished.values()):
            column.resize(size)
        self._capacity = size

    # ---- queries

    def find(self, query: Query) -> Found:
        """Every row that matches; the columns of `query.refs()` must be there."""
        if query.ids is not None:
            known = [row for id in dict.fromkeys(query.ids) if (row := self.rows.get(id)) is not None]
            rows = np.array(known, np.intp)
        else:
            rows = np.flatnonzero(self._is_live)
        for condition in sorted(query.conditions, key=self._work):
            rows = rows[self._passing(condition, rows)]
        if not query.words:
            return Found(rows)
        scores = self._scores(query, rows)
        return Found(rows[scores > 0], scores[scores > 0])

    def _work(self, condition: Condition) -> int:
        """A measure of the work of testing one condition, so that the cheap ones come first."""
        return sum(len(self.columns[ref].table) for ref in condition.fields)

    def _passing(self, condition: Condition, rows: Rows) -> npt.NDArray[np.bool_]:
        first, *others = [self.columns[ref] for ref in condition.fields]
        passing = first.passing(condition.test, rows)
        for column in others:
            more = column.passing(condition.test, rows)
            passing = passing | more if condition.any else passing & more
        return passing

    def _scores(self, query: Query, rows: Rows) -> npt.NDArray[np.int64]:
        scores = np.zeros(len(rows), np.int64)
        for ref in query.text_refs():
            scores += self.columns[ref].per_value(rows, lambda values: occurrences(values, query.words))
        return scores

    def ids(self, rows: Rows) -> list[str]:
        """The id in each row."""
        return list(map(self._ids.__getitem__, rows.tolist()))

    def ordered(self, found: Found, order: Sequence[SortKey], start: int = 0, stop: int | None = None) -> Rows:
        """The rows in places `start` to `stop` (None: to the end) of the order asked for; those alike by their id."""
        rows = found.rows
        stop = len(rows) if stop is None else min(stop, len(rows))
        keys: list[Key] = []
        for sort_key in order:
            if sort_key.field is not None:
                keys += self.columns[sort_key.field].sort_keys(descending=sort_key.descending)
            elif found.scores is not None:
                by_row = np.zeros(self._capacity, np.int64)
                by_row[rows] = -found.scores
                keys.append(by_row.__getitem__)
        keys.append(self._id_starts.__getitem__)
        return self._window(rows, keys, start, stop)

    def _window(self, rows: Rows, keys: Sequence[Key], start: int, stop: int) -> Rows:
        """What sorting `rows` by `keys` would have at `start:stop`; no more is sorted than needed."""
        if start >= stop:
            return rows[:0]
        if not keys or len(rows) <= FEW or stop - start == len(rows):
            return self._sorted(rows, keys)[start:stop]
        values = keys[0](rows)
        low, high = np.partition(values, (start, stop - 1))[[start, stop - 1]]
        lows = rows[values == low]
        start -= int(np.count_nonzero(values < low))
        stop -= int(np.count_nonzero(values < low))
        if low == high:
            return self._window(lows, keys[1:], start, stop)
        between = rows[(values > low) & (values < high)]
        stop -= len(lows) + len(between)
        return np.concatenate(
            (
                self._window(lows, keys[1:], start, len(lows)),
                self._sorted(between, keys),
                self._window(rows[values == high], keys[1:], 0, stop),
            )
        )

    def _sorted(self, rows: Rows, keys: Sequence[Key]) -> Rows:
        values = [key(rows) for key in keys]
        order = np.lexsort(values[::-1]) if values else np.arange(len(rows))
        rows, values = rows[order], [value[order] for value in values]
        alike = np.ones(max(0, len(rows) - 1), bool)
        for value in values:
            alike &= value[1:] == value[:-1]
        for first, end in runs(alike):
            rows[first:end] = sorted(rows[first:end].tolist(), key=self._ids.__getitem__)
        return rows

    def counts(self, found: Found, refs: Sequence[FieldRef]) -> list[tuple[Any, ...]]:
        """Each combination of values (None = no value) of some fields, followed by how many rows have it."""
        numbers, combinations = self.combined(found, refs)
        counted = np.bincount(numbers, minlength=len(combinations)).tolist()
        return [(*combination, count) for combination, count in zip(combinations, counted, strict=True)]

    def combined(self, found: Found, refs: Sequence[FieldRef]) -> tuple[Rows, list[tuple[Any, ...]]]:
        """For each row the number of its combination of values, and the combinations that there are."""
        combinations: list[tuple[Any, ...]] = [()]
        numbers = np.zeros(len(found.rows), np.intp)
        for ref in refs:
            more, values = self.columns[ref].groups(found.rows)
            distinct, numbers = _renumbered(numbers * len(values) + more, len(combinations) * len(values))
            combinations = [
                (*combinations[number // len(values)], values[number % len(values)]) for number in distinct.tolist()
            ]
        return numbers, combinations


def _renumbered(numbers: Rows, limit: int) -> tuple[Rows, Rows]:
    """The distinct ones of numbers below `limit`, ascending, and for each number its place among them."""
    if limit > 4 * len(numbers):
        distinct, places = np.unique(numbers, return_inverse=True)
        return distinct, places
    is_there = np.bincount(numbers, minlength=limit) > 0  # few, so that nothing has to be sorted
    return np.flatnonzero(is_there), (np.cumsum(is_there) - 1)[numbers]
