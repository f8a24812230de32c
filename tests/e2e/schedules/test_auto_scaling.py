"""An autoscaler over agents on this machine: a queue fills, agents come, run its tasks, and go."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_sdk.automation.auto_scaler import AutoScaler, ScalerConfig, State
from clearml_sdk.automation.local_driver import LocalDriver
from clearml_sdk.session import Session
from tests.conftest import RunningServer
from tests.e2e.agent.core.conftest import Tasks, is_running, marked_processes, until

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def driver(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalDriver:
    monkeypatch.setenv("CLEARML_LOCAL_MACHINES", str(tmp_path / "machines"))
    config = {"configurations": {"extra_vm_bash_script": "echo prepared", "extra_clearml_conf": "agent.worker_name: x"}}
    return LocalDriver.from_config(config)


@pytest.fixture
def resource(server: RunningServer, tmp_path: Path, agent_cache: Path) -> dict[str, Any]:
    return {
        "instance_type": "process",
        "env": {
            **{key: value for key, value in server.environment().items() if key.startswith("CLEARML_RUNTIME")},
            "CLEARML_AGENT_HOME": str(tmp_path / "home"),
            "CLEARML_AGENT_VENV_CACHE_PATH": str(agent_cache / "envs"),
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path("~/.cache/uv").expanduser())),
            "HOME": str(tmp_path),
        },
    }


@contextlib.contextmanager
def scaling(driver: LocalDriver, resource: dict[str, Any], queue: str, idle_min: float) -> Iterator[AutoScaler]:
    config = ScalerConfig(
        max_idle_time_min=idle_min,
        polling_interval_time_min=0.005,
        workers_prefix="scaled",
        resource_configurations={"small": resource},
        queues={queue: [["small", 2]]},
    )
    scaler = AutoScaler(config, driver)
    thread = threading.Thread(target=scaler.start)
    thread.start()
    try:
        yield scaler
    finally:
        scaler.stop()
        thread.join(60)
        assert scaler.state == State.STOPPED


def scaled(server: Any) -> list[str]:
    return [worker["id"] for worker in server.call("workers.get_all")["workers"] if worker["id"].startswith("scaled:")]


def test_agents_come_with_tasks_and_go_without(
    driver: LocalDriver, resource: dict[str, Any], server: Any, tasks: Tasks, tmp_path: Path
) -> None:
    submitted = [tasks.submit("import time\nprint('ran')\ntime.sleep(1)\n") for _ in range(3)]
    try:
        with scaling(driver, resource, tasks.queue, idle_min=1000):
            found = [tasks.finished(task, 90) for task in submitted]
            assert [task["status"] for task in found] == ["completed"] * 3
            workers = {task["last_worker"] for task in found}
            assert len(workers) <= 2 and all(worker.startswith("scaled:small:process:") for worker in workers)
            machines = driver.started_machines("scaled")
            assert set(machines.values()) == {"small"} and len(machines) <= 2
            (pid, *_) = [int(machine.partition("-")[0]) for machine in machines]
            until(lambda: "prepared" in driver.console_log(next(iter(machines))), what="for what it says")
        # The autoscaler is gone, its agents are not: the next one takes them over and ends them when they are idle.
        assert is_running(pid) and scaled(server)
        with scaling(driver, resource, tasks.queue, idle_min=0.001):
            until(lambda: not driver.started_machines("scaled"), 60, "for the end of idle agents")
            until(lambda: not scaled(server), 30, "for their farewell")
        assert not is_running(pid)
    finally:
        for machine in driver.started_machines("scaled"):
            driver.spin_down_worker(machine)
    assert marked_processes(str(tmp_path / "home")) == []
    assert list((tmp_path / "machines").glob("*.sh")) == []  # they hold credentials


def test_a_machine_without_an_agent_is_ended_in_time(
    driver: LocalDriver, resource: dict[str, Any], server: Any, tasks: Tasks
) -> None:
    driver.extra_vm_bash_script = "sleep 600"
    tasks.submit("print('never')\n")
    with scaling(driver, resource, tasks.queue, idle_min=1000) as scaler:
        (machine,) = until(lambda: driver.started_machines("scaled"), 30, "for the machine")
        scaler.queues = {}  # what waits asks for no other one
        scaler.max_spin_up_time_min = 0.0
        until(lambda: machine not in driver.started_machines("scaled"), 60, "for its end")
