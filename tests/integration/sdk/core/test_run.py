"""A run from `Task.init` to its end, as the server has it afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import RunningServer

from .conftest import DELIVERED, QUIET, Ran, Workplace

INIT = f"from clearml import Task\ntask = Task.init('sdk/run', 'a run', {QUIET})\nsay(id=task.id)\n"
NEW = INIT.replace(QUIET, f"{QUIET}, reuse_last_task_id=False")
Read = Callable[[str], dict[str, Any]]


def wait_for(condition: Callable[[], Any], timeout_s: float = 60) -> Any:
    """Poll another process's doings: there is no event to wait for."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.05)
    return found


def git(folder: Any, *arguments: str) -> None:
    names = {f"GIT_{who}_{what}": "t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, env={**os.environ, **names})


@pytest.mark.rows("S1-003", "S1-006", "S1-021")
def test_a_run_is_recorded(workplace: Workplace, read: Read) -> None:
    workplace.write("", "src/train.py")
    (workplace.folder / "src" / "helper.py").write_text("import msgspec\n")
    (workplace.folder / ".gitignore").write_text(".cache\n.journal\n")
    git(workplace.folder, "init", "-q", "-b", "main")
    git(workplace.folder, "add", ".")
    git(workplace.folder, "commit", "-qm", "one")
    git(workplace.folder, "remote", "add", "origin", "https://user:secret@example.org/r.git")
    ran = workplace.run(
        """
import argparse, helper
from clearml import Task
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1, help="how fast")
parser.add_argument("--layers", type=int, nargs="+", default=[1])
task = Task.init("sdk/run", "recorded", task_type=Task.TaskTypes.testing, tags=["t1"], output_uri=True)
arguments = parser.parse_args()
extra = task.connect({"alpha": 1, "nested": {"b": None}}, name="Extra")
extra["alpha"] = 2
extra["nested"]["new"] = True
config = task.connect_configuration({"k": {"v": [1]}}, name="conf")
task.set_user_properties(colour="red")
task.add_tags("t2")
task.set_progress(40)
say(id=task.id, page=task.get_output_log_web_page(), parameters=task.get_parameters(cast=True),
    current=Task.current_task() is task, project=task.get_project_name())
print("the end")
""",
        "--lr",
        "0.5",
        name="src/train.py",
    )
    assert ran.code == 0, ran.err
    task = read(ran.said["id"])
    assert (task["status"], task["type"], sorted(task["tags"])) == ("completed", "testing", ["t1", "t2"])
    script = task["script"]
    assert script["repository"] == "https://example.org/r.git" and script["branch"] == "main"
    assert (script["working_dir"], script["entry_point"]) == (".", "src/train.py")
    assert len(script["version_num"]) == 40 and "+import argparse, helper" in script["diff"]
    packages = [line.split(" ")[0] for line in script["requirements"]["pip"].splitlines() if line[:1].isalpha()]
    assert packages == ["clearml", "msgspec"]
    assert script["requirements"]["sdk"].startswith("clearml-lean==")
    arguments = task["hyperparams"]["Args"]
    assert (arguments["lr"]["value"], arguments["lr"]["type"]) == ("0.5", "float")
    assert arguments["lr"]["description"] == "how fast"
    assert {name: entry["value"] for name, entry in task["hyperparams"]["Extra"].items()} == {
        "alpha": "2",
        "nested/b": "",
        "nested/new": "True",
    }
    assert task["hyperparams"]["properties"]["colour"]["value"] == "red"
    assert task["configuration"]["conf"]["value"] == "k {\n    v = [1]\n}"
    assert task["runtime"]["progress"] == "100", "a completed run is whole, whatever it said before"
    assert task["runtime"]["python_version"]
    assert task["output"]["destination"] == workplace.server.files
    assert ran.said["current"] is True and ran.said["project"] == "sdk/run"
    assert ran.said["parameters"]["Args/layers"] == [1]
    assert ran.said["page"] == f"{workplace.server.web}/projects/{task['project']}/tasks/{task['id']}/output/log"
    log = workplace.server.call("events.get_task_log", {"task": task["id"], "order": "asc"})["events"]
    assert any("the end" in event["msg"] for event in log)


@pytest.mark.rows("S1-020", "S2-I02")
@pytest.mark.parametrize(("names", "short"), [("'ab', 'a name'", "project, 'ab'"), ("'sdk/run', 'ab'", "task, 'ab'")])
def test_a_name_that_is_too_short_is_told_by_name(workplace: Workplace, names: str, short: str) -> None:
    ran = workplace.run(f"from clearml import Task\nTask.init({names}, {QUIET}, reuse_last_task_id=False)\n")
    assert ran.code == 1
    assert f"the name of the {short}, is too short: a name has 3 characters or more" in ran.err.splitlines()[-1]


def test_names_are_found_when_none_are_given(workplace: Workplace, read: Read) -> None:
    ran = workplace.run(f"from clearml import Task\nsay(id=Task.init({QUIET}).id)", name="my_script.py")
    task = read(ran.said["id"])
    assert task["name"] == "my_script"
    assert task["script"]["diff"].startswith("import json") and task["script"]["entry_point"] == "my_script.py"


ENDINGS: dict[str, tuple[str, int, str, str]] = {
    "end": ("", 0, "completed", "completed"),
    "close": ("task.close(); print('after')", 0, "completed", "completed"),
    "exit": ("import sys; sys.exit(0)", 0, "completed", "completed"),
    "exit code": ("import sys; sys.exit(3)", 3, "failed", "exit code 3"),
    "exit builtin": ("exit(4)", 4, "failed", "exit code 4"),
    "exit caught": ("import sys\ntry:\n    sys.exit(3)\nexcept SystemExit:\n    pass", 0, "completed", "completed"),
    "exit in a function": (
        "import sys\ndef main():\n    try:\n        sys.exit(6)\n    finally:\n        print('bye')\nmain()",
        6,
        "failed",
        "exit code 6",
    ),
    "exit text": ("import sys; sys.exit('no data')", 1, "failed", "no data"),
    "error": ("raise ValueError('boom ü')", 1, "failed", "ValueError: boom ü"),
    "interrupt": ("raise KeyboardInterrupt", -2, "stopped", "interrupted by the user"),
    "terminated": ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15, "stopped", "terminated by SIGTERM"),
    "marked failed": ("task.mark_failed(status_reason='mine')", 0, "failed", "mine"),
    "marked completed": ("task.mark_completed(); raise SystemExit(9)", 0, "completed", "completed"),
    "forked child fails": (
        "import os, sys\nif os.fork() == 0: sys.exit(7)\nos.wait()",
        0,
        "completed",
        "completed",
    ),
    "forked child raises": (
        "import os\nif os.fork() == 0: raise ValueError('child')\nos.wait()",
        0,
        "completed",
        "completed",
    ),
    "threads raise": (
        "import threading\nt = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()",
        0,
        "completed",
        "completed",
    ),
}


