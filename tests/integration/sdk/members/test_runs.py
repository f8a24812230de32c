"""What `Task.init` records of a script and takes from its arguments: scripts run as users run them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.sdk.core.conftest import QUIET, Workplace

Read = Callable[[str], dict[str, Any]]
NEW = f"""from clearml import Task
task = Task.init('sdk/members', 'a run', {QUIET}, reuse_last_task_id=False)
say(id=task.id)
"""


@pytest.fixture
def read(workplace: Workplace) -> Read:
    """A task's document by its id."""
    return lambda task_id: workplace.server.call("tasks.get_by_id", {"task": task_id})["task"]  # type: ignore[no-any-return]


def git(folder: Any, *arguments: str) -> str:
    names = {f"GIT_{who}_{what}": "t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    ran = subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True, env={**os.environ, **names}
    )
    return ran.stdout


@pytest.mark.rows("S1-016", "S1-017", "S1-018")
def test_code_is_recorded_by_commit_and_changes(workplace: Workplace, read: Read) -> None:
    path = workplace.write(NEW, "src/train.py")
    (workplace.folder / ".gitignore").write_text(".cache\n.journal\n")
    git(workplace.folder, "init", "-q", "-b", "main")
    git(workplace.folder, "add", ".")
    git(workplace.folder, "commit", "-qm", "one")
    git(workplace.folder, "remote", "add", "origin", "https://example.org/r.git")
    ran = workplace.run(NEW + "print('changed')\n", name="src/train.py")
    script = read(ran.said["id"])["script"]
    assert script["repository"] == "https://example.org/r.git"
    assert script["version_num"] == git(workplace.folder, "rev-parse", "HEAD").strip()
    assert (script["working_dir"], script["entry_point"]) == (".", "src/train.py")
    assert script["diff"].strip() == git(workplace.folder, "diff", "--full-index").strip() and path.exists()


@pytest.mark.rows("S1-019", "S2-I01")
def test_without_names_the_repository_names_the_project(workplace: Workplace, read: Read) -> None:
    git(workplace.folder, "init", "-q")
    ran = workplace.run(
        f"from clearml import Task\ntask = Task.init({QUIET})\nsay(id=task.id, p=task.get_project_name())"
    )
    assert ran.said["p"] == workplace.folder.name, ran.err
    assert "Task.init" in read(ran.said["id"])["script"]["diff"]
    named = workplace.run(NEW + "say(p=task.get_project_name())")
    assert named.said["p"] == "sdk/members"


@pytest.mark.rows("S1-002", "S1-001", "S1-074")
def test_one_call_makes_a_whole_task(workplace: Workplace, read: Read) -> None:
    ran = workplace.run(
        """
import argparse
from clearml import Task
parser = argparse.ArgumentParser(); parser.add_argument("--lr", type=float, default=0.5); parser.parse_args()
task = Task.init("sdk/members", "whole", auto_resource_monitoring=False, reuse_last_task_id=False)
task._record_run.settle()
say(during=Task.get_task(task_id=task.id).get_script()["entry_point"], status=task.status)
task.get_logger().report_scalar("t", "s", value=1, iteration=1)
task.flush(wait_for_uploads=True)
say(scalars=task.get_reported_scalars()["t"]["s"]["y"])
task.upload_artifact("a", {"x": 1})
say(id=task.id)
print("last line")
"""
    )
    assert ran.code == 0, ran.err
    assert (ran.said["during"], ran.said["status"], ran.said["scalars"]) == ("script.py", "in_progress", [1.0])
    task = read(ran.said["id"])
    assert task["script"]["diff"] and task["hyperparams"]["Args"]["lr"]["value"] == "0.5"
    assert [a["key"] for a in task["execution"]["artifacts"]] == ["a"] and task["status"] == "completed"
    log = workplace.server.call("events.get_task_log", {"task": task["id"]})["events"]
    assert "last line" in "\n".join(event["msg"] for event in log)


