"""The boot of the official web app: who is logged in, what the server has; and every endpoint that it calls."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest

from tests.conftest import ApiFailure, RunningServer, running_server

from .helpers import names
from .web_app import Browser


@pytest.fixture(scope="module")
def names_server() -> Iterator[RunningServer]:
    """A server where people pick their names, as the app's simple mode has it."""
    with running_server(env={"CLEARML_SERVER_LOGIN": "names"}) as started:
        yield started


def test_boot_without_a_session_leads_to_the_login_page(server: RunningServer) -> None:
    browser = Browser(server.web)
    modes = browser.post("login.supported_modes")
    assert modes["authenticated"] is False
    assert modes["basic"]["enabled"] is True
    assert modes["sso"] == {}
    assert modes["sso_providers"] == []
    assert not any(modes["server_errors"].values())
    assert browser.get("/credentials.json")[0] == 404
    status, kind, _ = browser.get("/login?redirect=%2Fprojects")
    assert (status, kind.partition(";")[0]) == (200, "text/html")
    with pytest.raises(ApiFailure) as refused:
        browser.post("users.get_current_user")
    assert refused.value.code == 401


def test_login_page_of_the_simple_mode_picks_or_makes_a_name(names_server: RunningServer, unique: str) -> None:
    browser = Browser(names_server.web)
    assert browser.post("login.supported_modes")["basic"]["enabled"] is False
    status, _, body = browser.get("/credentials.json")
    assert status == 200
    door = json.loads(body)
    key = (door["userKey"], door["userSecret"])
    assert unique not in names(browser.post("users.get_all", basic=key)["users"])
    user = browser.post("auth.create_user", {"name": unique, "company": door["companyID"], "email": "x@y"}, basic=key)
    browser.post("auth.login", basic=key, **{"X-Clearml-Impersonate-As": user["id"]})
    assert browser.cookie
    assert unique in names(browser.post("users.get_all", basic=key)["users"])
    assert browser.post("users.get_current_user")["user"]["name"] == unique
    assert browser.post("login.supported_modes")["authenticated"] is True


def test_boot_with_a_session(app: Browser) -> None:
    assert app.post("login.supported_modes")["authenticated"] is True
    stats = app.post("server.report_stats_option")
    assert stats["supported"] in (True, False)
    answer = app.post("users.get_current_user", {"get_supported_features": True})
    user = answer["user"]
    assert user["id"]
    assert user["name"]
    assert user["role"] in ("admin", "superuser", "user")
    assert user["company"]["id"]
    assert user["company"]["name"]
    assert answer["getting_started"]
    assert answer["settings"]["max_download_items"] > 0
    preferences = app.post("users.get_preferences")["preferences"]
    assert isinstance(preferences, dict)
    app.post("users.set_preferences", {"preferences": {"rootProjects": {"tagsColors": {}, "graphVariant--DOT--x": 1}}})
    info = app.post("server.info")
    assert info["version"]
    assert info["build"]
    assert app.get("/onboarding.json")[0] in (200, 404)
    users = app.post("projects.get_user_names", {"projects": None})["users"]
    assert all(set(user) >= {"id", "name"} for user in users)


def test_logout_ends_the_session(app: Browser) -> None:
    app.post("login.logout")
    with pytest.raises(ApiFailure) as refused:
        app.post("users.get_current_user")
    assert refused.value.code == 401


def test_deep_links_serve_the_page(app: Browser) -> None:
    for path in (
        "/projects/*/tasks",
        "/projects/0/experiments/1/output/log",
        "/compare-tasks;ids=a,b/details",
        "/queues",
    ):
        status, kind, _ = app.get(path)
        assert (status, kind.partition(";")[0]) == (200, "text/html"), path


CALLED = """\
auth.create_credentials auth.create_user auth.edit_credentials auth.get_credentials auth.login auth.revoke_credentials
login.supported_modes login.logout users.get_current_user users.get_all users.get_all_ex users.get_preferences
users.set_preferences users.update server.info server.report_stats_option organization.get_tags
organization.get_entities_count organization.prepare_download_for_get_all storage.get_settings storage.set_settings
pipelines.start_pipeline pipelines.delete_runs projects.create projects.delete projects.get_all_ex
projects.get_hyper_parameters projects.get_hyperparam_values projects.get_model_metadata_keys
projects.get_model_metadata_values projects.get_model_tags projects.get_project_tags projects.get_task_parents
projects.get_task_tags projects.get_unique_metric_variants projects.get_user_names projects.move projects.update
projects.validate_delete tasks.archive_many tasks.clone tasks.create tasks.delete_hyper_params tasks.delete_many
tasks.dequeue_many tasks.edit tasks.edit_configuration tasks.edit_hyper_params tasks.enqueue tasks.enqueue_many
tasks.get_all_ex tasks.get_by_id_ex tasks.get_configuration_names tasks.get_configurations tasks.get_types tasks.move
tasks.publish_many tasks.reset_many tasks.stop_many tasks.unarchive_many tasks.update tasks.update_tags
events.debug_images events.get_debug_image_sample events.get_multi_task_metrics events.get_multi_task_plots
events.get_plot_sample events.get_task_log events.get_task_metrics events.get_task_plots
events.get_task_single_value_metrics events.multi_task_scalar_metrics_iter_histogram events.next_debug_image_sample
events.next_plot_sample events.scalar_metrics_iter_histogram events.scalar_metrics_iter_raw models.archive_many
models.delete_many models.edit models.get_all_ex models.get_by_id_ex models.get_frameworks models.move
models.publish_many models.unarchive_many models.update models.update_tags queues.add_task queues.clear_queue
queues.create queues.delete queues.get_all_ex queues.get_queue_metrics queues.move_task_backward
queues.move_task_forward queues.move_task_to_back queues.move_task_to_front queues.remove_task queues.update
workers.get_all workers.get_activity_report workers.get_stats reports.archive reports.create reports.delete
reports.get_all_ex reports.get_tags reports.move reports.publish reports.unarchive reports.update
serving.get_endpoints serving.get_endpoint_details serving.get_endpoint_metrics_history
serving.get_loading_instances
"""
"""Every endpoint that the app calls, but for `tasks.get_operations_log`, which the open edition does not have."""


def test_every_endpoint_of_the_app_is_there(server: RunningServer) -> None:
    with urllib.request.urlopen(f"{server.api}/openapi.json", timeout=30) as answer:
        paths = json.load(answer)["paths"]
    missing = set(CALLED.split()) - {path.lstrip("/") for path in paths}
    assert not missing
