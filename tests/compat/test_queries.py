"""The query language through the official client: what each operator finds, leaves out and refuses."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

import pytest

from .session import OfficialError, OfficialSession

Api = Callable[..., Any]


def make(call: Api, project: str, name: str, **fields: Any) -> str:
    return str(call("tasks.create", {"name": name, "type": "training", "project": project, **fields})["id"])


def names(found: list[dict[str, Any]]) -> list[str]:
    return sorted(item["name"] for item in found)


@pytest.fixture
def tagged(call: Api, project: str) -> str:
    """Four tasks named by their tags: "a", "b", "ab" and "none"."""
    for name, tags in (("tags a", ["a"]), ("tags b", ["b"]), ("tags ab", ["a", "b"]), ("tags none", [])):
        make(call, project, name, tags=tags)
    return project


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (["a"], ["tags a", "tags ab"]),
        (["a", "b"], ["tags a", "tags ab", "tags b"]),
        (["__$all", "a", "b"], ["tags ab"]),
        (["__$and", "a", "b"], ["tags ab"]),
        (["-a"], ["tags b", "tags none"]),
        (["b", "-a"], ["tags b"]),
        (["__$all", "__$not", "a"], ["tags b", "tags none"]),
        (["__$all", "b", "__$not", "a"], ["tags b"]),
        (["__$any", "a", "__$not", "b"], ["tags a", "tags ab", "tags none"]),
        (["__$or", "a", "b"], ["tags a", "tags ab", "tags b"]),
        ([], ["tags a", "tags ab", "tags b", "tags none"]),
    ],
    ids=str,
)
def test_tags_grammar_finds(api: Api, tagged: str, tags: list[str], found: list[str]) -> None:
    assert names(api("tasks.get_all", project=[tagged], tags=tags)) == found


def test_null_among_tags_finds_what_has_none(raw: Api, tagged: str) -> None:
    assert names(raw("tasks.get_all", {"project": [tagged], "tags": [None]})["tasks"]) == ["tags none"]
    either = raw("tasks.get_all", {"project": [tagged], "tags": ["b", None]})
    assert names(either["tasks"]) == ["tags ab", "tags b", "tags none"]


def test_official_get_tasks_takes_the_tags_grammar(official: OfficialSession, tagged: str, unique: str) -> None:
    def find(project: str, tags: list[str]) -> list[str]:
        from clearml import Task

        return sorted(task.name for task in Task.get_tasks(project_name=project, tags=tags))

    assert official.run(find, unique, ["a", "-b"]) == ["tags a"]
    assert official.run(find, unique, ["__$all", "a", "b"]) == ["tags ab"]
    assert official.run(find, unique, ["a", "b"]) == ["tags a", "tags ab", "tags b"]


def test_unknown_tag_operator_is_refused(api: Api, project: str) -> None:
    with pytest.raises(OfficialError) as refused:
        api("tasks.get_all", project=[project], tags=["__$maybe", "a"])
    assert (refused.value.code, refused.value.subcode) == (400, 16)


def test_tag_that_looks_like_an_operator_is_refused_on_write(api: Api, call: Api, project: str) -> None:
    with pytest.raises(OfficialError) as refused:
        api("tasks.create", name="operator tag", type="training", project=project, tags=["__$all"])
    assert refused.value.code == 400
    assert call("tasks.get_all", {"project": [project]})["tasks"] == []


def test_name_is_an_unanchored_case_sensitive_pattern(api: Api, call: Api, project: str) -> None:
    for name in ("alpha one", "beta Alpha", "gamma"):
        make(call, project, name)
    assert names(api("tasks.get_all", project=[project], name="lpha")) == ["alpha one", "beta Alpha"]
    assert names(api("tasks.get_all", project=[project], name="alpha")) == ["alpha one"]
    assert names(api("tasks.get_all", project=[project], name="(?i)ALPHA$")) == ["beta Alpha"]
    assert len(api("tasks.get_all", project=[project], name="")) == 3


def test_escaped_names_match_exactly(official: OfficialSession, call: Api, project: str, unique: str) -> None:
    odd = "a.b-c (d) [e] +f/g ü#1"
    task = make(call, project, odd)
    make(call, project, odd + "2")

    def find(project: str, name: str) -> str:
        from clearml import Task

        return Task.get_task(project_name=project, task_name=name).id

    assert official.run(find, unique, odd) == task
    assert call("tasks.get_all", {"project": [project], "name": f"^{re.escape(odd)}$"})["tasks"][0]["id"] == task


def test_bad_pattern_is_refused(api: Api, project: str) -> None:
    with pytest.raises(OfficialError) as refused:
        api("tasks.get_all", project=[project], name="a(b")
    assert (refused.value.code, refused.value.subcode) == (400, 21)


def test_list_fields_filter_by_type_status_and_parent(api: Api, call: Api, project: str) -> None:
    parent = make(call, project, "the parent")
    child = make(call, project, "the child", type="testing", parent=parent)
    call("tasks.started", {"task": child})
    assert names(api("tasks.get_all", project=[project], type=["testing"])) == ["the child"]
    assert names(api("tasks.get_all", project=[project], type=["__$not", "testing"])) == ["the parent"]
    assert names(api("tasks.get_all", project=[project], status=["in_progress"])) == ["the child"]
    assert names(api("tasks.get_all", project=[project], status=["created", "in_progress"])) == [
        "the child",
        "the parent",
    ]
    assert names(api("tasks.get_all", parent=parent)) == ["the child"]
    assert names(api("tasks.get_all", id=[child, parent, "0" * 32])) == ["the child", "the parent"]


def report(call: Api, task: str, *values: float, metric: str = "loss", variant: str = "train") -> str:
    """Report values at iterations 0, 1, ...; returns the path of the last value."""
    call("events.add_batch", b"\n".join(
        b'{"type":"training_stats_scalar","task":"%s","metric":"%s","variant":"%s","iter":%d,"value":%r,"timestamp":%d}'
        % (task.encode(), metric.encode(), variant.encode(), n, value, 1_790_000_000_000 + n)
        for n, value in enumerate(values)
    ))  # fmt: skip
    hashes = [hashlib.md5(text.encode()).hexdigest() for text in (metric, variant)]
    return "last_metrics." + ".".join(hashes)


@pytest.fixture
def iterated(call: Api, project: str) -> str:
    """Tasks at iterations 1, 5 and 9, and one that never reported."""
    for last in (1, 5, 9):
        report(call, make(call, project, f"iteration {last}"), *[0.5] * (last + 1))
    make(call, project, "never")
    return project


@pytest.mark.parametrize(
    ("range", "found"),
    [
        ([1, 5], ["iteration 1", "iteration 5"]),
        ([2, None], ["iteration 5", "iteration 9"]),
        ([6, 8], []),
        ([9, 9], ["iteration 9"]),
    ],
)
def test_ranges_are_inclusive_and_open_at_none(
    raw: Api, iterated: str, range: list[int | None], found: list[str]
) -> None:
    assert names(raw("tasks.get_all", {"project": [iterated], "last_iteration": range})["tasks"]) == found


def test_range_without_minimum_finds_what_has_no_value(raw: Api, call: Api, project: str) -> None:
    field = report(call, make(call, project, "low value"), 3.0) + ".value"
    report(call, make(call, project, "high value"), 8.0)
    make(call, project, "no value")

    def find(range: list[Any]) -> list[str]:
        return names(raw("tasks.get_all", {"project": [project], field: range})["tasks"])

    assert find([None, 4]) == ["low value", "no value"]
    assert find([2.5, 4]) == ["low value"]
    assert find(["7", None]) == ["high value"]


def test_range_without_ends_is_refused(raw: Api, project: str) -> None:
    with pytest.raises(OfficialError) as refused:
        raw("tasks.get_all", {"project": [project], "last_iteration": [None, None]})
    assert (refused.value.code, refused.value.subcode) == (400, 12)


def test_dates_filter_by_comparison_and_as_a_range(raw: Api, call: Api, project: str) -> None:
    at = {}
    for name in ("early", "late"):
        task = make(call, project, f"{name} task")
        call("tasks.started", {"task": task})
        at[name] = call("tasks.get_by_id", {"task": task})["task"]["status_changed"]

    def find(field: str, value: Any) -> list[str]:
        return names(raw("tasks.get_all", {"project": [project], field: value})["tasks"])

    assert find("status_changed", f">{at['early']}") == ["late task"]
    assert find("status_changed", [f">={at['early']}", f"<{at['late']}"]) == ["early task"]
    assert find("status_changed", [at["early"], at["late"]]) == ["early task", "late task"]
    assert find("last_update", [">=2000-01-01", "no date at all"]) == ["early task", "late task"]
    assert find("status_changed", "<2000-01-01T00:00:00") == []


def test_any_and_all_patterns_ignore_case_and_reach_into_fields(
    official: OfficialSession, call: Api, project: str
) -> None:
    make(call, project, "plain name", comment="The Quick fox")
    other = make(call, project, "the quick name", comment="slow")
    call("tasks.edit", {"task": other, "force": True, "runtime": {"pipeline_job_hash": "abc:quick"}})

    def find(project: str, key: str, pattern: str, fields: list[str]) -> list[str]:
        from clearml import Task

        filters = {"project": [project], key: {"pattern": pattern, "fields": fields}}
        return sorted(task.name for task in Task.get_tasks(task_filter=filters))

    assert official.run(find, project, "_any_", "QUICK", ["name", "comment"]) == ["plain name", "the quick name"]
    assert official.run(find, project, "_all_", "quick", ["name", "comment"]) == []
    assert official.run(find, project, "_all_", "^abc:quick$", ["runtime.pipeline_job_hash"]) == ["the quick name"]
    assert official.run(find, project, "_any_", "quick", []) == ["plain name", "the quick name"]


def test_any_of_dates(raw: Api, call: Api, project: str) -> None:
    make(call, project, "dated one")

    def find(date: str) -> list[str]:
        dates = {"datetime": [date], "fields": ["last_update", "status_changed"]}
        return names(raw("tasks.get_all", {"project": [project], "_or_": dates})["tasks"])

    assert find(">2001-01-01T00:00:00") == ["dated one"]
    assert find(">2999-01-01T00:00:00") == []


def lr(value: str) -> dict[str, Any]:
    return {"Args": {"lr": {"section": "Args", "name": "lr", "value": value, "type": "float"}}}


def test_hyperparameters_filter_and_sort_as_numbers(
    official: OfficialSession, raw: Api, call: Api, project: str
) -> None:
    for value in ("10", "9", "0.5"):
        make(call, project, f"rate {value}", hyperparams=lr(value))
    make(call, project, "rate unset")

    def query(project: str, filters: dict[str, Any]) -> list[str]:
        from clearml import Task

        return [task.name for task in Task.get_tasks(task_filter={"project": [project], **filters})]

    ascending = official.run(query, project, {"order_by": ["hyperparams.Args.lr.value"]})
    assert [name for name in ascending if name != "rate unset"] == ["rate 0.5", "rate 9", "rate 10"]
    assert ascending[-1] == "rate unset"
    descending = official.run(query, project, {"order_by": ["-hyperparams.Args.lr.value"]})
    assert descending[:3] == ["rate 10", "rate 9", "rate 0.5"]
    by_value = raw("tasks.get_all", {"project": [project], "hyperparams.Args.lr.value": ["9"]})
    assert names(by_value["tasks"]) == ["rate 9"]


def test_last_metrics_sort_and_project(official: OfficialSession, call: Api, project: str) -> None:
    path = ""
    for best in (2.0, 11.0, 3.0):
        path = report(call, make(call, project, f"best {best:g}"), best, 1.0)
    make(call, project, "best none")

    def find(project: str, order: str, field: str) -> list[Any]:
        from clearml import Task

        found = Task.query_tasks(
            task_filter={"project": [project], "order_by": [order]}, additional_return_fields=["name", field]
        )
        return [[item["name"], item[field]] for item in found]

    found = official.run(find, project, f"-{path}.max_value", f"{path}.max_value")
    assert found[:3] == [["best 11", 11.0], ["best 3", 3.0], ["best 2", 2.0]]
    assert [name for name, _ in official.run(find, project, f"{path}.max_value", f"{path}.max_value")][
        -1
    ] == "best none"


def test_only_fields_reach_into_dictionaries(api: Api, call: Api, project: str) -> None:
    task = make(call, project, "shown in part", hyperparams=lr("0.1"), comment="not asked for")
    call("tasks.edit", {"task": task, "force": True, "runtime": {"progress": 40, "other": 1}})
    (found,) = api(
        "tasks.get_all", id=[task], only_fields=["name", "hyperparams.Args.lr", "runtime.progress", "tags", "container"]
    )
    assert found["name"] == "shown in part"
    assert found["hyperparams"]["Args"]["lr"]["value"] == "0.1"
    assert found["runtime"] == {"progress": 40}
    assert "comment" not in found
    assert "status" not in found
    assert found["tags"] == []
    assert found["container"] == {}


def test_dots_in_parameter_names_are_escaped_in_paths(call: Api, project: str, api: Api) -> None:
    odd = {"Args": {"model.lr": {"section": "Args", "name": "model.lr", "value": "7"}}}
    task = make(call, project, "dotted name", hyperparams=odd)
    (found,) = api("tasks.get_all", id=[task], only_fields=["hyperparams.Args.model%2Elr"])
    assert found["hyperparams"]["Args"]["model.lr"]["value"] == "7"


def test_excluded_fields_are_left_out(call: Api, project: str, api: Api) -> None:
    task = make(call, project, "all but", comment="long text")
    (found,) = api("tasks.get_all", id=[task], only_fields=["-comment", "-script"])
    assert found["name"] == "all but"
    assert "comment" not in found
    assert "script" not in found


def test_hidden_projects_show_on_request(api: Api, call: Api, unique: str) -> None:
    hidden = call("projects.create", {"name": f"{unique}/.pipelines/one", "system_tags": ["hidden", "pipeline"]})["id"]
    task = make(call, hidden, "in a hidden project", system_tags=["hidden"])
    assert names(api("projects.get_all", name=f"^{unique}/", search_hidden=True)) == sorted(
        [f"{unique}/.pipelines", f"{unique}/.pipelines/one"]
    )
    assert f"{unique}/.pipelines/one" not in names(api("projects.get_all", name=f"^{unique}/"))
    assert api("tasks.get_all", project=[hidden]) == []
    assert [item["id"] for item in api("tasks.get_all", project=[hidden], search_hidden=True)] == [task]
    assert [item["id"] for item in api("tasks.get_all", id=[task])] == [task]


def test_tasks_of_subprojects_show_on_request(raw: Api, call: Api, project: str, unique: str) -> None:
    make(call, project, "at the top")
    make(call, call("projects.create", {"name": f"{unique}/deep/er"})["id"], "far below")
    alone = raw("tasks.get_all", {"project": [project]})
    assert names(alone["tasks"]) == ["at the top"]
    below = raw("tasks.get_all", {"project": [project], "include_subprojects": True})
    assert names(below["tasks"]) == ["at the top", "far below"]


def test_archived_tasks_are_left_out_on_request(
    official: OfficialSession, call: Api, project: str, unique: str
) -> None:
    make(call, project, "kept open")
    archived = make(call, project, "put away")
    call("tasks.archive", {"tasks": [archived]})

    def find(project: str, allow: bool) -> list[str]:
        from clearml import Task

        return sorted(t.name for t in Task.get_tasks(project_name=project, allow_archived=allow))

    assert official.run(find, unique, True) == ["kept open", "put away"]
    assert official.run(find, unique, False) == ["kept open"]


def test_search_text_looks_into_names_and_comments(call: Api, project: str, api: Api) -> None:
    make(call, project, "needle in the name")
    make(call, project, "other", comment="a needle below")
    make(call, project, "nothing here")
    assert names(api("tasks.get_all", project=[project], search_text="needle")) == ["needle in the name", "other"]


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ({"any": {"include": ["a"]}}, ["tags a", "tags ab"]),
        ({"all": {"include": ["a", "b"]}}, ["tags ab"]),
        ({"all": {"exclude": ["a"]}}, ["tags b", "tags none"]),
        ({"any": {"exclude": ["a", "b"]}}, ["tags a", "tags b", "tags none"]),
        ({"any": {"include": [None]}}, ["tags none"]),
    ],
    ids=str,
)
def test_structured_filters_of_the_page_find(raw: Api, tagged: str, tags: dict[str, Any], found: list[str]) -> None:
    body = {"project": [tagged], "filters": {"tags": tags}}
    assert names(raw("tasks.get_all_ex", body)["tasks"]) == found


def test_models_filter_by_framework_readiness_and_metadata(api: Api, call: Api, project: str) -> None:
    def create(name: str, **fields: Any) -> None:
        call("models.create", {"uri": f"file:///{name}", "name": name, "project": project, "labels": {}, **fields})

    create("draft torch", framework="PyTorch", ready=False, tags=["x"])
    create("ready keras", framework="Keras", ready=True, metadata=[{"key": "acc", "type": "float", "value": "0.9"}])
    assert names(api("models.get_all", project=[project], framework=["PyTorch"])) == ["draft torch"]
    assert names(api("models.get_all", project=[project], ready=True)) == ["ready keras"]
    assert names(api("models.get_all", project=[project], ready=False)) == ["draft torch"]
    assert names(api("models.get_all", project=[project], tags=["x"])) == ["draft torch"]
    assert names(api("models.get_all", project=[project], uri=["file:///ready keras"])) == ["ready keras"]
    assert names(call("models.get_all", {"project": [project], "metadata.acc.value": ["0.9"]})["models"]) == [
        "ready keras"
    ]


def test_projects_below_one_and_at_the_top(api: Api, raw: Api, unique: str, call: Api) -> None:
    call("projects.create", {"name": f"{unique}/one/two"})
    top = call("projects.get_all", {"name": f"^{unique}$"})["projects"][0]["id"]
    below = raw("projects.get_all", {"parent": [top], "shallow_search": False})["projects"]
    assert names(below) == [f"{unique}/one", f"{unique}/one/two"]
    shallow = api("projects.get_all", name=f"^{unique}", shallow_search=True)
    assert names(shallow) == [unique]


def test_queues_filter_by_name_and_tags(api: Api, call: Api, unique: str) -> None:
    call("queues.create", {"name": f"{unique} fast", "tags": ["gpu"]})
    call("queues.create", {"name": f"{unique} slow"})
    assert names(api("queues.get_all", name=unique)) == [f"{unique} fast", f"{unique} slow"]
    assert names(api("queues.get_all", name=unique, tags=["gpu"])) == [f"{unique} fast"]
    assert names(api("queues.get_all", name=f"^{unique} slow$")) == [f"{unique} slow"]
