"""Searches over a task's parameters: every trial once, failing ones are no trouble, the best are found and shown."""

from __future__ import annotations

import functools
import json
import random
import re
import shutil
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.compat import official
from tests.conftest import RunningServer
from tests.e2e.agent.core.conftest import until
from tests.e2e.automation.conftest import SCRIPTS, Workshop

pytestmark = pytest.mark.timeout(400)

TRAIN = """
import os
from clearml import Task
task = Task.init(auto_resource_monitoring=False)
values = {"x": 0, "kind": "plain"}
task.connect(values)
with open(os.path.join(os.environ["PIPELINE_OUT"], "result"), "a") as file:
    file.write(f"{values['x']}{values['kind']}\\n")
if int(values["x"]) == 9:
    raise SystemExit(1)
loss = (int(values["x"]) - 3) ** 2 + (0.5 if values["kind"] == "double" else 0.0)
task.get_logger().report_scalar("loss", "train", loss, 1)
"""

LONG_TRAIN = """
import time
from clearml import Task
task = Task.init(auto_resource_monitoring=False)
values = {"x": 0, "kind": "plain"}
task.connect(values)
for iteration in range(1, 100):
    loss = (int(values["x"]) - 3) ** 2 + (0.5 if values["kind"] == "double" else 0.0)
    task.get_logger().report_scalar("loss", "train", loss, iteration)
    time.sleep(1.0)
"""


