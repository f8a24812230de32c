"""Scripts that use `APIClient`."""

from __future__ import annotations

import datetime
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk.backend_api.services import events
from clearml_sdk.backend_api.session.client import APIClient, APIError
from clearml_sdk.session import Session
from tests.conftest import RunningServer

BARE = {name: value for name, value in os.environ.items() if not name.startswith(("CLEARML_", "TRAINS_"))}


@pytest.fixture
def client(session: Session) -> APIClient:
    return APIClient()


def test_documents_are_objects_with_actions(client: APIClient) -> None:
    project = client.projects.create(name="sdk/client/documents")
    made = client.tasks.create(name="first", type="training", project=project.id)
    assert made.name == "first" and made.status == "created"  # read when it is asked for
    made.edit(name="renamed", tags=["t"])
    found = client.tasks.get_all(project=[project.id], order_by=["-created"])
    assert [task.name for task in found] == ["renamed"] and len(found) == 1 and found[0].id == made.id
    assert isinstance(found[0].created, datetime.datetime) and found[0].created.tzinfo is not None
    assert found[0].data.script.entry_point == "" and found[0].to_dict()["tags"] == ["t"]
    assert len(found.where(name="renamed")) == 1 and len(found.where(lambda task: task.name == "other")) == 0
    assert client.tasks.get_by_id(made.id).name == client.tasks.get_by_id(task=made.id).name == "renamed"
    made.fetch()
    assert made.name == "renamed" and repr(made) == f'<Task: id={made.id}, name="renamed">'
    copy = made.clone(new_task_name="copy")
    assert client.tasks.get_all_ex(id=[copy.id])[0].name == "copy"
    assert client.queues.get_default().name == "default"
    assert made.delete(force=True).deleted


def test_what_does_not_exist_is_said(client: APIClient) -> None:
    with pytest.raises(APIError, match="Invalid task id") as refused:
        client.tasks.get_by_id(task="0" * 32)
    assert (refused.value.code, refused.value.subcode) == (400, 101)
    for wrong in (lambda: client.tasks.get_everything, lambda: client.things):
        with pytest.raises(AttributeError, match=r"get_everything|things"):
            wrong()
    queue = client.queues.create(name="sdk client")
    assert not hasattr(queue, "no_such_field") and queue.entries == []
    assert "rename" not in dir(queue) and "move_task_to_front" in dir(queue) and "name" in dir(queue)


def test_fields_of_documents_are_dictionaries_and_attributes(client: APIClient) -> None:
    made = client.tasks.create(
        name="fields",
        type="training",
        hyperparams={"Args": {"lr": {"section": "Args", "name": "lr", "value": "0.1"}}},
        configuration={"conf": {"name": "conf", "value": "a = 1"}},
    )
    found = client.tasks.get_by_id(task=made.id)
    for document in (found, found.data):
        assert isinstance(document.hyperparams, dict) and list(document.hyperparams) == ["Args"]
        assert {name: item.value for name, item in document.hyperparams["Args"].items()} == {"lr": "0.1"}
        assert [item.value for item in document.configuration.values()] == ["a = 1"]
        assert json.loads(json.dumps(document.hyperparams))["Args"]["lr"]["value"] == "0.1"
        assert document.status == "created" == document.status.value and document.type.value == "training"
        assert document.parent is None, "what such documents have, and this one has not"
    assert (
        dict(found.data)["hyperparams"].Args.lr.value == "0.1" and pickle.loads(pickle.dumps(found.data)) == found.data
    )
    with pytest.raises(AttributeError, match="no_such"):
        found.no_such  # noqa: B018  # the access is the test
    found.name = "mine alone"
    assert found.name == "mine alone" and found.data.name == "fields"
    assert type(found).__name__ == "Task" and found.entity_name == "task"
    assert found.get_by_id_request(task=made.id).to_dict() == {"task": made.id}


