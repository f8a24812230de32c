"""Which steps may run, which never will, and what is wrong with a pipeline; references and what they stand for."""

from __future__ import annotations

from typing import Any

import pytest

from clearml_sdk.automation.jobs import hashing
from clearml_sdk.automation.jobs.drafting import drafted
from clearml_sdk.automation.pipeline import graph, monitoring, plots, project, state
from clearml_sdk.automation.pipeline.lazy import LazyResult, is_lazy, settled
from clearml_sdk.automation.pipeline.node import Node
from clearml_sdk.automation.pipeline.references import of_task, references, replaced, steps_named
from clearml_sdk.errors import UsageError


def nodes(**parents: list[str]) -> dict[str, Node]:
    return {name: Node(name, parents=list(of)) for name, of in parents.items()}


def names(found: list[Node]) -> list[str]:
    return [node.name for node in found]


def test_parents_come_before_their_children() -> None:
    found = nodes(d=["b", "c"], b=["a"], c=["a"], a=[])
    ordered = names(graph.in_order(found))
    assert ordered.index("a") < ordered.index("b") < ordered.index("d")
    assert names(graph.ready(found)) == ["a"]


def test_circle_is_named() -> None:
    with pytest.raises(UsageError, match="a, b"):
        graph.in_order(nodes(a=["b"], b=["a"], c=[]))


def test_reference_makes_a_parent() -> None:
    found = nodes(a=[], b=[])
    found["b"].parameters = {"General/x": ["${a.id}", {"y": "${pipeline.z}"}]}
    graph.add_named_parents(found)
    assert found["b"].parents == ["a"]
    found["b"].parameters = {"General/x": "${gone.id}"}
    with pytest.raises(UsageError, match="gone"):
        graph.add_named_parents(found)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("${pipeline.gone}", "no parameter 'gone'"),
        ("${a.artefacts.x.url}", "of a step there are id, artifacts"),
        ("${a}", "of a step there are"),
        ("${a.id} ${pipeline.known} ${pipeline.id} ${a.models.output.-1.url} ${a.script.branch}", None),
    ],
)
def test_reference_that_can_stand_for_nothing_is_refused(value: str, told: str | None) -> None:
    found = nodes(a=[], b=[])
    found["b"].task_overrides = {"comment": [value]}
    if told is None:
        graph.check_references(found, {"known"})
    else:
        with pytest.raises(UsageError, match=told):
            graph.check_references(found, {"known"})


def test_what_waits_for_a_failed_step_is_skipped() -> None:
    found = nodes(a=[], b=["a"], c=["b"], d=[])
    found["a"].status = "failed"
    assert names(graph.skip_unreachable(found)) == ["b", "c"]
    assert names(graph.ready(found)) == ["d"]


@pytest.mark.parametrize(
    ("behaviour", "stops", "passes"),
    [
        (None, True, False),
        ({}, False, False),
        ({"skip_children_on_fail": False}, False, True),
        ({"continue_on_fail": False}, True, False),
        ({"continue_on_fail": False, "skip_children_on_fail": False}, True, True),
    ],
)
def test_behaviour_of_a_failed_step(behaviour: dict[str, bool] | None, stops: bool, passes: bool) -> None:
    node = Node("a", continue_behaviour=behaviour)
    node.status = "failed"
    assert (node.stops_pipeline, node.lets_pass) == (stops, passes)


def test_stored_steps_are_read_back() -> None:
    found = nodes(a=[], b=["a"])
    found["b"].parameters = {"x/y": [1, "two"]}
    stored = state.loaded(state.dumped(found))
    assert {name: vars(Node.from_stored(name, fields)) for name, fields in stored.items()} == {
        name: vars(node) for name, node in found.items()
    }
    assert state.loaded("no json") == {} == state.loaded("[1]")


TASK = {
    "id": "t1",
    "hyperparams": {"Args": {"a/b": {"value": "7"}}},
    "script": {"branch": "main"},
    "execution": {
        "artifacts": [
            {"key": "data.csv", "uri": "s3://x", "hash": "h", "content_size": 3, "type_data": {"preview": "p"}},
        ]
    },
    "models": {"output": [{"name": "first", "model": {"id": "m1", "uri": "u1"}}, {"name": "last", "model": "m2"}]},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${s.id}", "t1"),
        ("${s.parameters.Args/a/b}", "7"),
        ("${s.artifacts.data\\.csv.url}", "s3://x"),
        ("${s.artifacts.data.csv.hash}", "h"),
        ("${s.artifacts.data\\.csv.size}", 3),
        ("${s.artifacts.data\\.csv.preview}", "p"),
        ("${s.models.output.0.url}", "u1"),
        ("${s.models.output.-1}", "m2"),
        ("${s.models.output.first.id}", "m1"),
        ("${s.script.branch}", "main"),
    ],
)
def test_reference_to_a_task(text: str, value: Any) -> None:
    assert replaced(text, lambda reference: of_task(reference, TASK)) == value


def test_reference_to_nothing_is_named() -> None:
    with pytest.raises(UsageError, match=r"\$\{s.artifacts.other.url\}"):
        replaced("${s.artifacts.other.url}", lambda reference: of_task(reference, TASK))


