"""The query language: what a request's body finds in columns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.store import InvalidQuery, Query
from control_plane.store.collation import natural
from control_plane.store.conditions import ListFilter, parse_date
from control_plane.store.fields import look_inside, resolve
from control_plane.store.table import Table

TASKS = {
    "alpha": {"name": "alpha", "tags": ["x"], "type": "training", "comment": "c one", "lr": "10", "created": "2020"},
    "beta": {"name": "beta", "tags": ["x", "y"], "type": "testing", "comment": "c TWO", "lr": "9", "created": "2021"},
    "delta": {"name": "delta", "tags": [], "type": "inference", "created": "2022", "system_tags": ["archived"]},
    "gamma": {"name": "gamma", "tags": ["y"], "type": "training", "comment": "", "lr": "2", "created": "2023"},
}


def value_of(id, ref):
    row = TASKS[id]
    document = {**row, "id": id, "created": f"{row['created']}-01-01T00:00:00.000000+00:00"}
    if ref.part == "core":
        return look_inside(document.get(ref.field), ref.inside)
    if ref.part == "hyperparams" and row.get("lr"):
        return look_inside({"value": row["lr"]}, ref.inside)
    return None


def found(body):
    query = Query.from_request("task", body)
    table = Table()
    rows = table.add(sorted(TASKS))
    table.begin(query.refs())
    for ref in query.refs():
        table.put(ref, rows, [value_of(id, ref) for id in sorted(TASKS)])
    table.finish(query.refs())
    return table.ids(table.ordered(table.find(query), query.order))


@pytest.mark.parametrize(
    ("tags", "ids"),
    [
        (["x"], "alpha beta"),
        ("x", "alpha beta"),
        (["x", "y"], "alpha beta gamma"),
        (["-x"], "delta gamma"),
        (["x", "-y"], "alpha"),
        (["-x", "-y"], "delta"),
        (["__$all", "x", "y"], "beta"),
        (["__$and", "x", "y"], "beta"),
        (["__$any", "x", "y"], "alpha beta gamma"),
        (["__$or", "x", "__$not", "y"], "alpha beta delta"),
        (["__$not", "x"], "delta gamma"),
        (["__$all", "__$not", "x", "__$not", "y"], "delta"),
        (["__$nop", "x", "-y"], "alpha"),
        (["__$not", "x", "__$nop", "y"], "gamma"),
        (["__$all", "x", "__$any", "y"], "beta"),
        ([None], "delta"),
        (["x", None], "alpha beta delta"),
        ([], "alpha beta delta gamma"),
        (None, "alpha beta delta gamma"),
    ],
)
def test_operators_of_list_fields(tags, ids):
    assert sorted(found({"tags": tags})) == ids.split()


@pytest.mark.parametrize(
    ("groups", "ids"),
    [
        ({"any": {"include": ["x"]}}, "alpha beta"),
        ({"all": {"include": ["x", "y"]}}, "beta"),
        ({"any": {"exclude": ["x", "y"]}}, "alpha delta gamma"),
        ({"all": {"exclude": ["x"]}}, "delta gamma"),
        ({"any": {"include": ["x", None]}}, "alpha beta delta"),
        ({"any": {"include": ["x"]}, "all": {"exclude": ["y"]}, "op": "or"}, "alpha beta delta"),
        ({"any": {"include": ["x"]}, "all": {"exclude": ["y"]}}, "alpha"),
    ],
)
def test_filters(groups, ids):
    assert sorted(found({"filters": {"tags": groups}})) == ids.split()


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"name": "^(al|be)"}, "alpha beta"),
        ({"name": "ALPHA"}, ""),
        ({"name": r"^al\pha$".replace(r"\p", "p")}, "alpha"),
        ({"_any_": {"fields": ["name", "comment"], "pattern": "two|ALPHA"}}, "alpha beta"),
        ({"_all_": {"fields": ["name", "comment"], "pattern": "a|two"}}, "beta"),
        ({"_or_": {"fields": ["tags"], "pattern": "^x$"}}, "alpha beta"),
        ({"_any_": {"fields": [], "pattern": "alpha"}}, "alpha beta delta gamma"),
        ({"hyperparams.Args.lr.value": ["10", "2"]}, "alpha gamma"),
        ({"hyperparams.Args.lr.value": [None]}, "delta"),
        ({"created": ["2020-06-01", "2022-06-01T00:00:00Z"]}, "beta delta"),
        ({"created": [None, "2020-06-01"]}, "alpha"),
        ({"started": [None, "2020-06-01"]}, "alpha beta delta gamma"),
        ({"_any_": {"fields": ["created", "started"], "datetime": [">2021-06-01"]}}, "delta gamma"),
        ({"status_changed": ["junk"]}, "alpha beta delta gamma"),
        ({"id": "beta"}, "beta"),
        ({"id": []}, "alpha beta delta gamma"),
        ({"type": ["-training"], "system_tags": ["-archived"]}, "beta"),
        ({"unknown": ["x"], "method": "get"}, "alpha beta delta gamma"),
        ({"search_text": "ONE gamma"}, "alpha gamma"),
    ],
)
def test_conditions(body, ids):
    assert sorted(found(body)) == ids.split()


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        (["name"], "alpha beta delta gamma"),
        (["-name"], "gamma delta beta alpha"),
        ("hyperparams.Args.lr.value", "gamma beta alpha delta"),
        ("-hyperparams.Args.lr.value", "alpha beta gamma delta"),
        (["type", "-name"], "delta beta gamma alpha"),
        ([], "alpha beta delta gamma"),
    ],
)
def test_order(order, ids):
    assert found({"order_by": order}) == ids.split()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"name": "("}, "regex"),
        ({"tags": ["__$bogus"]}, "value"),
        ({"tags": [1]}, "value"),
        ({"_any_": {"fields": ["name"]}}, "value"),
        ({"_any_": None}, "value"),
        ({"created": [None, None]}, "validation"),
        ({"created": ["2020-01-01"]}, "validation"),
        ({"page": -1}, "validation"),
        ({"page": 0, "page_size": 0}, "validation"),
        ({"scroll_id": None}, "validation"),
        ({"order_by": ["bogus"]}, "lookup"),
        ({"order_by": ["@text_score"]}, "value"),
    ],
)
def test_what_cannot_be_understood_is_refused(body, reason):
    with pytest.raises(InvalidQuery) as caught:
        Query.from_request("task", body)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("body", "start", "size"),
    [
        ({}, 0, 500),
        ({"page": 2, "page_size": 10}, 20, 10),
        ({"page_size": 9999}, 0, 500),
        ({"start": 4, "size": 7}, 4, 7),
    ],
)
def test_pages(body, start, size):
    query = Query.from_request("task", body)
    assert (query.start, query.size) == (start, size)


def test_hidden_documents_are_left_out_unless_named():
    TASKS["hidden"] = {"name": "h", "tags": [], "created": "2024", "system_tags": ["hidden"]}
    try:
        assert "hidden" not in found({})
        assert "hidden" in found({"search_hidden": True})
        assert found({"id": ["hidden"]}) == ["hidden"]
    finally:
        del TASKS["hidden"]


@given(st.lists(st.integers(0, 10**6)))
def test_natural_order_is_the_order_of_numbers(numbers):
    assert sorted(map(str, numbers), key=natural) == list(map(str, sorted(numbers)))


@given(st.lists(st.text() | st.integers() | st.floats(allow_nan=False)))
def test_natural_order_compares_anything(values):
    sorted(values, key=natural)


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc"), min_size=1))
def test_a_plain_list_asks_for_any_of_its_values(value, wanted):
    assert ListFilter.parse("tags", wanted)(value) == bool(set(value) & set(wanted))


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc"), min_size=1))
def test_all_asks_for_all_of_its_values(value, wanted):
    assert ListFilter.parse("tags", ["__$all", *wanted])(value) == (set(value) >= set(wanted))


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2020-01-02", "2020-01-02T00:00:00.000000+00:00"),
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05.000000+00:00"),
        ("2020-01-02T03:04:05+02:00", "2020-01-02T01:04:05.000000+00:00"),
        ("2020-01-02 03:04", "2020-01-02T03:04:00.000000+00:00"),
        ("junk", None),
        ("", None),
    ],
)
def test_dates_are_read_as_the_store_writes_them(text, date):
    assert parse_date(text) == date


def test_a_path_into_users_keys_is_resolved_with_its_escapes():
    ref = resolve("task", "hyperparams.a%2Eb.lr.value")
    assert (ref.part, ref.field, ref.inside) == ("hyperparams", "a.b\0lr", ("value",))
    assert resolve("task", "hyperparams.Args") is None
    assert resolve("task", "models.input.model").inside == ("model",)
