"""Reports: texts in hidden projects, found, changed while they are drafts, locked, moved and removed."""

from __future__ import annotations

from tests.integration.services.conftest import Api


def test_a_report_lives_in_a_hidden_project_below_its_own(api: Api) -> None:
    project = api.project()
    name = api("projects.get_by_id", project=project)["project"]["name"]
    made = api("reports.create", name="findings", project=project, tags=["q1"], comment="c", report="# text")
    home = api("projects.get_by_id", project=made["project_id"])["project"]
    assert (home["name"], set(home["system_tags"])) == (f"{name}/.reports", {"hidden", "reports"})
    found = api.read(made["id"])
    assert (found["type"], found["status"], found["report"]) == ("report", "created", "# text")
    assert (found["tags"], found["comment"]) == (["q1"], "c")
    listed = api("reports.get_all_ex", project=[project], include_subprojects=True)["tasks"]
    assert [item["id"] for item in listed] == [made["id"]]
    assert "report" not in listed[0]  # texts are long
    assert listed[0]["project"]["id"] == made["project_id"]
    assert api("tasks.get_all", project=[project], include_subprojects=True)["tasks"] == []
    assert "q1" in api("reports.get_tags")["tags"]


def test_it_changes_while_it_is_a_draft(api: Api) -> None:
    report = api("reports.create", name="draft")["id"]
    assets = ["http://files.local/a.png"]
    answer = api("reports.update", task=report, name="better", report="text", report_assets=assets, tags=["x"])
    assert answer["updated"] == 1
    found = api.read(report)
    assert (found["name"], found["report"], found["report_assets"], found["tags"]) == ("better", "text", assets, ["x"])
    assert api("reports.update", task=report)["updated"] == 0
    published = api("reports.publish", task=report, comment="final")
    assert published["fields"]["status"] == "published"
    assert api.read(report)["comment"] == "final"
    assert api.code("reports.update", task=report, report="late") == (400, 110)
    assert api.history(report)[-1]["operation"] == "reports.publish"


def test_archive_move_and_delete(api: Api) -> None:
    report = api("reports.create", name="wanderer")["id"]
    assert api("reports.archive", task=report, comment="old") == {"archived": 1}
    assert "archived" in api.read(report)["system_tags"]
    assert api("reports.unarchive", task=report) == {"unarchived": 1}
    assert "archived" not in api.read(report)["system_tags"]
    target = api.name("library")
    home = api("reports.move", task=report, project_name=target)["project_id"]
    assert api("projects.get_by_id", project=home)["project"]["name"] == f"{target}/.reports"
    assert api("reports.delete", task=report) == {"deleted": 1}
    assert api.code("tasks.get_by_id", task=report) == (400, 101)


def test_other_tasks_are_no_reports(api: Api) -> None:
    task = api.task()
    for call in ("update", "publish", "archive", "unarchive", "delete"):
        assert api.code(f"reports.{call}", task=task, comment="x") == (400, 101), call
