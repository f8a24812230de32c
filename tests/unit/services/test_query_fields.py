"""A field that a query is said to read changes the query."""

from typing import Any

import pytest

from control_plane.services import listing
from control_plane.services.query_fields import SHOWN, query_fields
from control_plane.store import Query
from control_plane.store.fields import OPERATORS, known

SAMPLES: dict[str, Any] = {
    "page": 3,
    "page_size": 7,
    "start": 5,
    "size": 9,
    "scroll_id": None,
    "refresh_scroll": True,
    "order_by": ["-name"],
    "search_text": "word",
    "search_hidden": True,
    "filters": {"tags": {"any": {"include": ["a"]}}},
    "ready": True,
}
BESIDE = {"start": {"size": 20}, "scroll_id": {"size": 20}, "refresh_scroll": {"size": 20, "scroll_id": "s"}}
HANDLED_BEFORE = {"include_subprojects", "shallow_search"}
"""Turned into other fields by `listing`; tested over HTTP."""


def sample(kind: str, name: str) -> Any:
    if name in SAMPLES:
        return SAMPLES[name]
    if name in ("_all_", "_any_", "_and_", "_or_"):
        return {"fields": ["name"], "pattern": "x"}
    operators = OPERATORS[kind]
    if known(operators.ranges, name):
        return ["2026-01-01", None]
    if name in operators.dates:
        return [">=2026-01-01"]
    return "x" if name in operators.pattern else ["x"]


@pytest.mark.parametrize("kind", ["task", "model", "project", "queue"])
def test_every_declared_field_changes_the_query(kind: str) -> None:
    for name in sorted(query_fields(kind) - SHOWN - HANDLED_BEFORE):
        beside = BESIDE.get(name, {})
        if name.endswith(".*"):
            name = {"hyperparams.*": "hyperparams.Args.lr.value", "metadata.*": "metadata.k.value"}.get(
                name, name.replace("*", "x.y.value" if name.startswith("last") else "x")
            )
        asked = Query.from_request(kind, {**beside, name: sample(kind, name)})
        plain = Query.from_request(kind, dict(beside))
        assert _shape(asked) != _shape(plain), name


def _shape(query: Query) -> tuple[Any, ...]:
    return (
        [condition.fields for condition in query.conditions],
        query.ids,
        query.order,
        query.start,
        query.size,
        query.scroll_id,
        query.refresh_scroll,
        query.words,
    )


def test_both_names_of_a_projection_are_read() -> None:
    assert [listing.only_fields({name: ["a"]}) for name in sorted(SHOWN)] == [["a"], ["a"]]
