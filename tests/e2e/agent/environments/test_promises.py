"""What an agent is for: the same code, packages and place of work on another machine, on many machines, in sight."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.agent.core.conftest import LIMIT_S, Agent, Tasks, until
from tests.e2e.browser.conftest import CHROMIUM

pytestmark = pytest.mark.timeout(300)
SDK = {"pip": "clearml\n", "sdk": "clearml-lean==0.1.0"}


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def seen(tasks: Tasks, task: str, limit_s: float = LIMIT_S) -> dict[str, Any]:
    """What a completed task printed after SEEN."""
    assert tasks.finished(task, limit_s)["status"] == "completed", tasks.console(task)
    (line,) = [line for line in tasks.console(task).splitlines() if line.startswith("SEEN ")]
    return dict(json.loads(line.removeprefix("SEEN ")))


@pytest.fixture
def machine(server: Any, new_agent: Callable[..., Agent], tmp_path: Path) -> Callable[[str], Agent]:
    """Agents that share nothing: no cache, no home folder."""

    def make(name: str) -> Agent:
        own = tmp_path / f"machine-{name}"
        return new_agent(
            server,
            CLEARML_WORKER_NAME=name,
            CLEARML_AGENT_VENV_CACHE_PATH=str(own / "envs"),
            UV_CACHE_DIR=str(own / "uv"),
        )

    return make


@pytest.mark.rows("S3-001", "S3-004", "S3-037")
def test_a_clone_on_another_machine_has_the_same_code_and_packages(
    machine: Callable[[str], Agent], tasks: Tasks, server: Any, tmp_path: Path, index: Any, index_server: Any
) -> None:
    code = (
        "import json, only_here, beside\nimport importlib.metadata as m\n"
        "print('SEEN', json.dumps({'only_here': m.version('only-here'), 'beside': m.version('beside'),"
        " 'file': only_here.__file__, 'code': open(__file__).read()}))\n"
    )
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "train.py").write_text(code)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    index.add("only_here", "1.0", requires=("beside",))
    index.add("beside", "1.0")
    first, second = machine("a"), machine("b")
    for agent in (first, second):
        agent.variables["CLEARML__AGENT__PACKAGE_MANAGER__EXTRA_INDEX_URL"] = index_server.url()
    first.start(queue=tasks.queue)
    url = folder.as_uri()
    task = tasks.submit(
        "", repository=url, branch="main", entry_point="train.py", requirements={"pip": "only_here\nbeside\n"}
    )
    original = seen(tasks, task)
    first.stop()
    index.add("only_here", "2.0")
    index.add("beside", "2.0")
    (folder / "train.py").write_text("raise SystemExit('newer code')\n")
    git(folder, "commit", "-qam", "two")
    clone = server.call("tasks.clone", {"task": task})["id"]
    second.start(queue=tasks.queue)
    again = seen(tasks, tasks.enqueue(clone))
    assert tasks.get(clone)["last_worker"] == "b:0"
    assert Path(again.pop("file")) != Path(original.pop("file"))
    assert again == original == {"only_here": "1.0", "beside": "1.0", "code": code}
    scripts = [tasks.get(id)["script"] for id in (task, clone)]
    assert scripts[0]["version_num"] == scripts[1]["version_num"]
    assert scripts[0]["requirements"]["pip"] == scripts[1]["requirements"]["pip"] == ["beside==1.0", "only_here==1.0"]


@pytest.mark.rows("S3-002")
def test_three_machines_share_nine_tasks_of_one_queue(
    machine: Callable[[str], Agent], tasks: Tasks, tmp_path: Path
) -> None:
    met = tmp_path / "met"
    met.mkdir()
    code = (
        "import os, pathlib, time\n"
        f"met = pathlib.Path({str(met)!r})\n"
        "(met / os.environ['CLEARML_WORKER_ID']).touch()\n"
        "while len(list(met.iterdir())) < 3: time.sleep(0.05)\n"
    )
    for name in "abc":
        machine(name).start(queue=tasks.queue)
    submitted = [tasks.submit(code) for _ in range(9)]
    ended = [tasks.finished(task) for task in submitted]
    assert {found["status"] for found in ended} == {"completed"}
    assert Counter(found["last_worker"] for found in ended).keys() == {"a:0", "b:0", "c:0"}
    for task in submitted:
        history = tasks.server.call("tasks.get_history", {"task": task})["operations"]
        assert [note["to"] for note in history] == ["queued", "in_progress", "completed"]


@pytest.mark.rows("S3-005", "S3-006", "S3-007")
def test_the_recorded_commit_changes_and_place_of_work_are_what_runs(
    agent: Agent, tasks: Tasks, tmp_path: Path
) -> None:
    folder = tmp_path / "repository"
    (folder / "src" / "inner").mkdir(parents=True)
    (folder / "src" / "inner" / "train.py").write_text(
        "import json, os, subprocess, sys\n"
        "def git(*words): return subprocess.run(['git', *words], capture_output=True, text=True, check=True).stdout\n"
        "top = git('rev-parse', '--show-toplevel').strip()\n"
        "print('SEEN', json.dumps({'commit': git('rev-parse', 'HEAD').strip(), 'diff': git('-C', top, 'diff'),\n"
        "      'cwd': os.path.relpath(os.getcwd(), top), 'file': os.path.relpath(__file__, top), 'argv': sys.argv,\n"
        "      'value': open(top + '/value.txt').read()}))\n"
    )
    (folder / "value.txt").write_text("committed\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    commit = git(folder, "rev-parse", "HEAD").strip()
    (folder / "value.txt").write_text("changed and not committed\n")
    diff = git(folder, "diff")
    git(folder, "commit", "-qam", "two")
    agent.start(queue=tasks.queue)
    place = {"working_dir": "src", "entry_point": "inner/train.py --lr 0.5"}
    task = tasks.submit(diff, repository=folder.as_uri(), branch="main", version_num=commit, **place)
    assert seen(tasks, task) == {
        "commit": commit,
        "diff": diff,
        "cwd": "src",
        "file": "src/inner/train.py",
        "argv": ["inner/train.py", "--lr", "0.5"],
        "value": "changed and not committed\n",
    }
    script = tasks.get(task)["script"]
    assert (script["version_num"], script["diff"]) == (commit, diff)


@pytest.mark.rows("S3-008")
def test_a_run_is_logged_and_its_machine_is_watched(agent: Agent, tasks: Tasks, server: Any) -> None:
    agent.variables["CLEARML_AGENT_STATUS_REPORT_FREQ_SEC"] = "0.5"
    code = (
        "import pathlib, time\nfrom clearml import Task\n"
        "from clearml_sdk.reporting.resources import ResourceMonitor\nResourceMonitor.first_report_s = 1.0\n"
        "task = Task.init(project_name='p', task_name='watched')\n"
        "task.get_logger().report_scalar('loss', 'train', iteration=1, value=0.5)\n"
        "print('printed by the script', flush=True)\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.05)\n"
    )
    agent.start(queue=tasks.queue)
    task = tasks.submit(code, requirements=SDK)
    tasks.says(task, "printed by the script\n")

    def machine_scalars() -> dict[str, Any]:
        found = server.call("events.scalar_metrics_iter_histogram", {"task": task})
        return dict(found.get(":monitor:machine") or {})

    until(lambda: "cpu_usage" in machine_scalars(), what="for the machine's scalars")
    workers = server.call("workers.get_all", {"last_seen": 0})["workers"]
    assert [found["id"] for found in workers if (found.get("task") or {}).get("id") == task] == ["tester:0"]
    (run,) = agent.runs
    (next((run / "code").rglob("main.py")).parent / "go").touch()
    assert tasks.finished(task)["status"] == "completed"
    curves = machine_scalars()
    assert {"cpu_usage", "memory_used_gb", "memory_free_gb", "disk_free_percent"} <= set(curves)
    assert all(0 <= value <= 100 for value in curves["cpu_usage"]["y"]) and curves["memory_used_gb"]["y"][0] > 0
    assert "\nprinted by the script\n" in tasks.console(task)


@pytest.mark.rows("S3-009")
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here, and it could not be installed")
def test_the_web_page_shows_a_run_while_it_goes_on_and_after(
    agent: Agent, tasks: Tasks, server: Any, page: Any
) -> None:
    code = (
        "import pathlib, time\nfrom clearml import Task\n"
        "task = Task.init(project_name='p', task_name='in sight')\n"
        "for n in range(5): task.get_logger().report_scalar('loss', 'train', iteration=n, value=1 / (n + 1))\n"
        "print('first line', flush=True)\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.05)\n"
        "task.get_logger().report_scalar('accuracy', 'test', iteration=5, value=0.875)\n"
        "print('last line', flush=True)\n"
    )
    agent.start(queue=tasks.queue)
    task = tasks.submit(code, requirements=SDK)
    tasks.says(task, "first line\n")
    page.goto(f"{server.web}/projects/*/tasks/{task}/output/log")
    page.get_by_label("Access key").fill(server.access_key)
    page.get_by_label("Secret key").fill(server.secret_key)
    page.get_by_role("button", name="Log in").click()
    patience = LIMIT_S * 1000
    console = page.get_by_role("log", name="Console")
    expect(page.locator("header .status.in_progress")).to_be_visible(timeout=patience)
    expect(console).to_contain_text("first line", timeout=patience)
    expect(console).not_to_contain_text("last line")
    (run,) = agent.runs
    (next((run / "code").rglob("main.py")).parent / "go").touch()
    # The page follows by itself: it is not loaded again.
    expect(console).to_contain_text("Process completed successfully", timeout=patience)
    expect(console).to_contain_text("last line", timeout=patience)
    expect(page.locator("header .status.completed")).to_be_visible(timeout=patience)
    page.get_by_role("link", name="Scalars").click()
    expect(page.get_by_role("group", name="Plot of loss")).to_be_visible(timeout=patience)
    expect(page.get_by_role("group", name="Plot of accuracy")).to_be_visible(timeout=patience)
    page.get_by_role("link", name="Console").click()
    expect(console).to_contain_text("last line", timeout=patience)


@pytest.mark.rows("S3-029", "S3-030")
def test_workers_are_named_by_host_name_or_id(server: Any, new_agent: Callable[..., Agent], tasks: Tasks) -> None:
    def listed(configuration: dict[str, str] | None, **variables: str) -> str:
        agent = new_agent(server, **{"CLEARML_WORKER_NAME": "", **variables})
        if configuration is not None:
            path = agent.home / "own.conf"
            path.write_text(json.dumps({"agent": configuration}))
            agent.variables["CLEARML_CONFIG_FILE"] = str(path)
        agent.start(queue=tasks.queue)
        task = tasks.submit("import json, os\nprint('SEEN', json.dumps({'id': os.environ['CLEARML_WORKER_ID']}))\n")
        name = str(seen(tasks, task)["id"])
        (worker,) = [found for found in json.loads(agent.run("list", "--json").stdout) if found["id"] == name]
        assert [queue["name"] for queue in worker["queues"]] == [tasks.queue]
        assert agent.stop() == 0
        return name

    mine = f"of-{os.getpid()}"
    assert listed(None) == f"{platform.node()}:0"
    assert listed({"worker_name": f"name-{mine}"}) == f"name-{mine}:0"
    assert listed({"worker_id": f"id-{mine}"}) == f"id-{mine}"
    over = {"worker_id": f"id-{mine}", "worker_name": f"name-{mine}"}
    assert listed(over, CLEARML_WORKER_ID=f"variable-{mine}:7") == f"variable-{mine}:7"
    assert listed({"worker_name": "passed over"}, CLEARML_WORKER_NAME=f"variable-{mine}") == f"variable-{mine}:0"
