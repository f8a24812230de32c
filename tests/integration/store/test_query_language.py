"""The whole query language, over the real store and documents that change between queries, against `naive`."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from control_plane.store import EmbeddedStore, Query, Store, kept, ranks, table
from tests.integration.store import naive

IDS = [f"{number:x}" * 8 for number in range(6)] + ["00000000a", "00000000b", "t1", "t10"]
WORDS = ["alpha", "beta", "Beta 2", "beta 10", "ÄRGER x-1", "x.y", "", "2021-01-01T00:00:00.000000+00:00"]
TAGS = ["a", "b", "-c", "hidden", "archived"]
DATES = ["2020-01-01", "2021-06-01T12:00:00", "2021-06-01T12:00:00.5+02:00", "9000-01-01"]
TIMES = [naive.date(text) for text in DATES] * 3 + ["2020", "soon"]
NUMBERS = [-1, 0, 1, 1.0, 2.5, -0.5, 10, 1e300, 2**53 + 2, -(2**60), True]
PARAMETERS = [
    *("1", "1.0", "10", "9", "007", "1e-3", "0.001", "1e-05", "-2", "inf", "nan", "2.50", "1_0", "-0", "-0.0"),
    *("adam", "Adam2", "adam10", "adam010", "", "None"),
]
JSON = st.sampled_from([*NUMBERS, *WORDS, [], ["a"], ["a", 1], ["b"], {}, {"a": 1}, [["a"]], False])
HYPERPARAMETERS = ["hyperparams.Args.lr.value", "hyperparams.Args.opt.value", "hyperparams.a%2Eb.n.value"]
METRICS = ["last_metrics.m.v.value", "last_metrics.m.v.max_value", "last_metrics.m.w.value"]
SORTABLE = [
    *("name", "comment", "tags", "system_tags", "type", "status", "project", "created", "started", "last_update", "id"),
    *("last_iteration", "active_duration", "runtime.progress", "execution.queue", "models.input.model", "published"),
    *HYPERPARAMETERS,
    *METRICS,
]

texts = st.sampled_from(WORDS)
parameter = st.fixed_dictionaries({"value": st.sampled_from(PARAMETERS)})
metric = st.fixed_dictionaries({}, optional={"value": JSON, "max_value": st.sampled_from(NUMBERS)})
documents = st.fixed_dictionaries(
    {"name": texts},
    optional={
        "comment": texts,
        "report": texts,
        "tags": st.lists(st.sampled_from(TAGS), unique=True),
        "system_tags": st.lists(st.sampled_from(TAGS), unique=True),
        "type": st.sampled_from(["training", "testing"]),
        "status": st.sampled_from(["created", "queued"]),
        "project": st.sampled_from(["p1", "p2"]),
        "parent": st.sampled_from(IDS),
        "created": st.sampled_from(TIMES),
        "started": st.sampled_from(TIMES),
        "last_update": st.sampled_from(TIMES),
        "published": st.sampled_from(TIMES[:3]),
        "last_iteration": st.sampled_from(NUMBERS),
        "active_duration": st.sampled_from([0, 5, 6]),
        "runtime": st.dictionaries(st.sampled_from(["progress", "x.y"]), JSON),
        "execution": st.fixed_dictionaries({}, optional={"queue": st.sampled_from(["q1", "q2"])}),
        "script": st.fixed_dictionaries({}, optional={"repository": texts, "entry_point": texts}),
        "models": st.fixed_dictionaries(
            {},
            optional={"input": st.lists(st.fixed_dictionaries({"model": st.sampled_from(["m1", "m2"])}), max_size=2)},
        ),
        "hyperparams": st.fixed_dictionaries(
            {},
            optional={
                "Args": st.dictionaries(st.sampled_from(["lr", "opt"]), parameter),
                "a.b": st.dictionaries(st.just("n"), parameter),
            },
        ),
        "last_metrics": st.dictionaries(st.just("m"), st.dictionaries(st.sampled_from(["v", "w"]), metric)),
    },
)


def members(values: list[str]) -> st.SearchStrategy[Any]:
    """What a list field may be asked."""
    operators = ["__$all", "__$and", "__$any", "__$or", "__$not", "__$nop"]
    item = st.sampled_from([*values, *(f"-{value}" for value in values), None, *operators])
    return st.lists(item, max_size=5) | st.sampled_from(values)


def between(values: list[Any]) -> st.SearchStrategy[Any]:
    bound = st.sampled_from([*values, None])
    return st.tuples(bound, bound).filter(lambda pair: pair != (None, None)).map(list)


signs = st.sampled_from(["", ">", ">=", "<", "<="])
dates = st.lists(st.builds("{}{}".format, signs, st.sampled_from(DATES)), max_size=2) | st.sampled_from(DATES)
patterns = st.sampled_from(["a", "^beta", "1", r"\d$", "ä", "^$", "(?i)ALPHA|x.y", "M1"])
fields = st.lists(st.sampled_from([*SORTABLE, "report", "runtime.x%2Ey"]), max_size=3)
some_tags = st.lists(st.sampled_from(["a", "b", None]), max_size=2)
sides = st.fixed_dictionaries({}, optional={"include": some_tags, "exclude": some_tags})
groups = st.fixed_dictionaries({}, optional={"any": sides, "all": sides, "op": st.sampled_from(["and", "or"])})
order = st.lists(st.builds("{}{}".format, st.sampled_from(["", "-", "+"]), st.sampled_from(SORTABLE)), max_size=3)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "id": st.lists(st.sampled_from([*IDS, "unknown"]), max_size=4) | st.sampled_from(IDS),
        "name": patterns,
        "comment": patterns,
        "tags": members(["a", "b", "-c"]),
        "system_tags": members(["archived", "a"]),
        "type": members(["training"]),
        "status": members(["created", "queued"]),
        "project": members(["p1", "p2"]),
        "parent": members(IDS[:3]),
        "execution.queue": members(["q1"]),
        "models.input.model": members(["m1", "m2"]),
        HYPERPARAMETERS[0]: members(PARAMETERS),
        HYPERPARAMETERS[1]: members(PARAMETERS[:3]),
        "created": between(DATES),
        "started": between(DATES),
        "last_iteration": between(NUMBERS),
        "active_duration": between([1, 5, "5"]),
        METRICS[0]: between([*NUMBERS, "1", "-0.5", "x"]),
        METRICS[1]: between([0, 1, "2.5"]),
        "runtime.progress": JSON,
        "last_update": dates,
        "status_changed": dates,
        "_any_": st.builds(lambda f, p: {"fields": f, "pattern": p}, fields, patterns),
        "_all_": st.builds(lambda f, p: {"fields": f, "pattern": p}, fields, patterns),
        "_or_": st.builds(lambda f, d: {"fields": f, "datetime": d}, fields, dates),
        "filters": st.dictionaries(st.sampled_from(["tags", "status", "project"]), groups, max_size=1),
        "search_text": st.sampled_from(["beta", "x-1 alpha", "m1", "ärger", "nothing", "00000000"]),
        "search_hidden": st.booleans(),
        "order_by": order,
    },
).map(
    lambda body: {**body, "order_by": ["@text_score", *body.get("order_by", [])]} if body.get("search_text") else body
)
steps = st.lists(
    st.tuples(st.sampled_from(IDS), st.one_of(st.none(), documents)).map(lambda step: ("write", step))
    | st.tuples(bodies, st.integers(1, 3)).map(lambda step: ("ask", step)),
    min_size=8,
    max_size=30,
)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def embedded(runner: asyncio.Runner) -> Iterator[EmbeddedStore]:
    with tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True) as folder:
        running = EmbeddedStore(Path(folder) / "store", durability="process")
        runner.run(running.__aenter__())
        yield running
        runner.run(running.__aexit__())


@pytest.fixture(params=["as it is", "as for many documents"])
def small_limits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten documents take the ways that are meant for a million: windows, threads, columns that go and come again."""
    if request.param == "as for many documents":
        monkeypatch.setattr(table, "FEW", 1)
        monkeypatch.setattr(kept, "FEW_ROWS", 0)
        monkeypatch.setattr(kept, "DOCUMENTS_A_READ", 2)
        monkeypatch.setattr(kept, "COLUMNS_KEPT", 2)
        monkeypatch.setattr(ranks, "NEW_SHARE", 1)
        monkeypatch.setattr("control_plane.store.columns.SPARE", 0)