def test_answers_say_how_the_server_took_the_call(client: APIClient, session: Session) -> None:
    made = client.tasks.create(name="answers", type="training")
    answer = made.edit(name="another")
    assert answer.updated == answer.response.updated == 1 and answer.fields["name"] == "another"
    assert (answer.meta.result_code, str(answer.meta)) == (200, "<200/0: tasks.edit (OK)>")
    event = {"type": "training_stats_scalar", "task": made.id, "metric": "m", "variant": "v", "iter": 1, "value": 3.0}
    client.events.add(event)
    point = events.MetricsScalarEvent(task=made.id, metric="m", variant="v", iter=2, value=4.0)
    client.events.add(event=point)
    assert session.send(events.AddRequest(event=events.TaskLogEvent(task=made.id, msg="said"))).ok()
    later = [events.AddRequest(events.MetricsScalarEvent(task=made.id, metric="m", variant="v", iter=3, value=5.0))]
    assert client.events.add_batch(requests=[*later, {**event, "iter": 4}]).added == 2
    assert client.events.scalar_metrics_iter_histogram(task=made.id).metrics["m"]["v"]["y"] == [3.0, 4.0, 5.0, 3.0]
    assert [line["msg"] for line in client.events.get_task_log(task=made.id).events] == ["said"]
    asked = {"task": made.id, "event_type": "training_stats_scalar", "batch_size": 1}
    assert client.events.get_task_events(**asked).events[0].value == 3.0
    with pytest.raises(APIError) as refused:
        client.tasks.get_by_id("0" * 32)
    error = refused.value
    assert (error.codes, error.data, error.get_traceback()) == ((400, 101), {}, None)
    assert str(error) == f"APIError: code 400/101: Invalid task id: ids=({'0' * 32})" == str(APIError(error._response))
    assert error.meta.result_msg == error.message and str(pickle.loads(pickle.dumps(error))) == str(error)
    for wrong in ({}, {"task": None}):
        with pytest.raises(TypeError, match="task"):
            client.tasks.get_by_id(**wrong)
    with pytest.raises(TypeError, match="takes"):
        client.tasks.get_by_id(*["x"] * 20)
    with pytest.raises(TypeError, match="twice"):
        client.tasks.get_by_id(made.id, task=made.id)


def test_a_table_pages_filters_and_prints(client: APIClient, capsys: pytest.CaptureFixture[str]) -> None:
    project = client.projects.create(name="sdk/client/table")
    ids = [client.tasks.create(name=f"row {n}", type="testing", project=project.id).id for n in range(5)]
    asked: dict[str, Any] = {"project": [project.id], "order_by": ["created"], "page_size": 2}
    pages = [[task.id for task in client.tasks.get_all(page=page, **asked)] for page in range(3)]
    assert pages == [ids[:2], ids[2:4], ids[4:]]
    table = client.tasks.get_all(project=[project.id], order_by=["created"], only_fields=["name", "type"])
    assert table.meta.result_code == 200 and bool(table) and table[-1].name == "row 4"
    chosen = table.where(lambda task: task.name != "row 0", type="testing")
    assert len(chosen) == 4 and len(table) == 5 and not table.where(name="none")
    with pytest.raises(AttributeError):
        table.where(no_such_field=1)
    table.where(name="row 1").display()
    chosen.where(name="row 2").display("name")
    assert capsys.readouterr().out == "{'name': 'row 1', 'type': 'testing'}\n{'name': 'row 2'}\n"


def test_workers_are_entities(client: APIClient) -> None:
    client.workers.register(worker="client:1", timeout=60)
    found = client.workers.get_all(last_seen=60).where(id="client:1")[0]
    assert repr(found) == "<Worker: id=client:1>" and found.get_by_id_request is None
    assert isinstance(found.register_time, datetime.datetime)
    found.unregister()
    assert not client.workers.get_all(last_seen=60).where(id="client:1")


def test_a_strict_session_raises_what_is_refused(server: RunningServer, tmp_path: Path) -> None:
    conf = tmp_path / "mine.conf"
    keys = f'access_key: "{server.access_key}", secret_key: "{server.secret_key}"'
    conf.write_text(f'api {{ api_server: "{server.api}", files_server: "{server.files}", credentials {{ {keys} }} }}')
    code = f"""
from clearml.backend_api.services import tasks
from clearml.backend_api.session.client import APIClient, APIError, StrictSession
session = StrictSession({str(conf)!r})
assert session.host == {server.facts["api_server"]!r}
assert session.send(tasks.GetAllRequest(page=0, page_size=1)).ok()
try:
    session.send(tasks.GetByIdRequest(task="0" * 32))
except APIError as error:
    assert error.codes == (400, 101)
    print("raised", len(APIClient(session=session).queues.get_all(name="^default$")))
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env=BARE
    )
    assert ran.stdout == "raised 1\n", ran.stderr
