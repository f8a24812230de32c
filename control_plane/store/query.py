"""The query language of `*.get_all`: from a request's body to a predicate over columns. Pure. Source: wire.md 7."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from control_plane.store import fields
from control_plane.store.conditions import Equals, Lacks, ListFilter, Matches, Test, between, dates
from control_plane.store.errors import InvalidQuery
from control_plane.store.fields import FieldRef, Operators

PAGE_SIZE = 500
TEXT_SCORE = "@text_score"
MOST_FIELDS = 200
"""That one query looks at: each is a column of all documents, in memory."""
LONGEST_PATH = 2_000
"""Characters of a field's names."""
MOST_WORDS = 100
"""Of a text search: every text is looked through for each."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One or several fields' values must pass a test: all of them, or any."""

    fields: tuple[FieldRef, ...]
    test: Test
    any: bool = True


@dataclass(frozen=True, slots=True)
class SortKey:
    """One field to sort by."""

    field: FieldRef | None
    """None: the score of the text search."""
    descending: bool


@dataclass(frozen=True)
class Query:
    """What one request asks, ready to be evaluated on a read model."""

    kind: str
    conditions: tuple[Condition, ...] = ()
    ids: tuple[str, ...] | None = None
    """Only these; None = any."""
    order: tuple[SortKey, ...] = ()
    start: int = 0
    size: int = PAGE_SIZE
    scroll_id: str | None = None
    """A scroll to go on with; "" asks for a new one, None for none."""
    refresh_scroll: bool = False
    words: tuple[str, ...] = ()
    """Lower-case words of a text search; one of them must be found."""

    @classmethod
    def from_request(cls, kind: str, body: Mapping[str, Any]) -> Query:
        """Read a request's body; keys that are no query of this kind are ignored. Raises InvalidQuery."""
        operators = fields.OPERATORS[kind]
        words = tuple(dict.fromkeys(re.findall(r"[\w.-]+", str(body.get("search_text") or "").lower())))
        if len(words) > MOST_WORDS:
            raise InvalidQuery("validation", f"at most {MOST_WORDS} words can be searched for", words=len(words))
        start, size, scroll_id = _paging(body)
        conditions = [*_conditions(kind, operators, body)]
        if not _shows_hidden(kind, body):
            tags = field_of(kind, "system_tags")
            conditions.append(Condition((tags,), Lacks(operators.hidden_tag)))
        query = cls(
            kind,
            tuple(conditions),
            ids=_ids(body.get("id")),
            order=tuple(dict.fromkeys(_order(kind, operators, body.get("order_by"), bool(words)))),
            start=start,
            size=size,
            scroll_id=scroll_id,
            refresh_scroll=bool(body.get("refresh_scroll")),
            words=words,
        )
        refs = query.refs()
        if len(refs) > MOST_FIELDS:
            raise InvalidQuery("validation", f"at most {MOST_FIELDS} fields can be asked for", fields=len(refs))
        if any(len(ref.field) + sum(map(len, ref.inside)) > LONGEST_PATH for ref in refs):
            raise InvalidQuery("validation", f"a field's names have at most {LONGEST_PATH} characters")
        return query

    def refs(self) -> set[FieldRef]:
        """Every field that has to be known to evaluate it."""
        found = {ref for condition in self.conditions for ref in condition.fields}
        found |= {key.field for key in self.order if key.field is not None}
        if self.words:
            found |= set(self.text_refs())
        return found

    def text_refs(self) -> list[FieldRef]:
        """What its text search looks at."""
        return [field_of(self.kind, path) for path in fields.OPERATORS[self.kind].text]


# ---- reading a request


def field_of(kind: str, path: str) -> FieldRef:
    """The field that a client's path names. Raises InvalidQuery where a kind has no such field."""
    ref = fields.resolve(kind, path)
    if ref is None:
        raise InvalidQuery("lookup", err=f'Cannot resolve field "{path}"')
    return ref


def _ids(value: Any) -> tuple[str, ...] | None:
    if not value:
        return None
    ids = [value] if isinstance(value, str) else value
    if not isinstance(ids, list) or not all(isinstance(id, str) for id in ids):
        raise InvalidQuery("value", "invalid value type, string expected", field="id", value=value)
    return tuple(ids)


def _shows_hidden(kind: str, body: Mapping[str, Any]) -> bool:
    return bool(body.get("search_hidden") or body.get("id") or (kind == "queue" and body.get("name")))