@pytest.mark.rows("S1-075", "S1-084", "S1-087")
@pytest.mark.parametrize("name", ENDINGS)
def test_the_end_of_the_process_is_the_tasks(workplace: Workplace, read: Read, name: str) -> None:
    code, exit_code, status, reason = ENDINGS[name]
    ran = workplace.run(NEW + code)
    task = read(ran.said["id"])
    assert (ran.code, task["status"], task["status_reason"]) == (exit_code, status, reason), ran.err
    if name == "error":
        assert "ValueError: boom ü" in ran.err and task["status_message"] == "ValueError: boom ü"


def test_a_handler_of_the_scripts_own_decides_about_sigterm(workplace: Workplace, read: Read) -> None:
    code = "import os, signal, sys\nsignal.signal(signal.SIGTERM, lambda *a: sys.exit(0))\n"
    ran = workplace.run(code + NEW + "os.kill(os.getpid(), signal.SIGTERM)")
    assert ran.code == 0 and read(ran.said["id"])["status"] == "completed"


def test_a_killed_run_stays_in_progress_and_its_reports_arrive_later(workplace: Workplace, read: Read) -> None:
    body = "import os, signal\ntask.get_logger().report_scalar('a', 'b', 1.5, 7)\nos.kill(os.getpid(), signal.SIGKILL)"
    ran = workplace.run(NEW + body)
    assert ran.code == -9 and read(ran.said["id"])["status"] == "in_progress"
    ran_on = workplace.run(NEW.replace("a run", "another run") + DELIVERED)
    assert ran_on.code == 0, ran_on.err
    scalars = workplace.server.call("events.scalar_metrics_iter_histogram", {"task": ran.said["id"]})
    assert scalars["a"]["b"]["y"] == [1.5]


@pytest.mark.rows("S1-049", "S1-050", "S1-051")
def test_a_run_without_outputs_is_overwritten_by_the_next(workplace: Workplace, read: Read) -> None:
    first = workplace.run(INIT + "task.connect({'old': 1}); print('first run')").said["id"]
    second = workplace.run(INIT + "task.connect({'new': 1}); print('second run')").said["id"]
    assert first == second
    assert set(read(first)["hyperparams"]["General"]) == {"new"}
    log = workplace.server.call("events.get_task_log", {"task": first})["events"]
    text = "\n".join(event["msg"] for event in log)
    assert "second run" in text and "first run" not in text
    third = workplace.run(INIT + "task.upload_artifact('a', {'x': 1}, wait_on_upload=True)").said["id"]
    assert third == first
    fourth = workplace.run(INIT).said["id"]
    assert fourth != first, "the artifact may be wanted"
    window = "CLEARML__SDK__DEVELOPMENT__TASK_REUSE_TIME_WINDOW_IN_HOURS"
    assert workplace.run(INIT, **{window: "0"}).said["id"] != fourth
    assert workplace.run(INIT, CLEARML_TASK_NO_REUSE="1").said["id"] != fourth


