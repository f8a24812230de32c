"""What spans projects: counts, tags, CSV files; and the settings of object storage."""

from __future__ import annotations

import csv
import io
import json
import urllib.request

import pytest

from tests.conftest import RunningServer
from tests.integration.services.conftest import Api


def download(server: RunningServer, prepare_id: str) -> tuple[str, list[list[str]]]:
    """(content type, rows) of a prepared file."""
    request = urllib.request.Request(
        f"{server.api}/organization.download_for_get_all",
        data=json.dumps({"prepare_id": prepare_id}).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {server.login()}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers["Content-Type"], list(csv.reader(io.StringIO(answer.read().decode(), newline="")))


def test_a_table_of_tasks_as_csv(server: RunningServer, api: Api) -> None:
    project = api.project()
    name = api("projects.get_by_id", project=project)["project"]["name"]
    for number in range(3):
        params = {"Args": {"lr": {"value": str(-number / 10)}}}
        api.task(name=f"run, {number}", project=project, tags=["a", "b"], hyperparams=params)
    api("tasks.create", name="elsewhere", type="training")
    prepared = api(
        "organization.prepare_download_for_get_all",
        entity_type="task",
        project=[project],
        order_by=["-name"],
        only_fields=["name", "status", "tags", "project.name", "hyperparams.Args.lr.value"],
        field_mappings=[
            {"field": "name", "name": "NAME"},
            {"field": "status", "name": "STATUS", "values": [{"key": "created", "value": "Draft"}]},
            {"field": "tags", "name": "TAGS"},
            {"field": "project.name", "name": "PROJECT"},
            {"field": "hyperparams.Args.lr.value", "name": "lr"},
        ],
    )["prepare_id"]
    kind, rows = download(server, prepared)
    assert kind.startswith("text/csv")
    assert rows == [
        ["NAME", "STATUS", "TAGS", "PROJECT", "lr"],
        ["run, 2", "Draft", "a, b", name, "-0.2"],
        ["run, 1", "Draft", "a, b", name, "-0.1"],
        ["run, 0", "Draft", "a, b", name, "0.0"],
    ]
    assert download(server, prepared)[1] == rows  # as often as it is asked for, while it is kept


def test_more_rows_than_a_page_are_all_there(server: RunningServer, api: Api) -> None:
    project = api.project()
    for number in range(230):
        api("models.create", name=f"model {number:03}", uri="u", project=project)
    body = {"entity_type": "model", "project": [project], "only_fields": ["name"], "field_mappings": []}
    prepared = api("organization.prepare_download_for_get_all", **body, order_by=["name"], page_size=10)["prepare_id"]
    rows = download(server, prepared)[1]
    assert rows == [["name"], *([f"model {number:03}"] for number in range(230))]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"entity_type": "cake", "only_fields": [], "field_mappings": []}, (400, 12)),
        ({"entity_type": "task", "field_mappings": []}, (400, 12)),
        ({"entity_type": "task", "only_fields": ["name"]}, (400, 12)),
        ({"entity_type": "task", "only_fields": ["bogus"], "field_mappings": []}, (400, 14)),
        ({"entity_type": "task", "only_fields": ["name"], "field_mappings": [{}]}, (400, 12)),
        ({"entity_type": "task", "only_fields": ["name"], "field_mappings": [], "name": "("}, (400, 21)),
        ({"entity_type": "task", "only_fields": ["name"], "field_mappings": [], "id": ["x" * 32] * 10_000}, (400, 12)),
    ],
)
def test_what_cannot_be_answered_is_refused_beforehand(
    api: Api, body: dict[str, object], code: tuple[int, int]
) -> None:
    assert api.code("organization.prepare_download_for_get_all", **body) == code


def test_an_unknown_file_is_refused(api: Api) -> None:
    assert api.code("organization.download_for_get_all", prepare_id="f" * 32) == (400, 12)


def test_entities_are_counted_each_by_its_own_query(api: Api) -> None:
    root = api.name("org")
    project = api.project(root)
    hidden = api.project(f"{root}/.pipelines/p", system_tags=["hidden", "pipeline"])
    api.project(f"{root}/.datasets/d", system_tags=["hidden", "dataset"])
    for _ in range(2):
        api.task(project=project)
    api.task(project=project, system_tags=["hidden"])
    api.model(project=project)
    api("reports.create", name="report", project=project)
    queries = {
        "projects": {"name": f"^{root}"},
        "tasks": {"project": [project]},
        "models": {"project": [project]},
        "pipelines": {"name": f"^{root}"},
        "datasets": {"name": f"^{root}"},
        "reports": {"project": [project], "include_subprojects": True},
    }
    found = api("organization.get_entities_count", **queries)
    assert found == {"projects": 3, "tasks": 2, "models": 1, "pipelines": 1, "datasets": 1, "reports": 1}
    assert api("organization.get_entities_count", tasks={"project": [project]}, search_hidden=True) == {"tasks": 3}
    assert api("organization.get_entities_count") == {}
    nobody = api("organization.get_entities_count", **queries, active_users=["nobody"])
    assert set(nobody.values()) == {0}
    me = api("users.get_current_user")["user"]["id"]
    assert api("organization.get_entities_count", **queries, active_users=[me]) == found
    assert hidden


def test_tags_of_tasks_and_models(api: Api) -> None:
    mark = api.name("mark").replace(" ", "-")
    api.task(tags=[f"{mark}-task"], system_tags=[mark])
    api.model(tags=[f"{mark}-model"], system_tags=[mark])
    found = api("organization.get_tags", filter={"system_tags": [mark]}, include_system=True)
    assert found == {"tags": [f"{mark}-model", f"{mark}-task"], "system_tags": [mark]}


def test_settings_of_object_storage_come_back_without_secrets(own_server: RunningServer) -> None:
    api = Api(own_server)
    assert api("storage.get_settings") == {"last_update": None}
    assert api("storage.set_settings") == {"updated": 0}
    aws = {"key": "AK", "secret": "top", "buckets": [{"bucket": "b", "key": "k", "secret": "deep"}]}
    assert api("storage.set_settings", aws=aws) == {"updated": 1}
    api("storage.set_settings", google={"project": "p", "credentials_json": "{}"})
    shown = api("storage.get_settings")
    assert shown["aws"] == {
        "key": "AK",
        "secret": "********",
        "buckets": [{"bucket": "b", "key": "k", "secret": "********"}],
    }
    assert shown["google"]["credentials_json"] == "********"
    assert shown["last_update"]
    own_server.kill()
    own_server.restart()
    assert api("storage.get_settings") == shown
    api("storage.reset_settings", keys=["aws"])
    assert set(api("storage.get_settings")) == {"last_update", "google"}
    assert api.code("storage.reset_settings", keys=["dropbox"]) == (400, 12)


def test_what_the_server_says_of_itself(api: Api) -> None:
    listed = {item["name"] for item in api("server.endpoints")["endpoints"]}
    assert {"tasks.create", "server.endpoints", "tasks.get_history"} <= listed
    assert api("server.config", path="durability") == {"durability": api("server.config")["durability"]}
    assert api.code("server.config", path="secret") == (400, 12)
    assert api("server.report_stats_option", enabled=True)["enabled"] is False
    assert "counters" in api("server.get_stats", interval=60)
