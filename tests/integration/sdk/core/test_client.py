"""Scripts that use `APIClient`."""

from __future__ import annotations

import datetime

import pytest

from clearml_sdk.backend_api.session.client import APIClient, APIError
from clearml_sdk.session import Session


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