@pytest.mark.rows("S1-052", "S2-I06", "S2-I07")
def test_a_named_task_is_reused(workplace: Workplace) -> None:
    first = workplace.run(NEW).said["id"]
    workplace.run(NEW)
    again = INIT.replace(QUIET, f"{QUIET}, reuse_last_task_id='{first}'")
    assert workplace.run(again).said["id"] == first


@pytest.mark.rows("S2-I08", "S2-I10")
def test_a_run_is_continued_after_its_last_iteration(workplace: Workplace, read: Read) -> None:
    report = "task.get_logger().report_scalar('a', 'b', 1, 0)\ntask.get_logger().report_scalar('a', 'b', 2, 100)\n"
    first = workplace.run(NEW + report + "task.upload_artifact('x', {'y': 1})").said["id"]
    go_on = INIT.replace(QUIET, f"{QUIET}, continue_last_task=True")
    again = workplace.run(go_on + "task.get_logger().report_scalar('a', 'b', 3, 0)")
    assert again.said["id"] == first, again.err
    scalars = workplace.server.call("events.scalar_metrics_iter_histogram", {"task": first})
    assert scalars["a"]["b"]["x"] == [0, 100, 101]
    assert [a["key"] for a in read(first)["execution"]["artifacts"]] == ["x"]
    by_hand = INIT.replace(QUIET, f"{QUIET}, continue_last_task=500, reuse_last_task_id='{first}'")
    workplace.run(by_hand + "task.get_logger().report_scalar('a', 'b', 4, 1)")
    scalars = workplace.server.call("events.scalar_metrics_iter_histogram", {"task": first})
    assert scalars["a"]["b"]["x"] == [0, 100, 101, 501]


@pytest.mark.rows("S2-G02", "S2-G03", "S2-006")
def test_a_process_has_one_task(workplace: Workplace) -> None:
    ran = workplace.run(
        NEW
        + """
import threading
from clearml.errors import UsageError
same = []
threads = [threading.Thread(target=lambda: same.append(Task.init("sdk/run", "a run") is task)) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
try:
    Task.init("sdk/run", "another")
except UsageError as error:
    say(error=str(error))
try:
    Task()
except UsageError:
    say(constructed=False)
task.close()
try:
    task.connect({})
except ValueError:
    say(closed=True)
other = Task.init("sdk/run", "another", auto_resource_monitoring=False)
say(same=same, other=other.id != task.id, current=Task.current_task() is other, main=task.is_main_task())
"""
    )
    assert ran.said["same"] == [True] * 4, ran.err
    assert "already runs the task 'a run'" in ran.said["error"]
    assert ran.said["constructed"] is False and ran.said["closed"] and ran.said["other"] and ran.said["current"]
    assert ran.said["main"] is False


@pytest.mark.rows("S2-I14", "S2-I21")
def test_streams_and_arguments_can_be_left_out(workplace: Workplace, read: Read) -> None:
    ran = workplace.run(
        f"""
import argparse, sys
from clearml import Task
task = Task.init("sdk/run", "left out", reuse_last_task_id=False, {QUIET},
    auto_connect_streams={{"stdout": True}}, auto_connect_arg_parser={{"secret": False}})
parser = argparse.ArgumentParser()
parser.add_argument("--secret", default="s"); parser.add_argument("--open", default="o")
parser.parse_args()
print("to stdout"); print("to stderr", file=sys.stderr)
say(id=task.id)
"""
    )
    task = read(ran.said["id"])
    assert set(task["hyperparams"]["Args"]) == {"open"}
    log = workplace.server.call("events.get_task_log", {"task": task["id"]})["events"]
    text = "\n".join(event["msg"] for event in log)
    assert "to stdout" in text and "to stderr" not in text and "to stderr" in ran.err


@pytest.mark.rows("S2-I22")
def test_deferred_init_returns_at_once(workplace: Workplace, read: Read) -> None:
    ran = workplace.run(
        f"""
import time
from clearml import Task
task = Task.init("sdk/run", "deferred", reuse_last_task_id=False, {QUIET}, deferred_init=True)
say(is_task=isinstance(task, Task))
task.connect({{"a": 1}})
say(id=task.id)
"""
    )
    assert ran.code == 0, ran.err
    assert ran.said["is_task"] and read(ran.said["id"])["hyperparams"]["General"]["a"]["value"] == "1"


