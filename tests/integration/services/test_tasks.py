"""What tasks promise: concurrent writers lose nothing, and each call leaves what the contract says."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conftest import ApiFailure


def make(server: Any, name: str = "task", **more: Any) -> str:
    return str(server.call("tasks.create", {"name": name, "type": "training", **more})["id"])


def read(server: Any, task: str) -> dict[str, Any]:
    found: dict[str, Any] = server.call("tasks.get_by_id", {"task": task})["task"]
    return found


def outcomes(calls: list[Any]) -> list[Any]:
    """Run all at once; an answer or the failure of each."""

    def one(call: Any) -> Any:
        try:
            return call()
        except ApiFailure as failure:
            return failure

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def test_artifacts_added_at_once_are_all_there(server: Any) -> None:
    task = make(server)
    server.login()

    def add(number: int) -> Any:
        item = {"key": f"k{number}", "type": "custom", "uri": f"http://files/{number}"}
        return lambda: server.call("tasks.add_or_update_artifacts", {"task": task, "artifacts": [item]})

    assert all(answer == {"updated": 1} for answer in outcomes([add(number) for number in range(12)]))
    keys = {item["key"] for item in read(server, task)["execution"]["artifacts"]}
    assert keys == {f"k{number}" for number in range(12)}


def test_models_attached_at_once_are_all_there(server: Any) -> None:
    task = make(server)
    ids = [server.call("models.create", {"name": f"m{n}xx", "uri": "u"})["id"] for n in range(8)]

    def attach(number: int) -> Any:
        body = {"task": task, "name": f"n{number}", "type": "output", "model": ids[number]}
        return lambda: server.call("tasks.add_or_update_model", body)

    outcomes([attach(number) for number in range(8)])
    assert {item["model"] for item in read(server, task)["models"]["output"]} == set(ids)


def test_of_two_endings_at_once_one_wins_and_the_other_is_told(server: Any) -> None:
    for _ in range(5):
        task = make(server)
        server.call("tasks.started", {"task": task})
        first, second = outcomes(
            [
                lambda task=task: server.call("tasks.failed", {"task": task, "status_reason": "f"}),
                lambda task=task: server.call("tasks.completed", {"task": task, "status_reason": "c"}),
            ]
        )
        lost = [answer for answer in (first, second) if isinstance(answer, ApiFailure)]
        assert len(lost) == 1
        assert (lost[0].code, lost[0].subcode) in ((400, 110), (400, 121))
        status = read(server, task)["status"]
        assert status == ("completed" if isinstance(first, ApiFailure) else "failed")


def test_a_started_task_keeps_its_first_start(server: Any) -> None:
    task = make(server)
    first = server.call("tasks.started", {"task": task})["fields"]["started"]
    assert server.call("tasks.started", {"task": task, "force": True})["fields"]["started"] == first
    assert read(server, task)["started"] == first


def test_reset_leaves_what_was_asked_and_removes_what_was_left(server: Any) -> None:
    params = {"Args": {"lr": {"section": "Args", "name": "lr", "value": "0.1"}}}
    task = make(server, hyperparams=params, script={"repository": "r", "diff": " d "}, tags=["t"])
    server.call("tasks.started", {"task": task})
    artifacts = [{"key": "in", "type": "x", "mode": "input"}, {"key": "out", "type": "x", "uri": "http://f/out"}]
    server.call("tasks.add_or_update_artifacts", {"task": task, "artifacts": artifacts})
    model = server.call("models.create", {"name": "made", "uri": "http://f/m", "task": task, "ready": False})["id"]
    server.call("tasks.add_or_update_model", {"task": task, "name": "m", "type": "output", "model": model})
    event = {"type": "training_stats_scalar", "task": task, "metric": "loss", "variant": "v", "iter": 3, "value": 1.0}
    server.call("events.add", event)
    server.call("tasks.edit", {"task": task, "runtime": {"progress": 5}, "force": True})
    server.call("tasks.completed", {"task": task})
    assert read(server, task)["last_metrics"]
    answer = server.call("tasks.reset", {"task": task, "return_file_urls": True})
    assert answer["deleted_models"] == 1
    assert answer["urls"]["artifact_urls"] == ["http://f/out"] and answer["urls"]["model_urls"] == ["http://f/m"]
    after = read(server, task)
    assert after["status"] == "created" and after["last_iteration"] == 0
    for name in ("runtime", "last_metrics", "started", "completed"):
        assert not after.get(name)
    assert after["models"]["output"] == []
    assert [item["key"] for item in after["execution"]["artifacts"]] == ["in"]
    assert after["hyperparams"]["Args"]["lr"]["value"] == "0.1"
    assert after["script"]["diff"] == " d " and after["tags"] == ["t"]
    assert server.call("events.scalar_metrics_iter_histogram", {"task": task}) == {}
    with pytest.raises(ApiFailure):
        server.call("models.get_by_id", {"model": model})


def test_a_deleted_task_takes_its_drafts_and_tells_its_children(server: Any) -> None:
    task = make(server)
    child = make(server, "child", parent=task)
    draft, ready = (
        server.call("models.create", {"name": f"of task {flag}", "uri": "u", "task": task, "ready": flag})["id"]
        for flag in (False, True)
    )
    server.call("events.add", {"type": "log", "task": task, "msg": "gone with it"})
    answer = server.call("tasks.delete", {"task": task, "force": True})
    assert (answer["deleted"], answer["updated_children"], answer["deleted_models"]) == (True, 1, 1)
    assert read(server, child)["parent"] == f"__DELETED__{task}"
    assert server.call("models.get_by_id", {"model": ready})["model"]["task"] == f"__DELETED__{task}"
    with pytest.raises(ApiFailure):
        server.call("models.get_by_id", {"model": draft})
    with pytest.raises(ApiFailure) as caught:
        server.call("tasks.get_by_id", {"task": task})
    assert (caught.value.code, caught.value.subcode) == (400, 101)


def test_a_clone_is_a_draft_of_what_was_asked(server: Any) -> None:
    task = make(server, "origin", system_tags=["development", "kept"], comment="c", container={"image": "i"})
    server.call("tasks.started", {"task": task})
    server.call("tasks.edit", {"task": task, "runtime": {"a": 1}, "force": True})
    copy = read(server, server.call("tasks.clone", {"task": task, "new_task_name": "copy"})["id"])
    assert (copy["status"], copy["name"], copy["parent"], copy["comment"]) == ("created", "copy", task, "c")
    assert copy["system_tags"] == ["kept"]
    assert copy["runtime"] == {} and copy["container"] == {"image": "i"}


def test_user_keys_may_hold_anything(server: Any) -> None:
    task = make(server)
    runtime = {"a.b": 1, "$x": [1, {"y": None}], "": "empty", "p%q/\\": {"deep": []}, "nul\0": "n", "ключ": True}
    server.call("tasks.edit", {"task": task, "runtime": runtime})
    assert read(server, task)["runtime"] == runtime
    item = {"section": "S.1", "name": "n.1", "value": "v"}
    server.call("tasks.edit_hyper_params", {"task": task, "hyperparams": [item]})
    assert read(server, task)["hyperparams"] == {"S.1": {"n.1": item}}
    server.call("tasks.delete_hyper_params", {"task": task, "hyperparams": [{"section": "S.1", "name": "n.1"}]})
    assert read(server, task)["hyperparams"] in ({}, {"S.1": {}})


def test_large_numbers_and_floats_come_back_exactly(server: Any) -> None:
    task = make(server)
    runtime = {"big": 9007199254740993, "float": 0.1, "tiny": 5e-324, "list": [1.0, 2, -0.0], "empty": [], "none": {}}
    server.call("tasks.edit", {"task": task, "runtime": runtime})
    assert read(server, task)["runtime"] == runtime


def test_a_stop_of_a_script_at_a_desk_is_immediate(server: Any) -> None:
    task = make(server, system_tags=["development"])
    server.call("tasks.started", {"task": task})
    assert server.call("tasks.stop", {"task": task})["fields"]["status"] == "stopped"


def test_enqueue_and_dequeue_remember_where_it_came_from(server: Any) -> None:
    task = make(server, system_tags=["development"])
    server.call("tasks.started", {"task": task})
    server.call("tasks.stopped", {"task": task})
    answer = server.call("tasks.enqueue", {"task": task, "queue_name": "back and forth"})
    assert answer["queued"] == 1 and answer["fields"]["status"] == "queued"
    queued = read(server, task)
    assert queued["execution"]["queue"] == answer["fields"]["execution.queue"]
    assert "development" not in queued["system_tags"]
    with pytest.raises(ApiFailure) as caught:
        server.call("tasks.enqueue", {"task": task, "queue": queued["execution"]["queue"]})
    assert caught.value.subcode == 706
    assert server.call("tasks.dequeue", {"task": task})["fields"]["status"] == "stopped"
