"""Calls about tasks whose fields or effects no other test looks at."""

from __future__ import annotations

from tests.integration.services.conftest import Api

NOBODY = "0" * 32


def waits(api: Api, queue: str) -> list[str]:
    return [entry["task"] for entry in api("queues.get_by_id", queue=queue)["queue"]["entries"]]


def test_a_draft_has_no_words_about_its_status_but_agents_find_the_field(api: Api) -> None:
    task = api.task()
    assert api("tasks.get_all", id=[task], only_fields=["status_message", "status_reason"])["tasks"] == [{}]
    found = api.read(task)
    assert (found["status_message"], found["status_reason"]) == ("", "")


def test_enqueueing_may_leave_the_tasks_queue_as_it_was(api: Api) -> None:
    task, first, second = api.task(), api.queue(), api.queue()
    api("tasks.enqueue", task=task, queue=first)
    fields = api("tasks.enqueue", task=task, queue=second, update_execution_queue=False)["fields"]
    assert "execution.queue" not in fields
    assert api.read(task)["execution"]["queue"] == first
    assert (waits(api, first), waits(api, second)) == ([], [task])


def test_a_task_started_by_hand_keeps_its_entry_and_is_not_handed_out(api: Api) -> None:
    queue = api.queue()
    running, other = api.task(), api.task()
    for task in (running, other):
        api("tasks.enqueue", task=task, queue=queue)
    api("tasks.started", task=running)
    assert waits(api, queue) == [running, other]
    assert api("queues.get_next_task", queue=queue)["entry"]["task"] == other
    assert waits(api, queue) == []
    assert api.read(running)["status"] == "in_progress"


def test_what_a_task_works_on_is_kept_and_found(api: Api) -> None:
    view = {"view": {"entries": [{"dataset": "d1", "version": "v1"}, {"dataset": "d2", "version": "v2"}]}}
    task = api.task(input=view)
    assert api.read(task)["input"] == view
    name = "input.view.entries.dataset"
    found = api("tasks.get_all", **{name: ["d2"], "id": [task]}, only_fields=["id"])["tasks"]
    assert found == [{"id": task}]
    assert api("tasks.get_all", **{name: ["d3"], "id": [task]})["tasks"] == []
    api("tasks.edit", task=task, input={})
    assert api.read(task)["input"] == {}


def test_a_clone_can_check_what_it_refers_to(api: Api) -> None:
    model, project = api.model(), api.project()
    source = api.task(project=project, models={"input": [{"name": "m", "model": model}], "output": []})
    assert api.code("tasks.clone", task=source, validate_references=True) == (200, 0)
    api("models.delete", model=model, force=True)
    assert api.code("tasks.clone", task=source) == (200, 0)
    assert api.code("tasks.clone", task=source, validate_references=True) == (400, 201)


def test_a_clone_takes_what_it_is_told(api: Api) -> None:
    source = api.task(
        comment="old",
        tags=["a"],
        hyperparams={"Args": {"x": {"value": "1"}}},
        configuration={"net": {"value": "{}"}},
        container={"image": "old"},
    )
    parent, model = api.task(), api.model()
    project = api.name("cloned into")
    answer = api(
        "tasks.clone",
        task=source,
        new_task_name="copy",
        new_task_comment="new",
        new_task_tags=["b"],
        new_task_system_tags=["c"],
        new_task_parent=parent,
        new_project_name=project,
        new_task_hyperparams={"Args": {"y": {"value": "2"}}},
        new_task_configuration={"other": {"value": "1"}},
        new_task_container={"image": "new"},
        new_task_input_models=[{"name": "start", "model": model}],
        execution_overrides={"queue": "q", "framework": "torch"},
    )
    copy = api.read(answer["id"])
    assert answer["new_project"] == {"id": copy["project"], "name": project}
    assert (copy["name"], copy["comment"], copy["tags"], copy["system_tags"]) == ("copy", "new", ["b"], ["c"])
    assert (copy["parent"], copy["status"], copy["container"]) == (parent, "created", {"image": "new"})
    assert copy["hyperparams"] == {"Args": {"y": {"section": "Args", "name": "y", "value": "2"}}}
    assert copy["configuration"] == {"other": {"name": "other", "value": "1"}}
    assert [item["model"] for item in copy["models"]["input"]] == [model]
    assert copy["execution"]["framework"] == "torch"
    assert api.code("tasks.clone", task=NOBODY) == (400, 101)
    assert api.code("tasks.clone", task=source, new_task_parent=NOBODY) == (400, 101)
    assert api.code("tasks.clone", task=source, new_task_project=NOBODY) == (400, 401)