def test_child_processes_report_to_the_same_task(workplace: Workplace, read: Read) -> None:
    workplace.write(
        """
from clearml import Task
task = Task.init("sdk/run", "a child's own names")
task.get_logger().report_scalar("child", "x", 2, 1)
say(child=task.id)
""",
        "child.py",
    )
    code = """
import subprocess, sys
print(subprocess.run([sys.executable, "child.py"], stdout=subprocess.PIPE, text=True, check=True).stdout)
say(status=task.get_status())
"""
    ran = workplace.run(NEW + code)
    assert ran.said["child"] == ran.said["id"] and ran.said["status"] == "in_progress", ran.err
    assert read(ran.said["id"])["name"] == "a run"
    scalars = workplace.server.call("events.scalar_metrics_iter_histogram", {"task": ran.said["id"]})
    assert scalars["child"]["x"]["y"] == [2.0]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_pool_report_to_the_same_task(workplace: Workplace, read: Read, method: str) -> None:
    ran = workplace.run(
        f"""
import multiprocessing
from clearml import Task
def work(n):
    task = Task.current_task()
    task.get_logger().report_scalar("pool", "x", n, n)
    print("worker", n)
    return task.id
if __name__ == "__main__":
    task = Task.init("sdk/run", "a pool", {QUIET}, reuse_last_task_id=False)
    with multiprocessing.get_context("{method}").Pool(2) as pool:
        say(id=task.id, ids=pool.map(work, range(4)))
        pool.close()
        pool.join()
"""
    )
    assert ran.code == 0 and set(ran.said["ids"]) == {ran.said["id"]}, ran.err
    assert read(ran.said["id"])["status"] == "completed"
    scalars = workplace.server.call("events.scalar_metrics_iter_histogram", {"task": ran.said["id"]})
    assert scalars["pool"]["x"]["y"] == [0.0, 1.0, 2.0, 3.0]
    log = workplace.server.call("events.get_task_log", {"task": ran.said["id"]})["events"]
    lines = "\n".join(event["msg"] for event in log).splitlines()
    assert sorted(line for line in lines if line.startswith("worker")) == [f"worker {n}" for n in range(4)]


@pytest.mark.rows("S1-083")
def test_a_stop_from_outside_ends_the_process_after_its_callback(workplace: Workplace, read: Read) -> None:
    code = NEW + "task.register_abort_callback(lambda: say(callback=True), 5)\nsay(ready=True)\n"
    with workplace.start(code + "import time\ntime.sleep(300)") as process:
        assert process.stdout is not None
        said = ""
        while "ready" not in said:
            said += (line := process.stdout.readline())
            assert line, process.communicate()
        task_id = Ran(0, said, "").said["id"]
        workplace.server.call("tasks.stopped", {"task": task_id, "status_reason": "enough"})
        out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM, err
    assert '"callback": true' in out and "ending this process" in err
    task = read(task_id)
    assert (task["status"], task["status_reason"]) == ("stopped", "enough")


def test_without_a_server_the_error_says_what_to_run(workplace: Workplace) -> None:
    nothing = dict.fromkeys(("CLEARML_API_HOST", "CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY"), "")
    ran = workplace.run(NEW, CLEARML_RUNTIME_DIR=str(workplace.folder / "none"), **nothing)
    assert ran.code == 1 and "clearml-server" in ran.err and "clearml-init" in ran.err


def test_training_goes_on_without_its_server(own_server: RunningServer, tmp_path: Any) -> None:
    """The server dies under a run: the script ends well, soon, with its own output and one warning a cause."""
    workplace = Workplace(tmp_path, own_server)
    code = """
import sys
d = task.connect({"a": 1})
task._run.settle()
say(ready=True)
sys.stdin.readline()
from clearml_sdk.session import Session
Session.default().settings.give_up_s = 1.0
for i in range(50):
    d["a"] = i
    task.get_logger().report_scalar("x", "y", i, i)
say(trained=True)
"""
    with workplace.start(NEW + code) as run:
        assert run.stdout is not None
        task_id = ""
        for line in run.stdout:
            if '"id"' in line:
                task_id = line.split('"')[3]
            if "ready" in line:
                break
        own_server.kill()
        out, err = run.communicate("\n", timeout=100)
    assert run.returncode == 0 and '"trained": true' in out, err
    assert 1 <= err.count("warning:") <= 5, err
    own_server.restart()
    journals = tmp_path / ".journal"
    assert any(journals.rglob("*")), "what could not be sent is kept"
    after = workplace.run(NEW + DELIVERED)
    assert after.code == 0, after.err
    task = own_server.call("tasks.get_by_id", {"task": task_id})["task"]
    assert (task["status"], task["status_reason"]) == ("completed", "completed"), "the next start has told it"
    scalars = own_server.call("events.scalar_metrics_iter_histogram", {"task": task_id})
    assert scalars["x"]["y"]["y"] == [float(i) for i in range(50)]
