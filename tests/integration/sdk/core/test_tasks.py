"""Tasks that this process does not run: made, found, changed, queued and deleted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk import Task
from clearml_sdk.errors import ApiError, UsageError
from clearml_sdk.session import Session
from tests.conftest import RunningServer


@pytest.fixture
def project(session: Session, request: pytest.FixtureRequest) -> str:
    return f"sdk/tasks/{request.node.name}"


@pytest.fixture
def make(project: str) -> Any:
    def create(name: str = "a task", **arguments: Any) -> Task:
        return Task.create(project, name, **arguments)

    return create


@pytest.mark.rows("S2-012")
def test_a_script_is_recorded_whole(make: Any, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text('"""Doc."""\nimport msgspec\nprint(1)\n')
    task = make(
        script=str(tmp_path / "train.py"),
        task_type="testing",
        docker="python:3.11",
        docker_args="--ipc=host",
        docker_bash_setup_script=["a", "b"],
        argparse_args=[("lr", "0.1")],
    )
    found = task._record.reload()
    script = found["script"]
    assert (script["entry_point"], script["working_dir"], script["repository"]) == ("train.py", ".", "")
    assert "Task.init()" in script["diff"] and script["diff"].index("Doc") < script["diff"].index("Task.init")
    assert "msgspec == " in script["requirements"]["pip"] and "clearml" in script["requirements"]["pip"]
    assert found["container"] == {"image": "python:3.11", "arguments": "--ipc=host", "setup_shell_script": "a\nb"}
    assert (found["type"], found["status"]) == ("testing", "created")
    assert task.get_parameters() == {"Args/lr": "0.1"}
    plain = make("untouched", script=str(tmp_path / "train.py"), add_task_init_call=False, packages=["a==1", "b"])
    found = plain._record.reload()["script"]
    assert "Task.init" not in found["diff"] and found["requirements"]["pip"] == "a==1\nb\nclearml\n"


@pytest.mark.rows("S1-053")
def test_a_remote_repository_is_recorded_as_given(make: Any) -> None:
    task = make(repo="https://example.org/r.git", branch="dev", script="./src/a.py", working_directory="src")
    found = task.get_script()
    assert (found["repository"], found["branch"], found["entry_point"]) == (
        "https://example.org/r.git",
        "dev",
        "a.py",
    )
    assert found["working_dir"] == "src" and "diff --git a/src/a.py b/src/a.py" in str(found["diff"])
    assert str(found["diff"]).startswith("diff --git a/requirements.txt b/requirements.txt")  # it names the SDK
    kept = make("kept", repo="https://example.org/r.git", script="b.py", add_task_init_call=False).get_script()
    assert (kept["entry_point"], kept["working_dir"], kept["diff"]) == ("b.py", ".", "")
    module = make("by module", repo="https://example.org/r.git", commit="abc", module="pkg.train")
    assert (module.get_script()["entry_point"], module.get_script()["version_num"]) == ("-m pkg.train", "abc")


def test_a_working_copy_is_recorded_with_its_changes(make: Any, tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments], cwd=tmp_path, check=True)

    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("x = 1\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    (tmp_path / "src" / "a.py").write_text("x = 2\n")
    found = make(repo=str(tmp_path), script="src/a.py").get_script()
    assert found["repository"] == f"file://{tmp_path}" and "+x = 2" in str(found["diff"])
    assert found["entry_point"] == "src/a.py"


def test_what_cannot_be_created_is_refused(session: Session, make: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="project_name"):
        Task.create(task_name="alone")
    with pytest.raises(ValueError, match="no script"):
        make(script=str(tmp_path / "missing.py"))
    with pytest.raises(ValueError, match="task type"):
        make(task_type="nonsense")


@pytest.mark.rows("S2-005", "S1-066")
def test_clones_have_everything_but_results(make: Any, project: str) -> None:
    source = make()
    source.set_parameters({"Args/a": 1, "b": "x"})
    source.set_configuration_object("c", config_dict={"k": 1})
    source.set_packages(["numpy==2"])
    copy = Task.clone(source, name="the copy", comment="why")
    assert copy.get_parameters(cast=True) == {"Args/a": 1, "General/b": "x"}
    assert copy.get_configuration_object_as_dict("c") == {"k": 1}
    assert (copy.name, copy.comment, copy.parent) == ("the copy", "why", source.id)
    assert copy.get_requirements()["pip"] == "numpy==2"
    again = Task.clone(copy.id, project=Task.get_project_id(project))
    assert again.parent == source.id and again.get_status() == "created"
    with pytest.raises(UsageError, match="no current"):
        Task.clone()
    changed = Task.create(base_task_id=source.id, task_name="from base", packages=["torch"], argparse_args=[("a", "5")])
    assert changed.get_parameter("Args/a", cast=True) == 5 and changed.get_requirements()["pip"] == "torch\nclearml\n"


def test_parameters(make: Any) -> None:
    task = make()
    task.set_parameters({"Args/lr": 0.1, "Args/n": 3}, [("Extra/list", [1, 2])], top=True)
    assert task.get_parameters() == {"Args/lr": "0.1", "Args/n": "3", "Extra/list": "[1, 2]", "General/top": "True"}
    assert task.get_parameters(cast=True)["General/top"] is True
    task.update_parameters({"Args/lr": "0.5"})
    assert task.get_parameter("Args/lr", cast=True) == 0.5, "the type stays when a text is set"
    assert task.get_parameters_as_dict(cast=True)["Args"] == {"lr": 0.5, "n": 3}
    task.set_user_properties({"p": "kept"}, [{"name": "q", "value": 1, "description": "d"}], r={"value": 2.5})
    task.set_parameters_as_dict({"Args": {"lr": 1.0, "nested": {"x": None}}})
    assert task.get_parameters(cast=True) == {"Args/lr": 1.0, "Args/nested/x": None}
    assert task.get_user_properties(value_only=True) == {"p": "kept", "q": "1", "r": "2.5"}
    assert task.get_user_properties()["q"]["description"] == "d"
    task.set_parameter("Args/new", 4, description="about", value_type=int)
    assert task.get_parameter("Args/new") == "4" and task.get_parameter("no/such", default=8) == 8
    assert task.delete_parameter("Args/new") and task.get_parameter("Args/new") is None
    assert task.delete_user_properties(("properties", "p"), [{"section": "properties", "name": "q"}])
    assert task.get_user_properties(value_only=True) == {"r": "2.5"}
    with pytest.raises(ValueError, match="no value"):
        task.set_user_properties({"bad": {"description": "x"}})


def test_odd_names_survive(make: Any) -> None:
    odd = {"a.b": 1, "$c": "d", "with space/and slash": "ü", "e": "x" * 5000}
    task = make()
    task.set_parameters_as_dict({"Odd.Section": odd})
    assert task.get_parameters_as_dict(cast=True)["Odd.Section"]["a.b"] == 1
    assert task.get_parameter("Odd.Section/with space/and slash") == "ü"
    task.set_configuration_object("dotted.name", "text")
    assert task.get_configuration_objects() == {"dotted.name": "text"}
    assert task.get_configuration_object("none") is None and task.get_configuration_object_as_dict("none") is None


def test_properties_of_a_task(make: Any, server: RunningServer, project: str) -> None:
    task = make()
    task.set_name("renamed")
    task.comment = "a comment"
    task.set_tags(["a"])
    task.add_tags("b")
    task.add_tags(["b", "c"])
    task.remove_tags("a")
    task.set_task_type(Task.TaskTypes.inference)
    task.set_base_docker("python:3.12 --gpus all")
    task.set_script(branch="b", commit="c")
    task.set_parent(make("its parent"))
    task.set_progress(55)
    task.output_uri = True
    found = Task.get_task(task_id=task.id)
    assert (found.name, found.comment, found.task_type) == ("renamed", "a comment", "inference")
    assert found.get_tags() == ["b", "c"] and found.parent == task.parent
    assert found.get_base_docker() == "python:3.12 --gpus all"
    assert (found.get_script()["branch"], found.get_script()["version_num"]) == ("b", "c")
    assert found.get_progress() == 55 and found.output_uri == server.files
    assert found.get_project_name() == project and found.get_project_object().name == project
    assert found.data.script.branch == "b" and found.data.no_such_field is None
    task.set_archived(True)
    assert found.get_archived() is True
    task.set_archived(False)
    assert found.get_archived() is False
    assert task.move_to_project(new_project_name=f"{project}/sub") and task.get_project_name() == f"{project}/sub"
    with pytest.raises(ValueError, match="progress"):
        task.set_progress(101)


def test_status_changes(make: Any) -> None:
    task = make()
    assert task.status == "created"
    task.mark_started()
    assert task.get_status() == "in_progress"
    task.mark_failed(status_reason="why", status_message="what")
    assert task.get_status_message() == ("failed", "what")
    with pytest.raises(RuntimeError, match="failed"):
        task.wait_for_status(check_interval_sec=0.01)
    task.reset()
    assert task.status == "created"
    task.mark_started()
    task.mark_stopped(status_message="enough")
    task.wait_for_status(check_interval_sec=0.01)
    task.mark_started(force=True)
    assert task.mark_completed() is not None and task.status == "completed"
    assert task.publish() is not None and task.status == "published"
    with pytest.raises(ApiError):
        task.mark_started()
    assert task.started() is None, "errors are ignored where the caller asks for that"


@pytest.mark.rows("S2-020", "S2-021")
def test_queues(make: Any, session: Session) -> None:
    queue = session.call("queues.create", {"name": "sdk queue (1)"})["id"]
    task = make()
    answer = Task.enqueue(task, queue_name="sdk queue (1)")
    assert answer.queued == 1 and answer.fields["status"] == "queued" and task.status == "queued"
    assert Task.get_num_enqueued_tasks(queue_id=queue) == 1
    assert (task.get_executed_queue(), task.get_executed_queue(return_name=True)) == (queue, "sdk queue (1)")
    assert Task.dequeue(task.id).dequeued == 1 and task.status == "created"
    with pytest.raises(ValueError, match="no such"):
        Task.enqueue(task, queue_name="no such")
    with pytest.raises(UsageError):
        Task.enqueue(task)
    task.mark_started()
    task.mark_completed()
    with pytest.raises(ApiError):
        Task.enqueue(task, queue_id=queue)
    with pytest.raises(ApiError, match="701"):
        Task.enqueue(task, queue_id="no such", force=True)
    assert task.status == "completed", "what the task has made is not removed for a queue that there is not"
    assert Task.enqueue(task, queue_id=queue, force=True).queued == 1
    Task.dequeue(task)


@pytest.mark.rows("S2-070", "S2-100", "S1-060")
def test_tasks_are_found(make: Any, project: str) -> None:
    one = make("find one")
    two = make("find two")
    other = make("other (3)")
    one.set_tags(["red", "big"])
    two.set_tags(["red"])
    other.set_tags(["blue"])

    def names(**query: Any) -> list[str]:
        return sorted(task.name for task in Task.get_tasks(project_name=project, **query))

    assert names() == ["find one", "find two", "other (3)"]
    assert names(task_name="find") == ["find one", "find two"]
    assert names(task_name="^find o") == ["find one"]
    assert names(tags=["red"]) == ["find one", "find two"]
    assert names(tags=["__$all", "red", "big"]) == ["find one"]
    assert names(tags=["red", "-big"]) == ["find two"]
    assert names(task_filter={"status": [Task.TaskStatusEnum.queued]}) == []
    assert names(task_filter={"order_by": ["name"], "_any_": {"fields": ["name"], "pattern": "TWO"}}) == ["find two"]
    assert Task.get_task(project_name=project, task_name="other (3)").id == other.id
    assert Task.get_task(project_name=project, task_name="other") is None, "the whole name, and no expression"
    assert Task.get_task(project_name="no such project", task_name="x") is None
    one.set_name("find two")
    assert Task.get_task(project_name=project, task_name="find two").id == one.id, "the last changed of two"
    one.set_archived(True)
    assert Task.get_task(project_name=project, task_name="find two").id == two.id, "archived ones come last"
    assert Task.get_task(project_name=project, task_name="find two", allow_archived=False).id == two.id
    assert len(Task.get_tasks(project_name=project, allow_archived=False)) == 2
    found = Task.query_tasks(project_name=[project], additional_return_fields=["name", "script.entry_point"])
    assert {task["id"] for task in found} == {one.id, two.id, other.id}
    assert all(set(task) == {"id", "name", "script.entry_point"} for task in found)
    assert set(Task.query_tasks(project_name=project, task_filter={"parent": one.id})) == set()
    assert [task.id for task in Task.get_tasks(task_ids=[two.id, one.id])] == [two.id, one.id]
    with pytest.raises(ValueError, match="0000"):
        Task.get_tasks(task_ids=["0" * 32])
    with pytest.raises(ValueError, match="could not be found"):
        Task.get_task(task_id="0" * 32)
    with pytest.raises(UsageError):
        Task.get_task()


@pytest.mark.rows("S2-055")
def test_projects(make: Any, project: str, session: Session) -> None:
    make()
    assert Task.get_project_id(project) and Task.get_project_id("no such project") is None
    assert project in [found.name for found in Task.get_projects(search_hidden=True)]


@pytest.mark.rows("S2-016")
def test_a_deleted_task_is_gone_with_its_files(make: Any, session: Session) -> None:
    from clearml_sdk.storage import transfer

    task = make()
    task.mark_started()
    task.upload_artifact("data", {"a": 1}, wait_on_upload=True)
    kept = make("kept")
    kept.mark_started()
    kept.upload_artifact("data", {"a": 1}, wait_on_upload=True)
    urls = [one.artifacts["data"].url for one in (task, kept)]
    task.mark_completed()
    kept.mark_completed()
    assert task.delete()
    with pytest.raises(ValueError, match="could not be found"):
        Task.get_task(task_id=task.id)
    assert not transfer.exists(session, urls[0])
    asked: list[tuple[str, str]] = []
    assert kept.delete(callback=lambda kind, url: bool(asked.append((kind, url))))
    assert asked == [("artifact", urls[1])] and transfer.exists(session, urls[1])
    assert not kept.delete(), "it is gone already"
    with pytest.raises(ApiError):
        kept.delete(raise_on_error=True)


def test_clearml_init_verifies_before_it_writes(server: RunningServer, tmp_path: Path) -> None:
    def init(path: Path, typed: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "clearml_sdk.cli", "init", "--file", str(path)]
        environment = server.environment(
            CLEARML_API_HOST="", CLEARML_API_ACCESS_KEY="", CLEARML_API_SECRET_KEY="", **env
        )
        return subprocess.run(command, input=typed, env=environment, capture_output=True, text=True, timeout=60)

    found = init(tmp_path / "local.conf")
    assert found.returncode == 0 and server.facts["api_server"] in found.stdout, found.stderr
    text = (tmp_path / "local.conf").read_text()
    assert server.secret_key in text and (tmp_path / "local.conf").stat().st_mode & 0o77 == 0
    again = init(tmp_path / "local.conf")
    assert again.returncode == 1 and "left as it is" in again.stdout
    assert (tmp_path / "local.conf").read_text() == text
    alone = {"CLEARML_RUNTIME_DIR": str(tmp_path / "none")}
    command_env = {**alone}
    pasted = init(tmp_path / "pasted.conf", text + "\n", **command_env)
    assert pasted.returncode == 0, pasted.stderr
    wrong = init(tmp_path / "wrong.conf", text.replace(server.secret_key, "x" * 20) + "\n", **command_env)
    assert wrong.returncode == 1 and "does not accept" in wrong.stderr and not (tmp_path / "wrong.conf").exists()
    nobody = init(tmp_path / "nobody.conf", "", **command_env)
    assert nobody.returncode == 1 and not (tmp_path / "nobody.conf").exists()