@pytest.mark.rows("S1-004")
def test_the_interpreter_and_its_packages_are_recorded(workplace: Workplace, read: Read) -> None:
    script = read(workplace.run("import msgspec\n" + NEW).said["id"])["script"]
    import platform

    import msgspec

    assert script["binary"].startswith("python3")
    assert f"msgspec == {msgspec.__version__}" in script["requirements"]["pip"]
    assert platform.python_version() in script["requirements"]["pip"]


@pytest.mark.rows("S1-005", "S1-027", "S1-044")
def test_arguments_are_recorded_without_a_call(workplace: Workplace, read: Read) -> None:
    code = "import argparse\n" + NEW + "parser = argparse.ArgumentParser()\n"
    code += "parser.add_argument('--lr', type=float, default=0.1)\nparser.add_argument('--kept', default='as it is')\n"
    arguments = read(workplace.run(code + "parser.parse_args()", "--lr", "0.7").said["id"])["hyperparams"]["Args"]
    assert (arguments["lr"]["value"], arguments["lr"]["type"]) == ("0.7", "float")
    assert arguments["kept"]["value"] == "as it is"


@pytest.mark.rows("S1-028")
def test_chosen_variables_are_recorded(workplace: Workplace, read: Read) -> None:
    ran = workplace.run(NEW, CLEARML_LOG_ENVIRONMENT="CHOSEN_*", CHOSEN_ONE="1", OTHER="2")
    section = read(ran.said["id"])["hyperparams"]["Environment"]
    assert {name: entry["value"] for name, entry in section.items()} == {"CHOSEN_ONE": "1"}


@pytest.mark.rows("S1-029", "S1-030")
def test_dictionaries_are_recorded_in_sections(workplace: Workplace, read: Read) -> None:
    code = "a = task.connect({'x': 1})\nb = task.connect({'y': 2}, name='Train')\nb['y'] = 3\n"
    sections = read(workplace.run(NEW + code).said["id"])["hyperparams"]
    assert sections["General"]["x"]["value"] == "1" and sections["Train"]["y"]["value"] == "3"


@pytest.mark.rows("S1-031", "S1-032")
def test_configurations_are_recorded_by_name(workplace: Workplace, read: Read) -> None:
    (workplace.folder / "conf.yaml").write_text("a: 1\n")
    code = "task.connect_configuration({'k': 1})\ntask.connect_configuration('conf.yaml', name='file')\n"
    found = read(workplace.run(NEW + code).said["id"])["configuration"]
    assert set(found) == {"General", "file"} and found["file"]["value"] == "a: 1\n"


@pytest.mark.rows("S1-043", "S1-091", "S2-I04")
def test_the_documented_call(workplace: Workplace, read: Read) -> None:
    ran = workplace.run(
        """
from clearml import Task
task = Task.init(
    project_name="sdk/members", task_name="documented", task_type=Task.TaskTypes.training, tags=["t1", "t2"],
    reuse_last_task_id=True, continue_last_task=False, output_uri=None, auto_connect_arg_parser=True,
    auto_connect_frameworks=True, auto_resource_monitoring=True, auto_connect_streams=True,
)
say(id=task.id)
"""
    )
    assert ran.code == 0, ran.err
    task = read(ran.said["id"])
    assert (task["type"], sorted(task["tags"]), task["status"]) == ("training", ["t1", "t2"], "completed")
    assert read(workplace.run(NEW).said["id"])["type"] == "training"


@pytest.mark.rows("S1-046", "S2-014", "S2-080")
def test_the_current_task_is_known_everywhere(workplace: Workplace) -> None:
    (workplace.folder / "other.py").write_text("from clearml import Task\ndef current(): return Task.current_task()\n")
    ran = workplace.run(
        "import threading\nfrom clearml import Task\nsay(before=Task.current_task())\n"
        + NEW
        + """
import other
found = []
thread = threading.Thread(target=lambda: found.append(Task.current_task() is task)); thread.start(); thread.join()
copy = Task.clone(task)
say(module=other.current() is task, thread=found, main=task.is_main_task(), other=copy.is_main_task(),
    same=task.is_current_task())
"""
    )
    assert ran.said["before"] is None and ran.said["module"] and ran.said["thread"] == [True], ran.err
    assert ran.said["main"] is True and ran.said["other"] is False and ran.said["same"] is True