def _paging(body: Mapping[str, Any]) -> tuple[int, int, str | None]:
    page, page_size, size = body.get("page"), body.get("page_size"), body.get("size")
    if "scroll_id" in body or ("size" in body and "page" not in body and "page_size" not in body):
        if not isinstance(size, int) or size < 1:
            message = "Integer size parameter greater than 1 should be provided when working with scroll"
            raise InvalidQuery("validation", message)
        if "scroll_id" in body:
            return 0, size, str(body["scroll_id"] or "")
        start = body.get("start") or 0
        if not isinstance(start, int) or start < 0:
            raise InvalidQuery("validation", "start must be >=0", field="start")
        return start, size, None
    for name, value, least in (("page", page, 0), ("page_size", page_size, 1)):
        if value is not None and not isinstance(value, int):
            raise InvalidQuery("validation", f"{name} must be an integer", field=name)
        if value is not None and value < least:
            sign = ">=0" if least == 0 else ">0"
            raise InvalidQuery("validation", f"{name} must be {sign}", field=name)
    page_size = min(page_size or PAGE_SIZE, PAGE_SIZE)
    return (page or 0) * page_size, page_size, None


def _order(kind: str, operators: Operators, value: Any, has_text: bool) -> Iterable[SortKey]:
    names = [value] if isinstance(value, str) else value or ()
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise InvalidQuery("validation", "a list of names was expected", field="order_by")
    if not names:
        # Whoever names no order gets the order of creation, as from the official server's database.
        yield SortKey(field_of(kind, "created"), descending=False)
    for name in names:
        descending = name.startswith("-")
        path = name.lstrip("+-")
        if path == TEXT_SCORE:
            if not has_text:
                message = "text score cannot be used in order_by when search text is not used"
                raise InvalidQuery("value", message)
            yield SortKey(None, descending=True)
            continue
        head = path.partition(".")[0]
        if head not in operators.sortable:
            raise InvalidQuery("lookup", err=f'Cannot resolve field "{head}"')
        if "." in path and head in fields.REFERENCES:
            raise InvalidQuery("lookup", err=f'Cannot resolve field "{path.split(".")[1]}"')
        yield SortKey(field_of(kind, path), descending)


def _conditions(kind: str, operators: Operators, body: Mapping[str, Any]) -> Iterable[Condition]:
    for path, value in body.items():
        if path in ("_any_", "_or_", "_all_", "_and_"):
            yield from _several(kind, path, value)
        elif path == "filters":
            yield from _filters(kind, value)
        elif value is None or value == "" or value == [] or path == "id":
            continue
        elif path in operators.pattern and isinstance(value, str):
            yield Condition((field_of(kind, path),), Matches.parse(value))
        elif fields.known(operators.lists, path):
            yield Condition((field_of(kind, path),), ListFilter.parse(path, value))
        elif fields.known(operators.ranges, path):
            yield Condition((field_of(kind, path),), between(path, value))
        elif fields.known(operators.exact, path):
            yield Condition((field_of(kind, path),), Equals(value))
        elif path in operators.dates and (test := dates(value)) is not None:
            yield Condition((field_of(kind, path),), test)


def _several(kind: str, name: str, value: Any) -> Iterable[Condition]:
    """`_any_` and `_all_`: one pattern or date over several fields."""
    wrong = InvalidQuery(
        "value", "failed parsing query field", error=f"incorrect field format: field={name}", field=name
    )
    if not isinstance(value, Mapping) or ("pattern" in value) == ("datetime" in value):
        raise wrong
    names = value.get("fields")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise wrong
    test: Test | None
    test = Matches.parse(value["pattern"], re.IGNORECASE) if "pattern" in value else dates(value["datetime"])
    refs = tuple(ref for path in dict.fromkeys(names) if (ref := fields.resolve(kind, path)) is not None)
    if refs and test is not None:
        yield Condition(refs, test, any=name in ("_any_", "_or_"))
    elif names and not refs:
        yield Condition((field_of(kind, "id"),), lambda _value: False)


def _filters(kind: str, value: Any) -> Iterable[Condition]:
    """`filters`: {field: {any|all: {include, exclude}, op}}."""
    for path, groups in _object("filters", value).items():
        unknown = set(_object(path, groups)) - {"any", "all", "op"}
        if unknown:
            raise InvalidQuery("validation", field=path, value=f"unexpected key {sorted(unknown)[0]!r}")
        some, every = (_object(f"{path}.{side}", groups.get(side)) for side in ("any", "all"))
        wanted = ListFilter(
            some=_members(path, some.get("include")),
            every=_members(path, every.get("include")),
            none=_members(path, every.get("exclude")),
            not_every=_members(path, some.get("exclude")),
            any_group=groups.get("op") == "or",
        )
        yield Condition((field_of(kind, path),), wanted)


def _object(path: str, value: Any) -> Mapping[str, Any]:
    """A part of `filters`, {} where it is not given."""
    if value and not isinstance(value, Mapping):
        raise InvalidQuery("validation", "an object was expected", field=path)
    return value or {}


def _members(path: str, values: Any) -> frozenset[str | None] | None:
    if values and not (isinstance(values, list) and all(one is None or isinstance(one, str) for one in values)):
        raise InvalidQuery("value", "invalid value type, list of strings expected", field=path, value=values)
    return frozenset(values) if values else None