@pytest.fixture(scope="module")
def bench(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """No agent: trials run where the search is started."""
    return Workshop(server, None, tmp_path_factory.mktemp("searches"), "services", "default")  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def clean_bench(bench: Workshop) -> None:
    (bench.out / "result").unlink(missing_ok=True)


def base_task(workshop: Workshop, code: str = TRAIN) -> str:
    script = {"entry_point": "main.py", "binary": "python3", "diff": code, "requirements": {"pip": "clearml\n"}}
    project = workshop.server.call("projects.get_all", {"name": "^automation/bases$"})["projects"]
    project = project or [workshop.server.call("projects.create", {"name": "automation/bases"})]
    parameters = {"x": {"section": "General", "name": "x", "value": "0", "type": "int"}}
    body = {"name": "train", "type": "training", "script": script, "project": project[0]["id"]}
    return str(workshop.server.call("tasks.create", {**body, "hyperparams": {"General": parameters}})["id"])


def searches(workshop: Workshop, kind: str = "grid") -> list[dict[str, Any]]:
    body = {"name": f"^search {kind}$", "order_by": ["-created"]}
    return list(workshop.server.call("tasks.get_all", body)["tasks"])


def optimizer(workshop: Workshop, kind: str) -> dict[str, Any]:
    return searches(workshop, kind)[0]


@pytest.mark.parametrize(
    ("kind", "trials"),
    [
        ("grid", 20),
        pytest.param("random", 20, marks=pytest.mark.full),
        ("optuna", 6),
        pytest.param("optuna", 20, marks=pytest.mark.full),
    ],
)
def test_search(bench: Workshop, kind: str, trials: int) -> None:
    told = bench.run("search.py", kind, base_task(bench), "here", str(trials), "3")
    found = optimizer(bench, kind)
    children = bench.children(found["id"])
    assert len(children) == trials == len(set(re.findall(r"told ([0-9a-f]{32})", told)))
    failed = [child for child in children if child["status"] == "failed"]
    assert {child["hyperparams"]["General"]["x"]["value"] for child in failed} == {"9"}
    assert len(failed) >= 2
    assert {child["status"] for child in children} <= {"completed", "failed"}
    if kind != "optuna":
        assert sorted(bench.result()) == sorted(f"{x}{word}" for x in range(10) for word in ("plain", "double"))
        assert len(failed) == 2
        assert re.findall(r"top .* (\d\S+)$", told, re.MULTILINE) == ["0.0", "0.5", "1.0"]
    assert sum("archived" not in child["system_tags"] for child in children) == min(5, trials)
    assert found["status"] == "completed"
    assert found["hyperparams"]["General"]["opt/optimizer_kwargs/total_max_jobs"]["value"] == str(trials)
    assert "UniformIntegerParameterRange" in found["configuration"]["General"]["value"]
    assert [artifact["key"] for artifact in found["execution"]["artifacts"]] == ["summary"]
    plots = bench.server.call("events.get_task_plots", {"task": found["id"]})["plots"]
    assert {plot["metric"] for plot in plots} == {"Optimization Objective", "Parallel Coordinates", "summary"}
    table = next(json.loads(plot["plot_str"]) for plot in plots if plot["metric"] == "summary")
    assert len(table["data"][0]["cells"]["values"][0]) == trials


@pytest.mark.full
@pytest.mark.timeout(900)
def test_search_by_bohb(bench: Workshop) -> None:
    """hpbandster and ConfigSpace in an environment of their own: they bring half of scientific Python along."""
    python = official.environment_with("bohb", "hpbandster", "ConfigSpace", "-e", str(official.PROJECT)) / "python"
    base = base_task(bench, LONG_TRAIN)
    bench.run("search.py", "bohb", base, "here", "13", "2", python=str(python))
    found = optimizer(bench, "bohb")
    assert found["status"] == "completed"
    children = bench.children(found["id"])
    assert 10 <= len(children) <= 13  # fewer where slow looks let trials use up the iterations of others
    assert {child["status"] for child in children} <= {"completed", "stopped"}
    chosen = [
        tuple(child["hyperparams"]["General"][name]["value"] for name in ("x", "kind"))
        for child in sorted(children, key=lambda child: child["created"])
    ]
    losses = [(int(x) - 3) ** 2 + (0.5 if kind == "double" else 0.0) for x, kind in chosen]
    best = chosen[losses.index(min(losses[:9]))]
    assert best in chosen[9:], "the best of the nine short trials goes on longer"


@pytest.mark.full
def test_search_on_an_agent(workshop: Workshop, bench: Workshop) -> None:
    workshop.run("search.py", "grid", base_task(workshop), "queue", "3", "2")
    found = optimizer(workshop, "grid")
    assert {child["status"] for child in workshop.children(found["id"])} == {"completed"}
    assert len(workshop.result()) == 3


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("trials", "kills"), [(4, 1), pytest.param(20, 8, marks=pytest.mark.full)], ids=["short", "long"]
)
def test_killed_search_goes_on_and_repeats_no_trial(workshop: Workshop, trials: int, kills: int) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    script = workshop.out / "search.py"
    shutil.copy(SCRIPTS / "search.py", script)
    command = [sys.executable, str(script), "grid", base_task(workshop), "queue", str(trials), "2"]
    environment = workshop.server.environment(**{**workshop.variables, "HOME": str(workshop.out)})
    before = {task["id"] for task in searches(workshop)}
    for _ in range(kills):
        with (workshop.out / "search.out").open("ab") as out:
            process = subprocess.Popen(command, env=environment, cwd=workshop.out, stdout=out, stderr=out)
        try:
            found = until(lambda: [task["id"] for task in searches(workshop) if task["id"] not in before], 60)
            until(functools.partial(workshop.children, found[0]), 60)
            time.sleep(chance.uniform(0, 1.5))  # any moment of its life
        finally:
            process.kill()
            process.wait()
        environment["CLEARML_TASK_ID"] = found[0]  # as an agent starts it again
    subprocess.run(command, env=environment, cwd=workshop.out, check=True, timeout=700, capture_output=True)
    children = workshop.children(found[0])
    values = sorted(json.dumps(child["runtime"]["_optimization_values"], sort_keys=True) for child in children)
    assert len(set(values)) == len(values) == trials, f"seed {seed}"
    assert len(workshop.result()) == len(set(workshop.result())) == trials, f"seed {seed}"