CALM = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.usefixtures("small_limits")
@given(script=steps)
@CALM
def test_every_query_finds_what_a_naive_model_finds(
    runner: asyncio.Runner, embedded: EmbeddedStore, script: list[tuple[str, Any]]
) -> None:
    runner.run(play(embedded, script))


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("small_limits")
@given(script=steps)
@settings(CALM, max_examples=3_000)
def test_every_one_of_very_many_queries_finds_what_a_naive_model_finds(
    runner: asyncio.Runner, embedded: EmbeddedStore, script: list[tuple[str, Any]]
) -> None:
    runner.run(play(embedded, script))


async def play(embedded: EmbeddedStore, script: list[tuple[str, Any]]) -> None:
    store = await Store.open(embedded.url)
    try:
        await store.connection.client.flushall()
        known: dict[str, dict[str, Any]] = {}
        for action, step in script:
            if action == "write":
                await write(store, known, *step)
            else:
                await ask(store, known, *step)
    finally:
        await store.close()


async def write(store: Store, known: dict[str, Any], id: str, document: dict[str, Any] | None) -> None:
    transaction = store.transaction()
    if id in known:
        transaction.delete("task", id)
        del known[id]
    if document is not None and id not in known:
        await transaction.commit()
        transaction = store.transaction()
        transaction.create("task", id, document)
        known[id] = document
    await transaction.commit()


async def ask(store: Store, known: dict[str, Any], body: dict[str, Any], page_size: int) -> None:
    expected = naive.search(known, body)
    event(f"{min(len(expected), 2)} found")
    everything = await store.query("task", Query.from_request("task", body))
    assert (everything.ids, everything.total) == (expected, len(expected))
    assert await store.query_all("task", Query.from_request("task", body)) == expected
    pages: list[str] = []
    for page in range(len(expected) // page_size + 1):
        asked = Query.from_request("task", {**body, "page": page, "page_size": page_size})
        found = await store.query("task", asked)
        assert found.total == len(expected)
        pages += found.ids
    assert pages == expected
    scrolled: list[str] = []
    scroll_id: str | None = None
    while True:
        found = await store.query(
            "task", Query.from_request("task", {**body, "scroll_id": scroll_id, "size": page_size})
        )
        scroll_id = found.scroll_id
        if not found.ids:
            break
        scrolled += found.ids
    assert scrolled == expected
    paths = ["name", "tags", "created", "hyperparams.Args.lr.value", "last_metrics.m.v.value"]
    values = [(id, *(naive.at(known[id], path) for path in paths)) for id in expected]
    # By their writing, which tells 1 from 1.0 and True.
    assert repr(await store.values("task", Query.from_request("task", body), paths)) == repr(values)
    counted = await store.counts("task", Query.from_request("task", body), ["status", "tags"])
    pairs = [(known[id].get("status"), known[id].get("tags")) for id in expected]
    assert sorted(map(str, counted)) == sorted({str((*pair, pairs.count(pair))) for pair in pairs})