def test_references_inside_of_texts_lists_and_dictionaries() -> None:
    value = ["${a.id}.out and ${b.id}", {"${c.id}": 1}]
    assert [reference.text for reference in references(value)] == ["${a.id}", "${b.id}", "${c.id}"]
    assert steps_named(value, "${pipeline.x}") == ["a", "b", "c"]
    assert replaced(value, lambda reference: reference.owner.upper()) == ["A.out and B", {"C": 1}]
    assert replaced(value, lambda reference: "x", deep=False) == value


def test_run_numbers_and_versions() -> None:
    assert project.next_name("p", []) == "p"
    assert project.next_name("p", ["p", "p #7", "p #2"]) == "p #8"
    assert project.next_version([]) == "1.0.0"
    assert project.next_version(["1.2.9", "1.2.10", "x", ""]) == "1.2.11"


def test_draft_takes_overrides_and_leaves_its_base_alone() -> None:
    base = {
        "hyperparams": {"Args": {"lr": {"section": "Args", "name": "lr", "value": "1", "type": "float"}}},
        "configuration": {"c": {"name": "c", "value": "old", "type": "json"}},
        "script": {"branch": "main", "requirements": {"pip": "a"}},
        "container": {"image": "i"},
    }
    fields = drafted(
        base,
        parameter_override={"Args/lr": "0.5", "new": 3},
        configuration_overrides={"c": {"k": 1}},
        task_overrides={"script.branch": "dev", "script.requirements.pip": "b", "container.image": "j", "comment": "x"},
    )
    before = base["hyperparams"]["Args"]["lr"]
    assert fields["hyperparams"]["Args"]["lr"] == {**before, "value": "0.5", "description": ""}
    assert fields["hyperparams"]["General"]["new"]["value"] == "3"
    assert fields["configuration"]["c"] == {"name": "c", "value": "k = 1", "type": "dictionary"}
    assert fields["script"] == {"branch": "dev", "requirements": {"pip": "b"}}
    assert (fields["container"], fields["comment"]) == ({"image": "j"}, "x")
    assert base["script"] == {"branch": "main", "requirements": {"pip": "a"}}


def test_hash_sees_code_values_and_content_but_no_packages() -> None:
    base = {"script": {"diff": "a", "requirements": {"pip": "x"}}, "hyperparams": {}}

    def digest(fields: dict[str, Any], **hashes: str) -> str:
        return hashing.digest(hashing.described(fields, hashes))

    same = digest(base)
    assert digest({**base, "script": {"diff": "a", "requirements": {"pip": "y"}}}) == same
    assert digest({**base, "script": {"diff": "b"}}) != same
    first = {**base, "hyperparams": {"kwargs_artifacts": {"d": {"value": "t1.out"}}}}
    second = {**base, "hyperparams": {"kwargs_artifacts": {"d": {"value": "t2.out"}}}}
    assert digest(first) != digest(second)
    assert digest(first, **{"t1.out": "h"}) == digest(second, **{"t2.out": "h"})


def test_plots_show_every_step_once() -> None:
    found = nodes(a=[], b=["a"], alone=[])
    drawn = plots.flow(found)["data"][0]
    assert [label.partition("<")[0] for label in drawn["node"]["label"]] == ["a", "alone", "b"]
    assert list(zip(drawn["link"]["source"], drawn["link"]["target"], strict=True)) == [(0, 2), (1, 1)]
    assert plots.table(found, str)["data"][0]["cells"]["values"][0] == ["a", "alone", "b"]


def test_lazy_result_is_read_once_and_acts_as_its_value() -> None:
    reads = []

    def read() -> int:
        reads.append(1)
        return 5

    lazy: Any = LazyResult(read, "step", "out")
    assert is_lazy(lazy)
    assert not reads
    assert lazy + 1 == 6
    assert 1 + lazy == 6
    assert lazy > 4
    assert f"{lazy}" == "5"
    assert isinstance(lazy, int)
    assert settled([lazy, {"k": lazy}]) == [5, {"k": 5}]
    assert len(reads) == 1


def test_what_is_shown_is_written_as_pairs() -> None:
    wishes: dict[str, Any] = {
        "monitor_metrics": [("loss", "train"), (("loss", "train"), ("losses", "one"))],
        "monitor_artifacts": ["data", ("data", "other")],
        "monitor_models": ["net"],
    }
    node = Node("a", **wishes)
    monitoring.spell_out(node)
    assert node.monitor_metrics == [[["loss", "train"]] * 2, [["loss", "train"], ["losses", "one"]]]
    assert node.monitor_artifacts == [["data", "data"], ["data", "other"]]
    assert node.monitor_models == [["net", "net"]]
    with pytest.raises(UsageError, match="pairs"):
        monitoring.spell_out(Node("a", monitor_metrics=["loss"]))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, None, True]}, '{"a": [1, null, true]}'),
        (["x", 2], '["x", 2]'),
        ({1: "a"}, "{1: 'a'}"),
        ((1, 2), "[1, 2]"),
        ("text", "text"),
    ],
)
def test_values_of_steps_are_json_where_nothing_is_lost(value: Any, text: str) -> None:
    fields = drafted({}, parameter_override={"Args/x": value})
    assert fields["hyperparams"]["Args"]["x"]["value"] == text
