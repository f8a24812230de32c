"""`projects.get_all_ex` and what occurs in projects: counted and listed without reading tasks."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.services.status import Status
from tests.integration.services.conftest import Api


def one(api: Api, project: str, **body: Any) -> dict[str, Any]:
    found: list[dict[str, Any]] = api("projects.get_all_ex", id=[project], **body)["projects"]
    assert [item["id"] for item in found] == [project]
    return found[0]


def names(answer: dict[str, Any]) -> set[str]:
    return {project["name"] for project in answer["projects"]}


class TestStatistics:
    def test_tasks_are_counted_by_status_with_those_below(self, api: Api) -> None:
        root = api.project()
        name = api("projects.get_by_id", project=root)["project"]["name"]
        sub = api.project(f"{name}/sub")
        deep = api.project(f"{name}/sub/deep")
        for project in (root, sub, deep, deep):
            api.task(project=project)
        run = api.task(project=sub)
        api("tasks.started", task=run)
        api("tasks.completed", task=run)
        gone = api.task(project=deep)
        api("tasks.archive", tasks=[gone])
        hidden = api.task(project=deep, system_tags=["hidden"])

        found = one(api, root, include_stats=True)
        counts = found["stats"]["active"]
        assert set(counts["status_count"]) == set(Status)
        assert {status: n for status, n in counts["status_count"].items() if n} == {"created": 4, "completed": 1}
        assert (counts["total_tasks"], counts["completed_tasks_24h"]) == (5, 1)
        assert counts["last_task_run"] == api.read(run)["started"]
        assert [child["name"] for child in found["sub_projects"]] == [f"{name}/sub", f"{name}/sub/deep"]

        own = one(api, root, include_stats=True, stats_with_children=False)
        assert (own["stats"]["active"]["total_tasks"], own["sub_projects"]) == (1, [])
        archived = one(api, root, include_stats=True, stats_for_state="archived")["stats"]
        assert list(archived) == ["archived"]
        assert archived["archived"]["total_tasks"] == 1
        assert archived["archived"]["last_task_run"] is None
        filtered = one(api, root, include_stats=True, include_stats_filter={"status": ["completed"]})
        assert filtered["stats"]["active"]["total_tasks"] == 1
        with_hidden = one(api, root, include_stats=True, search_hidden=True)
        assert with_hidden["stats"]["active"]["total_tasks"] == 6
        api("tasks.delete", task=hidden)

    def test_run_times_are_added_up(self, api: Api) -> None:
        project = api.project()
        assert one(api, project, include_stats=True)["stats"]["active"]["total_runtime"] == 0
        for _ in range(2):
            task = api.task(project=project)
            api("tasks.started", task=task)
            api("tasks.stopped", task=task)
        total = one(api, project, include_stats=True)["stats"]["active"]["total_runtime"]
        tasks = api("tasks.get_all", project=[project], only_fields=["active_duration"])["tasks"]
        assert total == sum(task["active_duration"] for task in tasks)

    def test_a_move_changes_the_counts_at_once(self, api: Api) -> None:
        first, second = api.project(), api.project()
        task = api.task(project=first)
        for source, target in ((first, second), (second, first)):
            api("tasks.move", ids=[task], project=target)
            assert one(api, source, include_stats=True)["stats"]["active"]["total_tasks"] == 0
            assert one(api, target, include_stats=True)["stats"]["active"]["total_tasks"] == 1

    def test_own_contents_leave_out_what_is_archived_or_below(self, api: Api) -> None:
        project = api.project()
        name = api("projects.get_by_id", project=project)["project"]["name"]
        below = api.project(f"{name}/below")
        kept, gone = api.task(project=project), api.task(project=project)
        api.task(project=below)
        api.model(project=project)
        api("tasks.archive", tasks=[gone])
        found = one(api, project, check_own_contents=True)
        assert (found["own_tasks"], found["own_models"]) == (1, 1)
        assert kept

    def test_an_unknown_state_is_refused(self, api: Api) -> None:
        assert api.code("projects.get_all_ex", include_stats=True, stats_for_state="sleeping") == (400, 12)

    def test_a_dataset_shows_its_newest_version(self, api: Api) -> None:
        project = api.project(system_tags=["hidden", "dataset"])
        for size in (10, 20):
            task = api.task(project=project, type="data_processing", system_tags=["dataset"])
            api("tasks.edit", task=task, runtime={"ds_file_count": size, "ds_total_size": size * 100})
        found = one(api, project, include_dataset_stats=True)
        assert found["dataset_stats"] == {"file_count": 20, "total_size": 2000}


class TestWhichProjects:
    def test_kinds_of_children(self, api: Api) -> None:
        root = api.name("root")
        plain = api.project(f"{root}/plain")
        api.project(f"{root}/.pipelines/one", system_tags=["hidden", "pipeline"], tags=["nightly"])
        api.project(f"{root}/.pipelines/two", system_tags=["hidden", "pipeline"])
        api.project(f"{root}/.datasets/data", system_tags=["hidden", "dataset"])
        api("reports.create", name="a report", project=plain)

        def find(**more: Any) -> set[str]:
            return names(api("projects.get_all_ex", name=f"^{root}", search_hidden=True, **more))

        above = {root, f"{root}/.pipelines"}
        assert find(children_type="pipeline") == above | {f"{root}/.pipelines/one", f"{root}/.pipelines/two"}
        assert find(children_type="pipeline", children_tags=["nightly"]) == above | {f"{root}/.pipelines/one"}
        wanted = {"any": {"exclude": ["nightly"]}}
        assert find(children_type="pipeline", children_tags_filter=wanted) == above | {f"{root}/.pipelines/two"}
        assert find(children_type="dataset") == {root, f"{root}/.datasets", f"{root}/.datasets/data"}
        assert find(children_type="report") == {root, f"{root}/plain", f"{root}/plain/.reports"}
        hidden = api("projects.get_all_ex", name=f"^{root}", children_type="pipeline", search_hidden=True)["projects"]
        assert {item["name"] for item in hidden if item.get("hidden")} == {
            f"{root}/.pipelines/one",
            f"{root}/.pipelines/two",
        }
        shown = names(api("projects.get_all_ex", name=f"^{root}", children_type="pipeline"))
        assert shown == above
        assert find(children_type="dataset", id=[plain]) == set()
        assert api.code("projects.get_all_ex", children_type="cake") == (400, 12)

    def test_users_who_work_there(self, api: Api) -> None:
        me = api("users.get_current_user")["user"]["id"]
        root = api.name("root")
        api.project(f"{root}/mine")
        body = {"name": f"^{root}", "active_users": [me]}
        assert names(api("projects.get_all_ex", **body)) == {root, f"{root}/mine"}
        assert names(api("projects.get_all_ex", name=f"^{root}", active_users=["nobody"])) == set()

    @pytest.mark.parametrize("hide", [{"non_public": True}, {"allow_public": False}])
    def test_public_ones_can_be_left_out(self, api: Api, hide: dict[str, bool]) -> None:
        root = api.name("root")
        public = api.project(f"{root}/public")
        api.project(f"{root}/own")
        api("projects.make_public", ids=[public])
        assert f"{root}/public" in names(api("projects.get_all_ex", name=f"^{root}"))
        assert names(api("projects.get_all_ex", name=f"^{root}", **hide)) == {root, f"{root}/own"}
        api("projects.make_private", ids=[public])
        assert f"{root}/public" in names(api("projects.get_all_ex", name=f"^{root}", **hide))


@pytest.fixture(scope="module")
def project(api: Api) -> str:
    project = api.project()
    name = api("projects.get_by_id", project=project)["project"]["name"]
    below = api.project(f"{name}/below")
    for number in range(3):
        params = {"Args": {"lr": {"value": str(number)}, "net.depth": {"value": "5%"}}}
        task = api.task(project=project if number else below, hyperparams=params, tags=[f"t{number}"])
        event = {"type": "training_stats_scalar", "task": task, "iter": 1, "value": 1.0, "timestamp": 1}
        api.events({**event, "metric": "loss", "variant": f"v{number % 2}"})
    api.model(
        project=below,
        metadata=[{"key": "stage.name", "type": "str", "value": "prod"}],
        tags=["best"],
        framework="torch",
    )
    return project


class TestValues:
    def test_hyperparameters(self, api: Api, project: str) -> None:
        found = api("projects.get_hyper_parameters", project=project)
        assert found == {
            "total": 2,
            "remaining": 0,
            "parameters": [{"section": "Args", "name": "lr"}, {"section": "Args", "name": "net.depth"}],
        }
        page = api("projects.get_hyper_parameters", project=project, page=1, page_size=1)
        assert (page["total"], page["remaining"], page["parameters"][0]["name"]) == (2, 0, "net.depth")

    def test_a_removed_hyperparameter_is_gone_from_the_list(self, api: Api) -> None:
        project = api.project()
        task = api.task(project=project, hyperparams={"A": {"x": {"value": "1"}, "y": {"value": "1"}}})

        def listed() -> list[str]:
            found = api("projects.get_hyper_parameters", project=project)["parameters"]
            return [item["name"] for item in found]

        assert listed() == ["x", "y"]
        api("tasks.delete_hyper_params", task=task, hyperparams=[{"section": "A", "name": "x"}])
        assert listed() == ["y"]
        api("tasks.edit_hyper_params", task=task, hyperparams=[{"section": "A", "name": "z", "value": "1"}])
        assert listed() == ["y", "z"]
        api("tasks.delete", task=task)
        assert listed() == []

    def test_values_of_a_hyperparameter(self, api: Api, project: str) -> None:
        body = {"projects": [project], "section": "Args", "name": "lr"}
        assert api("projects.get_hyperparam_values", **body) == {"total": 3, "values": ["0", "1", "2"]}
        own = api("projects.get_hyperparam_values", **body, include_subprojects=False)
        assert own == {"total": 2, "values": ["1", "2"]}
        assert api("projects.get_hyperparam_values", **body, pattern="[01]")["values"] == ["0", "1"]
        page = api("projects.get_hyperparam_values", **body, page=1, page_size=2)
        assert page == {"total": 3, "values": ["2"]}
        dotted = {**body, "name": "net.depth"}
        assert api("projects.get_hyperparam_values", **dotted)["values"] == ["5%"]
        assert api.code("projects.get_hyperparam_values", **body, pattern="(") == (400, 21)

    def test_metrics(self, api: Api, project: str) -> None:
        found = api("projects.get_unique_metric_variants", project=project)["metrics"]
        assert [(item["metric"], item["variant"]) for item in found] == [("loss", "v0"), ("loss", "v1")]
        assert all(len(item["metric_hash"]) == len(item["variant_hash"]) == 32 for item in found)
        own = api("projects.get_unique_metric_variants", project=project, include_subprojects=False)["metrics"]
        assert own == found
        task = api("tasks.get_all", project=[project], tags=["t1"])["tasks"][0]["id"]
        named = api("projects.get_unique_metric_variants", ids=[task])["metrics"]
        assert [item["variant"] for item in named] == ["v1"]
        assert api("projects.get_unique_metric_variants", project=project, model_metrics=True) == {"metrics": []}

    def test_a_reset_takes_its_metrics_away(self, api: Api) -> None:
        project = api.project()
        task = api.task(project=project)
        api("tasks.started", task=task)
        api.events(
            {"type": "training_stats_scalar", "task": task, "metric": "m", "variant": "v", "value": 1, "iter": 0}
        )
        assert len(api("projects.get_unique_metric_variants", project=project)["metrics"]) == 1
        api("tasks.reset", task=task)
        assert api("projects.get_unique_metric_variants", project=project)["metrics"] == []

    def test_metadata_of_models(self, api: Api, project: str) -> None:
        assert api("projects.get_model_metadata_keys", project=project) == {
            "total": 1,
            "remaining": 0,
            "keys": ["stage.name"],
        }
        found = api("projects.get_model_metadata_values", projects=[project], key="stage.name")
        assert found == {"total": 1, "values": ["prod"]}
        assert api("projects.get_model_metadata_values", projects=[project], key="other")["total"] == 0

    def test_tags(self, api: Api, project: str) -> None:
        assert api("projects.get_task_tags", projects=[project]) == {"tags": ["t0", "t1", "t2"]}
        assert api("projects.get_model_tags", projects=[project], include_system=True) == {
            "tags": ["best"],
            "system_tags": [],
        }
        filtered = api("projects.get_task_tags", projects=[project], filter={"tags": ["t1"]})
        assert filtered == {"tags": ["t1"]}
        tagged = api.project(tags=["alpha"], system_tags=["beta"])
        found = api("projects.get_project_tags", projects=[tagged], include_system=True)
        assert found == {"tags": ["alpha"], "system_tags": ["beta"]}

    def test_frameworks_types_and_users(self, api: Api, project: str) -> None:
        assert api("models.get_frameworks", projects=[project]) == {"frameworks": ["torch"]}
        assert api("tasks.get_types", projects=[project]) == {"types": ["training"]}
        me = api("users.get_current_user")["user"]
        for entity in ("task", "model"):
            found = api("projects.get_user_names", projects=[project], entity=entity)["users"]
            assert found == [{"id": me["id"], "name": me["name"]}]

    def test_parents(self, api: Api) -> None:
        project, elsewhere = api.project(), api.project()
        parent, other = api.task(project=elsewhere, name="one parent"), api.task(project=elsewhere, name="another")
        api.task(project=project, parent=parent)
        old = api.task(project=project, parent=other)
        api("tasks.archive", tasks=[old])
        name = api("projects.get_by_id", project=elsewhere)["project"]["name"]

        def find(**more: Any) -> list[str]:
            found = api("projects.get_task_parents", projects=[project], **more)["parents"]
            assert all(item["project"] == {"id": elsewhere, "name": name} for item in found)
            return [item["name"] for item in found]

        assert find() == ["another", "one parent"]
        assert find(tasks_state="active") == ["one parent"]
        assert find(tasks_state="archived") == ["another"]
        assert find(task_name="^one") == ["one parent"]


def test_what_a_deletion_would_hit_is_counted_with_what_lies_below(api: Api) -> None:
    root = api.name("doomed")
    project = api.project(root)
    api.project(f"{root}/.pipelines/p", system_tags=["hidden", "pipeline"])
    data = api.project(f"{root}/.datasets/d", system_tags=["hidden", "dataset"])
    api.task(project=project)
    old = api.task(project=data)
    api("tasks.archive", tasks=[old])
    api.model(project=data)
    report = api("reports.create", name="report", project=project)["id"]
    assert api("projects.validate_delete", project=project) == {
        "tasks": 2,
        "non_archived_tasks": 1,
        "models": 1,
        "non_archived_models": 1,
        "reports": 1,
        "non_archived_reports": 1,
        "pipelines": 1,
        "datasets": 1,
    }
    assert api.code("projects.delete", project=project) == (400, 402)
    answer = api("projects.delete", project=project, force=True, delete_contents=True)
    assert (answer["deleted_tasks"], answer["deleted_models"]) == (3, 1)
    assert answer["deleted"] == 6
    for task in (old, report):
        assert api.code("tasks.get_by_id", task=task) == (400, 101)
