"""Tasks by the official SDK: found, cloned, edited, queued, moved, archived, exported and deleted."""

from __future__ import annotations

import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest

from tests.conftest import RunningServer

from .helpers import Api, eventually, make_task, names, running_task, shown, status
from .session import OfficialError, OfficialSession


def file_status(server: RunningServer, url: str) -> int:
    """The HTTP status that the file server gives for a stored file."""
    assert url.startswith(server.files), url
    path = urllib.parse.quote(urllib.parse.unquote(url[len(server.files) :]))  # the SDK shows some of them unquoted
    request = urllib.request.Request(server.files + path, headers={"Authorization": f"Bearer {server.login()}"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_get_task_by_id_name_and_tags(official: OfficialSession, call: Api, project: str, unique: str) -> None:
    wanted = make_task(call, project, "the wanted one", tags=["blue", "big"])
    make_task(call, project, "another one", tags=["red"])

    def find(id: str, project: str) -> list[str]:
        from clearml import Task

        return [
            Task.get_task(task_id=id).id,
            Task.get_task(project_name=project, task_name="the wanted one").id,
            Task.get_task(project_name=project, tags=["blue"]).id,
            Task.get_task(project_name=project, tags=["__$all", "blue", "big"]).id,
            Task.get_task(project_name=project, task_filter={"status": ["created"], "tags": ["big"]}).id,
        ]

    assert official.run(find, wanted, unique) == [wanted] * 5


def test_get_task_by_name_gives_the_latest(official: OfficialSession, call: Api, project: str, unique: str) -> None:
    first = make_task(call, project, "twice")
    time.sleep(1.1)  # the client compares whole seconds of last_update
    second = make_task(call, project, "twice")

    def find(project: str) -> str:
        from clearml import Task

        return Task.get_task(project_name=project, task_name="twice").id

    assert official.run(find, unique) == second
    time.sleep(1.1)  # as above
    call("tasks.edit", {"task": first, "comment": "changed last"})
    assert official.run(find, unique) == first


def test_get_task_leaves_archived_ones_out_on_request(
    official: OfficialSession, call: Api, project: str, unique: str
) -> None:
    task = make_task(call, project, "put away")
    call("tasks.archive", {"tasks": [task]})

    def find(project: str) -> list[str | None]:
        from clearml import Task

        found = [Task.get_task(project_name=project, task_name="put away", allow_archived=allow) for allow in (1, 0)]
        return [item.id if item else None for item in found]

    assert official.run(find, unique) == [task, None]


def test_create_records_where_the_code_is(official: OfficialSession, call: Api, project: str, unique: str) -> None:
    def create(project: str) -> str:
        from clearml import Task

        return Task.create(
            project_name=project,
            task_name="from a repository",
            task_type="testing",
            repo="https://example.com/team/code.git",
            branch="main",
            commit="0123456789abcdef0123456789abcdef01234567",
            script="train.py",
            working_directory=".",
            packages=["numpy==1.26.4"],
            docker="python:3.11",
            docker_args="--ipc=host",
            argparse_args=[("lr", "0.5")],
            add_task_init_call=False,
            detect_repository=False,
        ).id

    found = shown(call, official.run(create, unique))
    assert (found["name"], found["type"], found["project"], found["status"]) == (
        "from a repository", "testing", project, "created",
    )  # fmt: skip
    script = found["script"]
    assert script["repository"] == "https://example.com/team/code.git"
    assert script["version_num"] == "0123456789abcdef0123456789abcdef01234567"
    assert (script["entry_point"], script["working_dir"]) == ("train.py", ".")
    assert "numpy==1.26.4" in str(script["requirements"]["pip"])
    assert found["container"]["image"] == "python:3.11"
    assert found["container"]["arguments"] == "--ipc=host"
    assert found["hyperparams"]["Args"]["lr"]["value"] == "0.5"


def test_clone_copies_the_input_and_not_the_results(official: OfficialSession, call: Api, project: str) -> None:
    parameters = {"Args": {"lr": {"section": "Args", "name": "lr", "value": "1", "type": "float"}}}
    source = running_task(call, project, "the source", hyperparams=parameters, tags=["t"], script={"branch": "main"})
    call("events.add", {"type": "training_stats_scalar", "task": source, "metric": "m", "variant": "v", "value": 1.0})

    def clone(id: str) -> str:
        from clearml import Task

        return Task.clone(source_task=id, name="the clone", comment="by hand").id

    found = shown(call, official.run(clone, source))
    assert found["id"] != source
    assert (found["name"], found["comment"], found["status"]) == ("the clone", "by hand", "created")
    assert (found["parent"], found["project"]) == (source, project)
    assert found["hyperparams"] == parameters
    assert found["script"]["branch"] == "main"
    assert found["last_metrics"] == {}
    assert not found.get("started")


def test_clone_into_another_project(official: OfficialSession, call: Api, project: str, unique: str) -> None:
    source = make_task(call, project, "moving on")
    other = call("projects.create", {"name": f"{unique}/other"})["id"]

    def clone(id: str, project: str) -> str:
        from clearml import Task

        return Task.clone(source_task=Task.get_task(task_id=id), project=project, parent=id).id

    found = shown(call, official.run(clone, source, other))
    assert (found["project"], found["parent"]) == (other, source)


def test_edits_of_a_draft_are_stored(official: OfficialSession, call: Api, project: str) -> None:
    task = make_task(call, project)

    def edit(id: str) -> None:
        from clearml import Task

        task = Task.get_task(task_id=id)
        task.rename("renamed")
        task.set_comment("a comment")
        task.set_task_type("inference")
        task.set_script(repository="https://example.com/a.git", branch="dev", entry_point="a.py", diff="+ x\n")
        task.set_packages(["torch>=2", "numpy"])
        task.set_base_docker(docker_image="image:1", docker_arguments=["-e A=1"], docker_setup_bash_script="apt update")
        task.add_tags(["one", "two"])
        task.output_uri = "https://example.com/bucket"

    official.run(edit, task)
    found = shown(call, task)
    assert (found["name"], found["comment"], found["type"]) == ("renamed", "a comment", "inference")
    assert found["script"]["repository"] == "https://example.com/a.git"
    assert (found["script"]["branch"], found["script"]["entry_point"]) == ("dev", "a.py")
    assert "torch>=2" in str(found["script"]["requirements"]["pip"])
    assert found["container"]["image"] == "image:1"
    assert "-e A=1" in found["container"]["arguments"]
    assert "apt update" in found["container"]["setup_shell_script"]
    assert sorted(found["tags"]) == ["one", "two"]


def test_tags_are_set_and_added_to_a_finished_task(official: OfficialSession, call: Api, project: str) -> None:
    task = running_task(call, project, tags=["old"])
    call("tasks.completed", {"task": task})

    def tag(id: str) -> list[str]:
        from clearml import Task

        task = Task.get_task(task_id=id)
        task.add_tags(["new"])
        seen = sorted(task.get_tags())
        task.set_tags(["only"])
        return [*seen, *task.get_tags()]

    assert official.run(tag, task) == ["new", "old", "only"]
    assert shown(call, task)["tags"] == ["only"]
    assert status(call, task) == "completed"


def test_enqueue_and_dequeue(official: OfficialSession, call: Api, project: str, unique: str) -> None:
    task = make_task(call, project)
    queue = call("queues.create", {"name": unique})["id"]

    def enqueue(id: str, queue: str) -> dict[str, Any]:
        from clearml import Task

        answer = Task.enqueue(Task.get_task(task_id=id), queue_name=queue)
        return {"queued": answer.queued, "fields": answer.fields, "in_queue": Task.get_num_enqueued_tasks(queue)}

    answer = official.run(enqueue, task, unique)
    assert (answer["queued"], answer["fields"]["status"], answer["in_queue"]) == (1, "queued", 1)
    found = shown(call, task)
    assert (found["status"], found["execution"]["queue"]) == ("queued", queue)
    assert [entry["task"] for entry in call("queues.get_by_id", {"queue": queue})["queue"]["entries"]] == [task]

    def dequeue(id: str) -> int:
        from clearml import Task

        return Task.dequeue(id).dequeued

    assert official.run(dequeue, task) == 1
    assert status(call, task) == "created"
    assert call("queues.get_by_id", {"queue": queue})["queue"]["entries"] == []


def test_enqueue_into_an_unknown_queue_is_an_error(official: OfficialSession, call: Api, project: str) -> None:
    task = make_task(call, project)

    def enqueue(id: str) -> None:
        from clearml import Task

        Task.enqueue(id, queue_name="no such queue anywhere")

    with pytest.raises(OfficialError, match="no such queue anywhere"):
        official.run(enqueue, task)
    assert status(call, task) == "created"


def test_enqueue_with_force_runs_a_completed_task_again(
    official: OfficialSession, call: Api, project: str, unique: str
) -> None:
    task = running_task(call, project)
    call("tasks.completed", {"task": task})
    queue = call("queues.create", {"name": unique})["id"]

    def enqueue(id: str, queue: str, force: bool) -> int:
        from clearml import Task

        return Task.enqueue(id, queue_id=queue, force=force).queued

    with pytest.raises(OfficialError):
        official.run(enqueue, task, queue, False)
    assert official.run(enqueue, task, queue, True) == 1
    assert status(call, task) == "queued"


def test_enqueue_twice_is_refused(api: Api, call: Api, project: str, unique: str) -> None:
    task = make_task(call, project)
    queue = call("queues.create", {"name": unique})["id"]
    api("tasks.enqueue", task=task, queue=queue)
    with pytest.raises(OfficialError) as refused:
        api("queues.add_task", queue=queue, task=task)
    assert (refused.value.code, refused.value.subcode) == (400, 706)
    assert len(call("queues.get_by_id", {"queue": queue})["queue"]["entries"]) == 1


def test_parent_and_children(official: OfficialSession, call: Api, project: str) -> None:
    parent, child = make_task(call, project, "the parent"), make_task(call, project, "the child")

    def adopt(parent: str, child: str) -> list[str]:
        from clearml import Task

        task = Task.get_task(task_id=child)
        task.set_parent(parent)
        children = Task.query_tasks(task_filter={"parent": parent})
        return [Task.get_task(task_id=child).parent, *children]

    assert official.run(adopt, parent, child) == [parent, child]
    assert shown(call, child)["parent"] == parent


def test_progress_is_kept_in_the_runtime(official: OfficialSession, call: Api, project: str) -> None:
    task = running_task(call, project)

    def progress(id: str) -> int:
        from clearml import Task

        task = Task.get_task(task_id=id)
        task.set_progress(42)
        return Task.get_task(task_id=id).get_progress()

    assert official.run(progress, task) == 42
    assert int(shown(call, task)["runtime"]["progress"]) == 42


def test_move_to_another_project(official: OfficialSession, call: Api, project: str, unique: str) -> None:
    task = make_task(call, project)

    def move(id: str, name: str) -> list[str]:
        from clearml import Task

        task = Task.get_task(task_id=id)
        assert task.move_to_project(new_project_name=name)
        return [task.get_project_name(), Task.get_project_id(name)]

    name, id = official.run(move, task, f"{unique}/moved here")
    assert name == f"{unique}/moved here"
    assert shown(call, task)["project"] == id
    assert call("projects.get_by_id", {"project": id})["project"]["name"] == name


def test_archive_and_unarchive(official: OfficialSession, call: Api, project: str) -> None:
    task = make_task(call, project)

    def archive(id: str, to: bool) -> bool:
        from clearml import Task

        Task.get_task(task_id=id).set_archived(to)
        return Task.get_task(task_id=id).get_archived()

    assert official.run(archive, task, True) is True
    assert shown(call, task)["system_tags"] == ["archived"]
    assert official.run(archive, task, False) is False
    assert shown(call, task)["system_tags"] == []


def test_export_and_import_make_an_equal_draft(official: OfficialSession, call: Api, project: str) -> None:
    source = make_task(
        call, project, "exported", script={"entry_point": "a.py", "branch": "main"}, comment="c", tags=["x"],
        hyperparams={"General": {"n": {"section": "General", "name": "n", "value": "3", "type": "int"}}},
        configuration={"net": {"name": "net", "value": "a: 1", "type": "yaml"}},
    )  # fmt: skip

    def copy(id: str) -> str:
        from clearml import Task

        return Task.import_task(Task.get_task(task_id=id).export_task()).id

    made = official.run(copy, source)
    first, second = shown(call, source), shown(call, made)
    assert made != source
    assert second["status"] == "created"
    for field in ("type", "comment", "hyperparams", "configuration", "project", "tags"):
        assert second[field] == first[field], field
    assert second["script"]["entry_point"] == "a.py"


def test_import_updates_an_existing_task(official: OfficialSession, call: Api, project: str) -> None:
    target = make_task(call, project, "to be updated")

    def update(id: str) -> bool:
        from clearml import Task

        task = Task.get_task(task_id=id)
        data = task.export_task()
        data["comment"] = "from the export"
        return task.update_task(data)

    assert official.run(update, target) is True
    assert shown(call, target)["comment"] == "from the export"


def test_delete_removes_the_task_its_events_models_and_files(
    official: OfficialSession, server: RunningServer, call: Api, project: str, unique: str
) -> None:
    def record(project: str, files: str) -> dict[str, Any]:
        import numpy
        from clearml import OutputModel, Task

        task = Task.create(project_name=project, task_name="to be deleted")
        task.mark_started()
        task.upload_artifact("data", {"a": 1}, wait_on_upload=True)
        task.get_logger().report_image("img", "one", iteration=0, image=numpy.zeros((4, 4, 3), dtype=numpy.uint8))
        with open("weights.bin", "wb") as out:
            out.write(b"w" * 10)
        model = OutputModel(task=task, name="the weights")
        model.update_weights("weights.bin", upload_uri=files, async_enable=False, auto_delete_file=False)
        task.flush(wait_for_uploads=True)
        task.mark_completed()
        task.reload()
        return {"task": task.id, "artifact": task.artifacts["data"].url, "model": model.id, "weights": model.url}

    made = official.run(record, unique, server.files)
    image = eventually(lambda: image_of(call, made["task"]))
    urls = [made["artifact"], made["weights"], image]
    assert [file_status(server, url) for url in urls] == [200, 200, 200]

    def delete(id: str) -> bool:
        from clearml import Task

        return bool(Task.get_task(task_id=id).delete(raise_on_error=True))

    assert official.run(delete, made["task"]) is True
    assert call("tasks.get_all", {"id": [made["task"]]})["tasks"] == []
    assert call("models.get_all", {"id": [made["model"]]})["models"] == []
    assert [file_status(server, url) for url in urls] == [404, 404, 404]


def image_of(call: Api, task: str) -> str | None:
    """The address of the last image of a task."""
    for found in call("events.debug_images", {"metrics": [{"task": task}], "iters": 1})["metrics"]:
        for iteration in found["iterations"]:
            return str(iteration["events"][0]["url"])
    return None


def test_delete_keeps_a_model_that_another_task_uses(
    official: OfficialSession, call: Api, project: str, unique: str
) -> None:
    def record(project: str) -> list[str]:
        from clearml import OutputModel, Task

        task = Task.create(project_name=project, task_name="the maker")
        task.mark_started()
        model = OutputModel(task=task, name="shared")
        model.update_weights(register_uri="https://example.com/shared.bin")
        user = Task.create(project_name=project, task_name="the user")
        user.set_input_model(model_id=model.id)
        task.mark_completed()
        return [task.id, model.id, user.id]

    maker, model, user = official.run(record, unique)
    assert [item["model"] for item in shown(call, user)["models"]["input"]] == [model]

    def delete(id: str) -> None:
        from clearml import Task

        Task.get_task(task_id=id).delete(skip_models_used_by_other_tasks=True)

    official.run(delete, maker)
    assert call("tasks.get_all", {"id": [maker]})["tasks"] == []
    assert [item["id"] for item in call("models.get_all", {"id": [model]})["models"]] == [model]


def test_sdk_reset_makes_a_draft_again(official: OfficialSession, call: Api, project: str) -> None:
    task = running_task(call, project)
    call("tasks.stopped", {"task": task})

    def reset(id: str) -> str:
        from clearml import Task

        task = Task.get_task(task_id=id)
        task.reset()
        return str(task.status)

    assert official.run(reset, task) == "created"
    assert status(call, task) == "created"


def test_stop_request_is_a_message_to_the_runner(official: OfficialSession, call: Api, project: str) -> None:
    task = running_task(call, project)
    call("workers.status_report", {"worker": f"w-{task}", "task": task, "timestamp": 1_790_000_000_000})

    def ask(id: str) -> str:
        from clearml import Task

        Task.get_task(task_id=id).mark_stop_request(status_message="please")
        return Task.get_task(task_id=id).get_status_message()

    official.run(ask, task)
    found = shown(call, task)
    assert found["status"] == "in_progress"
    assert "stopping" in found["status_message"] or "please" in found["status_message"]


def test_projects_as_the_sdk_lists_them(official: OfficialSession, call: Api, project: str, unique: str) -> None:
    call("projects.create", {"name": f"{unique}/inner"})

    def find(name: str) -> list[Any]:
        from clearml import Task

        return sorted(p.name for p in Task.get_projects(name=name)), Task.get_project_id(name)

    found, id = official.run(find, unique)
    assert found == [unique, f"{unique}/inner"]
    assert id == project
    assert names(call("projects.get_all", {"name": unique})["projects"]) == found