def test_hyperparameters_are_replaced_as_asked(api: Api) -> None:
    def item(section: str, name: str, value: str = "1") -> dict[str, str]:
        return {"section": section, "name": name, "value": value}

    start = [item("A", "x.y"), item("A", "z%2E"), item("B", "x"), item("properties", "p")]

    def after(replace: str, *items: dict[str, str]) -> set[tuple[str, str]]:
        task = api.task()
        api("tasks.edit_hyper_params", task=task, hyperparams=start)
        api("tasks.edit_hyper_params", task=task, hyperparams=list(items), replace_hyperparams=replace)
        found = api("tasks.get_hyper_params", tasks=[task])["params"][0]["hyperparams"]
        return {(one["section"], one["name"]) for one in found}

    everything = {(one["section"], one["name"]) for one in start}
    assert after("none", item("A", "n")) == everything | {("A", "n")}
    assert after("section", item("A", "n")) == {("A", "n"), ("B", "x"), ("properties", "p")}
    assert after("all", item("A", "n")) == {("A", "n"), ("properties", "p")}
    assert after("all", item("Properties", "q")) == {("properties", "q")}


def test_properties_change_in_any_status(api: Api) -> None:
    task = api.task()
    api("tasks.started", task=task)
    api("tasks.completed", task=task)
    api("tasks.publish", task=task)
    mine = [{"section": "Properties", "name": "seen", "value": "yes"}]
    assert api("tasks.edit_hyper_params", task=task, hyperparams=mine)["updated"] == 1
    other = [{"section": "Args", "name": "lr", "value": "1"}]
    assert api.code("tasks.edit_hyper_params", task=task, hyperparams=other, force=True) == (400, 110)
    assert api.read(task)["hyperparams"] == {
        "properties": {"seen": {"section": "properties", "name": "seen", "value": "yes"}}
    }


def test_configuration_texts_item_by_item(api: Api) -> None:
    task = api.task(configuration={"a.b": {"value": "1", "type": "json"}, "empty": {"value": ""}})
    api("tasks.edit_configuration", task=task, configuration=[{"name": "c", "value": "2"}])
    names = api("tasks.get_configuration_names", tasks=[task])["configurations"]
    assert names == [{"task": task, "names": ["a.b", "c"]}]
    assert api("tasks.get_configuration_names", tasks=[task], skip_empty=False)["configurations"][0]["names"] == [
        "a.b",
        "c",
        "empty",
    ]
    found = api("tasks.get_configurations", tasks=[task], names=["a.b"])["configurations"][0]["configuration"]
    assert found == [{"name": "a.b", "value": "1", "type": "json"}]
    api(
        "tasks.edit_configuration",
        task=task,
        configuration=[{"name": "only", "value": "3"}],
        replace_configuration=True,
    )
    assert list(api.read(task)["configuration"]) == ["only"]
    api("tasks.delete_configuration", task=task, configuration=["only", "nothing"])
    assert api.read(task)["configuration"] == {}


def test_paths_reach_into_names_with_dots(api: Api) -> None:
    task = api.task(hyperparams={"Args": {"net.lr": {"value": "1"}, "50%": {"value": "2"}}})
    found = api("tasks.get_all", id=[task], only_fields=["hyperparams.Args.net%2Elr.value"])["tasks"]
    assert found == [{"hyperparams": {"Args": {"net.lr": {"value": "1"}}}}]
    found = api("tasks.get_all", id=[task], only_fields=["hyperparams.Args.50%%.value"])["tasks"]
    assert found == [{"hyperparams": {"Args": {"50%": {"value": "2"}}}}]


def test_requirements_are_replaced_in_any_status(api: Api) -> None:
    task = api.task(script={"requirements": {"pip": "a"}})
    api("tasks.started", task=task)
    given = {"pip": ["torch==2"], "conda": "", "orig_pip": "torch"}
    assert api("tasks.set_requirements", task=task, requirements=given) == {"updated": 1, "fields": {}}
    assert api.read(task)["script"]["requirements"] == given


def test_public_ones_can_be_left_out(api: Api) -> None:
    project = api.project()
    public, own = api.task(project=project), api.task(project=project)
    api("tasks.make_public", ids=[public])
    body = {"project": [project], "only_fields": ["id"]}
    assert api("tasks.get_all", **body, allow_public=False)["tasks"] == [{"id": own}]
    assert len(api("tasks.get_all", **body)["tasks"]) == 2
    api("tasks.make_private", ids=[public])
    assert len(api("tasks.get_all", **body, allow_public=False)["tasks"]) == 2


def test_a_ping_is_a_sign_of_life_and_an_unknown_task_no_error(api: Api) -> None:
    task = api.task()
    before = api.read(task)["last_update"]
    api("tasks.ping", task=task)
    assert api.read(task)["last_update"] > before
    assert api.code("tasks.ping", task=NOBODY) == (200, 0)


def test_validating_makes_nothing(api: Api) -> None:
    project = api.project()
    assert api("tasks.validate", name="task", type="training", project=project) == {}
    assert api.code("tasks.validate", name="task", type="training", project=NOBODY) == (400, 16)
    assert api("tasks.get_all", project=[project])["tasks"] == []
