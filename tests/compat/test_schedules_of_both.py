"""One scheduler and one trigger, run by the official SDK and by ours: what the server has of them is the same."""

from __future__ import annotations

import concurrent.futures
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer

from .official import WITHOUT_FORK, sdk_environment

pytestmark = [pytest.mark.timeout(240), pytest.mark.full]  # official clients report their tables half a minute late

LIMIT_S = 90.0

SCRIPT = """
import sys, threading
from clearml import Task
from clearml.automation import TaskScheduler, TriggerScheduler

project, base, queue = sys.argv[1:4]
def called(*_): print("CALLED", flush=True)
if sys.argv[4] == "schedule":
    service = TaskScheduler(sync_frequency_minutes=0.1, force_create_task_name="service",
                            force_create_task_project=project)
    service.add_task(base, queue=queue, name="often", minute=50, execute_immediately=True,
                     target_project=project + "/out", task_parameters={"Args/x": "7"},
                     task_overrides={"script.branch": "new"}, limit_execution_time=2)
    service.add_task(schedule_function=called, name="called", day=0, hour=3, weekdays=["sunday"])
else:
    service = TriggerScheduler(pooling_frequency_minutes=0.05, sync_frequency_minutes=0.1,
                               force_create_task_name="service", force_create_task_project=project)
    service.add_task_trigger(base, schedule_queue=queue, name="after", trigger_project=project + "/watched",
                             trigger_on_status=["failed"], target_project=project + "/out",
                             task_parameters={"Args/x": "${task.id}"})
    service.add_model_trigger(schedule_function=called, name="models", trigger_project=project + "/watched",
                              trigger_on_tags=["prod"])
print("READY", flush=True)
service.start()
"""


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + LIMIT_S
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.1)  # another process is waited for
    return found


def project_id(server: RunningServer, name: str) -> str:
    body = {"name": f"^{name}$", "search_hidden": True, "shallow_search": False}
    found = server.call("projects.get_all", body)["projects"]
    return str(found[0]["id"] if found else server.call("projects.create", {"name": name, "description": ""})["id"])


def recorded(server: RunningServer, python: Path, home: Path, kind: str) -> dict[str, Any]:
    """What the server has once the script has launched a task; ids are replaced by what they are of."""
    home.mkdir()
    (home / "script.py").write_text(SCRIPT)
    project = f"schedules of both {home.name} {kind}"
    entry = {"section": "Args", "name": "x", "value": "1"}
    server.call("queues.create", {"name": project})
    create = {"name": "base", "type": "training", "hyperparams": {"Args": {"x": entry}}}
    base = server.call("tasks.create", {**create, "project": project_id(server, project)})["id"]
    watched, out = project_id(server, f"{project}/watched"), project_id(server, f"{project}/out")
    cache = {"CLEARML_CACHE_DIR": str(home / "cache"), "CLEARML_JOURNAL_DIR": str(home / "journal")}
    env = server.environment(HOME=str(home), **cache) | WITHOUT_FORK
    command = [str(python), "script.py", project, base, project, kind]
    process = subprocess.Popen(command, cwd=home, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    failing = ""
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "READY\n":
                break
        service = until(
            lambda: server.call("tasks.get_all", {"name": "^service$", "project": [project_id(server, project)]})[
                "tasks"
            ]
        )[0]["id"]
        body = {"project": [out], "search_hidden": True, "status": ["queued"], "order_by": ["created"]}

        def launches() -> list[dict[str, Any]]:
            found = server.call("tasks.get_all", body)["tasks"]
            if not found and kind == "trigger" and next(turns) % 50 == 0:  # the official one looks later than it says
                task = server.call("tasks.create", {"name": "fails", "type": "training", "project": watched})["id"]
                server.call("tasks.started", {"task": task})
                server.call("tasks.failed", {"task": task, "force": True})
            return list(found)

        turns = itertools.count()
        launched = until(launches)[0]
        if kind == "trigger":
            failing = launched["hyperparams"]["Args"]["x"]["value"]

        def plots() -> dict[str, Any]:
            found = server.call("events.get_task_plots", {"task": service, "iters": 1})["plots"]
            return {plot["metric"]: json.loads(plot["plot_str"]) for plot in found}

        until(lambda: any(launched["id"] in json.dumps(plot) for plot in plots().values()))
        task = server.call("tasks.get_by_id", {"task": service})["task"]
    finally:
        process.kill()
        process.communicate()
    names = {project: "PROJECT", base: "BASE", service: "SERVICE", failing or "-": "FAILING", watched: "WATCHED"}

    def plain(value: Any) -> Any:
        text = json.dumps(value)
        for id_, name in names.items():
            text = text.replace(id_, name)
        return json.loads(text)

    artifact = next(a for a in task["execution"]["artifacts"] if a["key"] == "state")
    found: dict[str, Any] = plain(
        {
            "type": task["type"],
            "configuration": {
                name: (entry["type"], entry["description"], [_timeless(one) for one in json.loads(entry["value"])])
                for name, entry in task["configuration"].items()
                if name != "state"  # ours: the official one has it in the artifact alone
            },
            "state": (artifact["type"], artifact["type_data"]["preview"]),
            "tables": {title: plot["data"][0]["header"]["values"] for title, plot in plots().items()},
            "launched": {
                "name": launched["name"],
                "parent": launched["parent"],
                "tags": launched.get("tags") or [],
                "system_tags": [tag for tag in launched.get("system_tags") or [] if tag != "development"],
                "x": launched["hyperparams"]["Args"]["x"]["value"],
                "branch": launched["script"].get("branch") or "",
            },
        }
    )
    return found


def _timeless(entry: dict[str, Any]) -> dict[str, Any]:
    """Without the moment of the start; an entry without a task says so with null or with an empty text."""
    return {key: value or None for key, value in entry.items() if key not in ("starting_time", "base_function")}


@pytest.mark.parametrize("kind", ["schedule", "trigger"])
def test_what_is_stored_is_the_same(server: RunningServer, tmp_path: Path, kind: str) -> None:
    pythons = {"official": sdk_environment() / "python", "ours": Path(sys.executable)}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(recorded, server, python, tmp_path / name, kind) for name, python in pythons.items()]
        official, ours = (run.result() for run in runs)
    for record in (official, ours):
        for columns in record["tables"].values():
            # Ours shows the days of the week too, and not up to when the triggers have looked.
            columns[:] = [column for column in columns if column not in ("weekdays", "last_update")]
    assert ours == official
