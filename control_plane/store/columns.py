"""One field of every document of a kind, as typed arrays: nine bytes a document and each distinct text once.

A value lies in `data` as a number, and `kinds` says what it means: a number, a text that is a number's usual writing
("0.1" in hyperparameters), a time, or the index of any other value in a table of distinct ones.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from control_plane.store import layout
from control_plane.store.conditions import Compares, ListFilter, Matches, Test
from control_plane.store.ranks import Ranks

T = TypeVar("T", bound=np.generic)
Rows = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]

MISSING, INTEGER, REAL, INTEGER_TEXT, REAL_TEXT, TIME, TABLED = range(7)
EXACT = 2**53
"""Integers up to here are the same as float64."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DIGITS = frozenset("-0123456789")
SPARE = 1_000
"""Values in the table that no document has any more, before it is made anew (or as many as are in use)."""


class Column:
    """Values by row number; a row without one is MISSING.

    Args:
        by_numbers: texts sort by the numbers in them, and those that are numbers are kept as such.
    """

    def __init__(self, size: int, *, by_numbers: bool = False) -> None:
        self.by_numbers = by_numbers
        self.kinds = np.zeros(size, np.uint8)
        self.data = np.full(size, -1.0)
        self._counts = np.zeros(TABLED + 1, np.int64)
        """How many rows of each kind there are; of MISSING it says nothing."""
        self._has_times = not by_numbers
        """Whether texts may be kept as times: as long as every value is one."""
        self._forget_table()

    def _forget_table(self) -> None:
        self.table: list[Any] = []
        self._indexes: dict[str | bytes, int] = {}
        self._ranks = Ranks(self.table, by_numbers=self.by_numbers)

    def resize(self, size: int) -> None:
        """Make room for rows below `size`."""
        grown = size - len(self.kinds)
        self.kinds = np.concatenate((self.kinds, np.zeros(grown, np.uint8)))
        self.data = np.concatenate((self.data, np.full(grown, -1.0)))

    @property
    def present(self) -> int:
        """How many rows have a value."""
        return int(self._counts.sum())

    # ---- writing

    def put(self, rows: Sequence[int], values: Sequence[Any]) -> None:
        """Set the values of distinct rows; None removes."""
        where = np.array(rows, np.intp)
        before = np.bincount(self.kinds[where], minlength=TABLED + 1)
        if not self._has_times and (alike := _alike(values, by_numbers=self.by_numbers)):
            self.kinds[where], self.data[where] = alike
        else:
            encoded = self._encoded_times(values) if self._has_times else [self._encoded(value) for value in values]
            self.kinds[where] = [kind for kind, _ in encoded]
            self.data[where] = [number for _, number in encoded]
        self._counts += np.bincount(self.kinds[where], minlength=TABLED + 1) - before
        self._counts[MISSING] = 0
        if len(self.table) > 2 * self._counts[TABLED] + SPARE:
            self._renew_table()

    def _encoded_times(self, values: Sequence[Any]) -> list[tuple[int, float]]:
        encoded = []
        for value in values:
            if value is None:
                encoded.append((MISSING, -1.0))
            elif (time := microseconds(value)) is not None:
                encoded.append((TIME, float(time)))
            else:
                break
        else:
            return encoded
        self._has_times = False
        rows = np.flatnonzero(self.kinds == TIME)
        if len(rows):
            self.put(rows.tolist(), self.values(rows))
        return [self._encoded(value) for value in values]

    def _encoded(self, value: Any) -> tuple[int, float]:
        if value is None:
            return MISSING, -1.0
        kind = type(value)
        if kind is str:
            index = self._indexes.get(value)
            if index is None:
                if self.by_numbers and (number := _number_text(value)) is not None:
                    return number
                index = self._append(value, value)
            return TABLED, index
        if kind is float:
            return REAL, value
        if kind is int:
            if -EXACT <= value <= EXACT:
                return INTEGER, float(value)
            if not -(2**63) <= value < 2**64:
                return REAL, float(value)  # as JSON's other readers have it
        key = layout.encode(value)
        index = self._indexes.get(key)
        return TABLED, self._append(key, value) if index is None else index

    def _written(self, text: str) -> tuple[int, float]:
        """How a text lies in the column outside the table; MISSING if it would be in there."""
        if self.by_numbers:
            return _number_text(text) or (MISSING, 0.0)
        time = microseconds(text)
        return (MISSING, 0.0) if time is None else (TIME, float(time))

    def _append(self, key: str | bytes, value: Any) -> int:
        index = self._indexes[key] = len(self.table)
        self.table.append(value)
        return index

    def _renew_table(self) -> None:
        rows = np.flatnonzero(self.kinds == TABLED)
        values = self.values(rows)
        self._forget_table()
        self.data[rows] = [self._encoded(value)[1] for value in values]

    # ---- reading

    def values(self, rows: Rows) -> list[Any]:
        """The values of some rows, None where there is none."""
        kinds, data = self.kinds[rows], self.data[rows]
        found = np.full(len(rows), None, object)
        for kind in self._kinds():
            at = np.flatnonzero(kinds == kind)
            found[at] = np.fromiter(self._decoded(kind, data[at]), object, len(at))
        return list(found)

    def _decoded(self, kind: int, numbers: Floats) -> list[Any]:
        if kind == TABLED:
            return list(map(self.table.__getitem__, numbers.astype(np.intp).tolist()))
        if kind == INTEGER:
            return list(numbers.astype(np.int64).tolist())
        if kind == INTEGER_TEXT:
            return list(map(str, numbers.astype(np.int64).tolist()))
        if kind == REAL_TEXT:
            return list(map(repr, numbers.tolist()))
        if kind == TIME:
            times = np.datetime_as_string(numbers.astype("datetime64[us]"), unit="us")
            return [time + "+00:00" for time in times.tolist()]
        return list(numbers.tolist())

    def _kinds(self) -> Iterable[int]:
        return np.flatnonzero(self._counts).tolist()

    def _is_only(self, *kinds: int) -> bool:
        return int(self._counts[list(kinds)].sum()) == self.present

    def groups(self, rows: Rows) -> tuple[Rows, list[Any]]:
        """For each row the number of its value, and the values by their numbers."""
        if self._is_only(TABLED):
            values = [*self.table, None]
            return self.data[rows].astype(np.intp) % len(values), values  # -1, which is missing, is the last
        kinds, data = self.kinds[rows], self.data[rows]
        numbers = np.zeros(len(rows), np.intp)
        values = [None]
        for kind in self._kinds():
            at = np.flatnonzero(kinds == kind)
            distinct, inverse = np.unique(data[at], return_inverse=True)
            numbers[at] = inverse + len(values)
            values += self._decoded(kind, distinct)
        return numbers, values

    def per_value(self, rows: Rows, function: Callable[[list[Any]], npt.NDArray[T]]) -> npt.NDArray[T]:
        """What `function` finds for the value in each row; it is given each distinct value once, where that is less."""
        if len(self.table) > len(rows):
            return function(self.values(rows))
        numbers, values = self.groups(rows)
        return function(values)[numbers]

    # ---- conditions

    def passing(self, test: Test, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of the rows pass a test."""
        if isinstance(test, Compares) and (found := self._comparing(test, rows)) is not None:
            return found
        if isinstance(test, ListFilter) and not self._is_only(TABLED):
            return self._listed(test, rows)
        return self.per_value(rows, lambda values: _tested(test, values))

    def _comparing(self, test: Compares, rows: Rows) -> npt.NDArray[np.bool_] | None:
        """For columns of numbers, or of times; None where something cannot be compared as numbers."""
        if self._is_only(TIME):
            bounds = [(compare, microseconds(bound)) for compare, bound in test.bounds]
        elif self._is_only(INTEGER, REAL) and not test.only_texts:
            bounds = [(compare, _exact(bound)) for compare, bound in test.bounds]
        else:
            return None
        if any(bound is None for _, bound in bounds):
            return None
        data = self.data[rows]
        found = np.ones(len(rows), bool)
        for compare, bound in bounds:
            found &= compare(data, bound)
        found[self.kinds[rows] == MISSING] = test.admits_missing
        return found

    def _listed(self, test: ListFilter, rows: Rows) -> npt.NDArray[np.bool_]:
        """Outside the table only the values that a filter names can differ from all others."""
        kinds, data = self.kinds[rows], self.data[rows]
        found = np.full(len(rows), test(object()))
        found[kinds == MISSING] = test(None)
        for text in test.named():
            kind, number = self._written(text)
            found[(kinds == kind) & (data == number)] = test(text)
        at = np.flatnonzero(kinds == TABLED)
        if len(at):
            found[at] = _tested(test, self.table)[data[at].astype(np.intp)]
        return found

    # ---- order

    def sort_keys(self, *, descending: bool) -> list[Callable[[Rows], npt.NDArray[Any]]]:
        """Arrays to sort rows by, ascending, the most significant first; rows without a value come last."""
        self._ranks.update()
        place = functools.partial(self._places, descending=descending)
        if self._counts[TABLED] == 0 or (self._is_only(TABLED) and not self._ranks.is_number.any()):
            return [place]
        return [functools.partial(self._classes, descending=descending), place]

    def _classes(self, rows: Rows, *, descending: bool) -> npt.NDArray[np.uint8]:
        """0 and 1 for numbers and all else, 2 for nothing."""
        kinds = self.kinds[rows]
        classes: npt.NDArray[np.uint8] = (kinds == TIME).astype(np.uint8)
        at = np.flatnonzero(kinds == TABLED)
        classes[at] = ~self._ranks.is_number[self.data[rows[at]].astype(np.intp)]
        if descending:
            np.subtract(1, classes, out=classes)
        classes[kinds == MISSING] = 2
        return classes

    def _places(self, rows: Rows, *, descending: bool) -> Floats:
        kinds, places = self.kinds[rows], self.data[rows]
        if self._counts[TABLED]:
            at = np.flatnonzero(kinds == TABLED)
            places[at] = self._ranks.place[places[at].astype(np.intp)]
        if descending:
            np.negative(places, out=places)
        places[kinds == MISSING] = np.inf
        return places


def _tested(test: Test, values: Sequence[Any]) -> npt.NDArray[np.bool_]:
    if isinstance(test, Matches) and test.pattern.quick_length:
        # As the test itself would: texts are many, and a call for each is half of the time.
        search, longest = test.pattern.quick, test.pattern.quick_length
        found = [
            search(value) is not None if type(value) is str and len(value) <= longest else test(value)
            for value in values
        ]
        return np.fromiter(found, bool, len(found))
    return np.fromiter(map(test, values), bool, len(values))


def microseconds(value: Any) -> int | None:
    """A time as the store writes it, in microseconds since 1970; None for any other value."""
    # 2024-01-31T12:00:00.000000+00:00, and no other way to write it
    if type(value) is not str or len(value) != 32 or value[4:20:3] != "--T::." or value[26:] != "+00:00":
        return None
    try:
        microseconds = (datetime.fromisoformat(value) - _EPOCH) // _MICROSECOND
    except ValueError:
        return None
    return microseconds if -EXACT <= microseconds <= EXACT else None


def _exact(number: Any) -> Any:
    """A number that is the same as float64; None for any other value."""
    is_one = isinstance(number, float) or (isinstance(number, int) and -EXACT <= number <= EXACT)
    return number if is_one else None


def _alike(values: Sequence[Any], *, by_numbers: bool) -> tuple[int, Sequence[float]] | None:
    """(kind, numbers) of values that are all numbers of one kind, as parameters and metrics mostly are, else None.

    As `_encoded` would have it, without a call for each.
    """
    types = set(map(type, values))
    if types == {float}:
        return REAL, values
    if types == {int}:
        return (INTEGER, values) if min(values) >= -EXACT and max(values) <= EXACT else None
    if types != {str} or not by_numbers or values[0][:1] not in _DIGITS:
        return None
    try:
        reals = list(map(float, values))
        if list(map(repr, reals)) == values and all(map(math.isfinite, reals)):
            return REAL_TEXT, reals
        integers = list(map(int, values))
    except ValueError:
        return None
    is_usual = min(integers) >= -EXACT and max(integers) <= EXACT and list(map(str, integers)) == values
    return (INTEGER_TEXT, integers) if is_usual else None


def _number_text(text: str) -> tuple[int, float] | None:
    """A number whose usual writing a text is, as (kind, number)."""
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    if repr(number) == text:
        return REAL_TEXT, number
    if abs(number) <= EXACT and str(int(number)) == text:
        return INTEGER_TEXT, number
    return None
