"""Tests of one value, as the query language knows them: patterns, lists with operators, ranges and dates. Pure.

Source: wire.md 7. A test gets the value of a field, or None where the document has none.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from control_plane.store.errors import InvalidQuery
from control_plane.store.patterns import Pattern, compile_pattern

Test = Callable[[Any], bool]
"""Of one value; None stands for a missing one."""

Comparison = Callable[[Any, Any], Any]
"""One of the module `operator`: of two values, or of an array and a value."""


@dataclass(frozen=True, slots=True)
class Matches:
    """A regular expression, found anywhere in a text or in one of several."""

    pattern: Pattern

    @classmethod
    def parse(cls, pattern: Any, flags: int = 0) -> Matches:
        """Raises InvalidQuery for what is no regular expression."""
        return cls(compile_pattern(str(pattern), flags))

    def __call__(self, value: Any) -> bool:
        if isinstance(value, str):
            return self.pattern.is_in(value)
        if isinstance(value, list):
            return any(isinstance(item, str) and self.pattern.is_in(item) for item in value)
        return value is not None and not isinstance(value, dict) and self.pattern.is_in(str(value))


@dataclass(frozen=True, slots=True)
class Equals:
    """Exactly this value."""

    wanted: Any

    def __call__(self, value: Any) -> bool:
        return bool(value == self.wanted)


@dataclass(frozen=True, slots=True)
class Lacks:
    """A list (or nothing) without this member."""

    member: str

    def __call__(self, value: Any) -> bool:
        return self.member not in (value or ())


@dataclass(frozen=True, slots=True)
class Compares:
    """Every comparison holds; values of another type than a bound fail."""

    bounds: tuple[tuple[Comparison, Any], ...]
    admits_missing: bool = False
    only_texts: bool = False

    def __call__(self, value: Any) -> bool:
        if value is None:
            return self.admits_missing
        if self.only_texts and not isinstance(value, str):
            return False
        try:
            return all(compare(value, bound) for compare, bound in self.bounds)
        except TypeError:
            return False


@dataclass(frozen=True, slots=True)
class ListFilter:
    """Groups of values that a field (one value, or a list) is held against; None among them = the field is empty."""

    some: frozenset[str | None] | None = None
    every: frozenset[str | None] | None = None
    none: frozenset[str | None] | None = None
    not_every: frozenset[str | None] | None = None
    any_group: bool = False
    """One group that holds is enough; else all must hold."""

    @classmethod
    def parse(cls, path: str, value: Any) -> ListFilter:
        """Read the positional operators of a list field."""
        groups: dict[str, set[str | None]] = {"some": set(), "every": set(), "none": set()}
        mode, negate, legacy = "some", False, True
        first: str | None = None
        for item in value if isinstance(value, list) else [value]:
            if item is not None and not isinstance(item, str):
                raise InvalidQuery("value", "invalid value type, string expected", field=path, value=item)
            if item is not None and item.startswith("__$"):
                name = {"and": "all", "or": "any"}.get(item[3:], item[3:])
                if name not in ("all", "any", "not", "nop"):
                    raise InvalidQuery("value", "Unsupported operator", field=path, operator=item)
                if name == "not":
                    negate, legacy = True, False
                elif name == "nop":
                    mode, negate, legacy = "some", False, True
                else:
                    mode, legacy, first = "every" if name == "all" else "some", False, first or name
                continue
            if negate:
                groups["none"].add(item)
            elif legacy and item is not None and item.startswith("-"):
                groups["none"].add(item[1:])
            else:
                groups[mode].add(item)
            negate = False
        return cls(**{name: frozenset(found) for name, found in groups.items() if found}, any_group=first == "any")

    def __call__(self, value: Any) -> bool:
        found = frozenset(value if isinstance(value, list) else (value,)) if value not in (None, "", []) else _EMPTY
        results = []
        if self.some is not None:
            results.append(not found.isdisjoint(self.some))
        if self.every is not None:
            results.append(found >= self.every)
        if self.none is not None:
            results.append(found.isdisjoint(self.none))
        if self.not_every is not None:
            results.append(not found >= self.not_every)
        return any(results) if self.any_group and results else all(results)

    def named(self) -> set[str]:
        """The texts that make a difference: all others pass, or fail, alike."""
        groups = (self.some, self.every, self.none, self.not_every)
        return {member for group in groups if group is not None for member in group if member is not None}


_EMPTY: frozenset[Any] = frozenset({None})


def between(path: str, value: Any) -> Compares:
    """`[min, max]`, inclusive; either may be null, and a null minimum also admits a missing value."""
    if not isinstance(value, list) or len(value) != 2:
        raise InvalidQuery("validation", f"Min and max values should be specified for range field {path}")
    low, high = (_bound(path, item) for item in value)
    if low is None and high is None:
        raise InvalidQuery("validation", f"At least one of min or max values should be provided for field {path}")
    bounds = [(operator.ge, low)] * (low is not None) + [(operator.le, high)] * (high is not None)
    return Compares(tuple(bounds), admits_missing=low is None)


def _bound(path: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if path in ("created", "started", "last_update"):
        date = parse_date(value)
        return value if date is None else date
    try:
        return float(value)
    except ValueError:
        return value


def dates(value: Any) -> Compares | None:
    """Comparisons with dates; None where none of them can be read."""
    items = value if isinstance(value, list) else [value]
    bounds = []
    for position, item in enumerate(items):
        match = re.match(r"\s*(>=|>|<=|<)?\s*(.*)", str(item), re.DOTALL) if item is not None else None
        date = parse_date(match[2]) if match else None
        if match is None or date is None:
            continue
        sign = match[1] or ((">=", "<=")[position] if len(items) == 2 else "==")
        bounds.append((_COMPARISONS[sign], date))
    return Compares(tuple(bounds), only_texts=True) if bounds else None


_COMPARISONS: dict[str, Comparison] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
}

_DATE_FORMATS = (
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M:%S",
    "%d %b %Y",
    "%b %d %Y",
    "%B %d, %Y",
    "%a, %d %b %Y %H:%M:%S %Z",
)


def parse_date(text: str) -> str | None:
    """A date as the store writes it (UTC, microseconds, so that texts compare as times); None if it is none."""
    text = text.strip()
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        for form in _DATE_FORMATS:
            try:
                date = datetime.strptime(text, form)
                break
            except ValueError:
                continue
        else:
            return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    try:
        return date.astimezone(UTC).isoformat(timespec="microseconds")
    except OverflowError:
        return None