@pytest.mark.rows("S2-079", "S2-107")
def test_where_a_script_runs(workplace: Workplace) -> None:
    ran = workplace.run(NEW + "say(local=Task.running_locally(), same=task.is_current_task() == task.is_main_task())")
    assert ran.said["local"] is True and ran.said["same"] is True
    remote = workplace.run(
        "from clearml import Task\nsay(local=Task.running_locally())", CLEARML_TASK_ID=ran.said["id"]
    )
    assert remote.said["local"] is False


@pytest.mark.rows("S1-047", "S2-I05")
def test_several_tasks_one_after_another(workplace: Workplace, read: Read) -> None:
    ran = workplace.run(
        f"""
from clearml import Task
ids = []
for name in ("first", "second"):
    task = Task.init("sdk/members", name, {QUIET})
    print("log of", name)
    ids.append(task.id)
    task.close()
say(ids=ids)
"""
    )
    for task_id, name in zip(ran.said["ids"], ("first", "second"), strict=True):
        assert (read(task_id)["status"], read(task_id)["name"]) == ("completed", name)
        log = workplace.server.call("events.get_task_log", {"task": task_id})["events"]
        text = "\n".join(event["msg"] for event in log)
        assert text.count("log of") == 1 and f"log of {name}" in text


@pytest.mark.rows("S2-001", "S2-074")
def test_packages_are_added_and_left_out(workplace: Workplace, read: Read) -> None:
    (workplace.folder / "more.txt").write_text("from-a-file>=3\n")
    ran = workplace.run(
        """
import msgspec, orjson
from clearml import Task
Task.add_requirements("psutil")
Task.add_requirements("chosen", ">=2.4")
Task.add_requirements("any-of-it", "")
Task.add_requirements("more.txt")
Task.ignore_requirements("orjson")
"""
        + NEW
    )
    import psutil

    lines = read(ran.said["id"])["script"]["requirements"]["pip"].splitlines()
    assert f"psutil == {psutil.__version__}" in lines
    assert "chosen>=2.4" in [line.replace(" ", "") for line in lines]
    assert "any-of-it" in lines and any(line.replace(" ", "") == "from-a-file>=3" for line in lines)
    assert any(line.startswith("msgspec") for line in lines) and not any(line.startswith("orjson") for line in lines)


@pytest.mark.rows("S2-025")
def test_the_whole_environment_is_frozen(workplace: Workplace, read: Read) -> None:
    (workplace.folder / "exact.txt").write_text("only-this==1\n")
    frozen = workplace.run("from clearml import Task\nTask.force_requirements_env_freeze()\n" + NEW)
    lines = read(frozen.said["id"])["script"]["requirements"]["pip"]
    assert "pytest" in lines and "hypothesis" in lines, "installed, and not imported"
    given = workplace.run("from clearml import Task\nTask.force_requirements_env_freeze(True, 'exact.txt')\n" + NEW)
    assert read(given.said["id"])["script"]["requirements"]["pip"].strip() == "only-this==1"


@pytest.mark.rows("S2-026")
def test_the_script_alone_is_recorded(workplace: Workplace, read: Read) -> None:
    git(workplace.folder, "init", "-q")
    git(workplace.folder, "remote", "add", "origin", "https://example.org/r.git")
    ran = workplace.run("from clearml import Task\nTask.force_store_standalone_script()\n" + NEW)
    script = read(ran.said["id"])["script"]
    assert not script["repository"] and "force_store_standalone_script" in script["diff"]


@pytest.mark.rows("S2-086")
def test_completing_ends_the_process(workplace: Workplace, read: Read) -> None:
    ran = workplace.run(NEW + "print('before')\ntask.mark_completed(status_message='done early')\nprint('after')")
    task = read(ran.said["id"])
    assert ran.code == 0 and "before" in ran.out and "after" not in ran.out
    assert (task["status"], task["status_message"]) == ("completed", "done early")


@pytest.mark.rows("S2-099")
def test_a_run_is_published_when_it_completes(workplace: Workplace, read: Read) -> None:
    ran = workplace.run(NEW + "task.publish_on_completion()")
    assert read(ran.said["id"])["status"] == "published"


@pytest.mark.rows("S2-I09", "S2-I11")
def test_a_named_run_is_continued(workplace: Workplace) -> None:
    report = "task.get_logger().report_scalar('a', 'b', value=1, iteration=0)\n"
    first = workplace.run(NEW + "task.get_logger().report_scalar('a', 'b', value=1, iteration=100)\n").said["id"]
    go_on = NEW.replace("reuse_last_task_id=False", f"continue_last_task={first!r}")
    assert workplace.run(go_on + report).said["id"] == first
    body = {"task": first}
    assert workplace.server.call("events.scalar_metrics_iter_histogram", body)["a"]["b"]["x"] == [100, 101]
    again = NEW.replace("reuse_last_task_id=False", f"continue_last_task=False, reuse_last_task_id={first!r}")
    assert workplace.run(again + report).said["id"] == first
    assert workplace.server.call("events.scalar_metrics_iter_histogram", body)["a"]["b"]["x"] == [0]


@pytest.mark.rows("S2-I23", "S2-077")
def test_a_run_with_outputs_is_never_overwritten(workplace: Workplace) -> None:
    plain = f"from clearml import Task\ntask = Task.init('sdk/members', 'again', {QUIET})\nsay(id=task.id)\n"
    first = workplace.run(plain).said["id"]
    assert workplace.run(plain + "task.upload_artifact('a', {'x': 1})").said["id"] == first
    second = workplace.run(plain).said["id"]
    assert second != first
    workplace.server.call("tasks.publish", {"task": second})
    third = workplace.run(plain).said["id"]
    assert third not in (first, second)
    workplace.server.call("tasks.edit", {"task": third, "system_tags": ["archived"], "force": True})
    assert workplace.run(plain).said["id"] not in (first, second, third)


@pytest.mark.rows("S2-I13")
def test_arguments_are_left_alone_when_asked(workplace: Workplace, read: Read) -> None:
    code = "import argparse\n" + NEW.replace(QUIET, f"{QUIET}, auto_connect_arg_parser=False")
    code += "p = argparse.ArgumentParser(); p.add_argument('--lr', default=1); p.parse_args()"
    assert "Args" not in read(workplace.run(code).said["id"])["hyperparams"]


@pytest.mark.full  # the machine is reported every 30 s
@pytest.mark.rows("S2-I19", "S2-I20", "S2-130")
def test_the_machine_is_watched(workplace: Workplace) -> None:
    code = """
import time
from clearml import Task
say(set=Task.set_resource_monitor_iteration_timeout(seconds_from_start=0.1))
task = Task.init('sdk/members', 'watched', reuse_last_task_id=False)
say(id=task.id, monitor=task.resource_monitor is not None)
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    time.sleep(0.5)
    task.flush()
    if any(title.startswith(':monitor') for title in task.get_reported_scalars()): break
say(titles=list(task.get_reported_scalars()))
"""
    ran = workplace.run(code, timeout=100, CLEARML__SDK__DEVELOPMENT__WORKER__REPORT_PERIOD_SEC="1")
    assert ran.code == 0, ran.err
    assert ran.said["set"] is True and ran.said["monitor"]
    assert any(title.startswith(":monitor") for title in ran.said["titles"]), ran.said
    quiet = workplace.run(NEW + "say(monitor=task.resource_monitor)")
    assert quiet.said["monitor"] is None


@pytest.mark.rows("S2-114")
def test_credentials_are_set_before_init(workplace: Workplace, read: Read) -> None:
    server = workplace.server
    code = f"""
from clearml import Task
Task.set_credentials(api_host={server.api!r}, web_host={server.web!r}, files_host={server.files!r},
    key={server.access_key!r}, secret={server.secret_key!r})
"""
    nothing = dict.fromkeys(
        (
            "CLEARML_API_HOST",
            "CLEARML_WEB_HOST",
            "CLEARML_FILES_HOST",
            "CLEARML_API_ACCESS_KEY",
            "CLEARML_API_SECRET_KEY",
        ),
        "",
    )
    ran = workplace.run(code + NEW, **nothing)
    assert ran.code == 0, ran.err
    assert read(ran.said["id"])["status"] == "completed"
