"""One daemon, several queues, the GPUs of one host: given out by UUID, never twice, whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Agent, GpuHost, Tasks, until

NewAgent = Callable[..., Agent]


def start(agent: Agent, host: GpuHost, *arguments: str, **gpus: str) -> None:
    first, *rest = host.wanted(**gpus)[1:]
    more = ["--queue", *rest] if rest else []
    agent.start(*more, "--dynamic-gpus", *arguments, queue=first)


def uuids(seen: dict[str, str]) -> list[str]:
    assert seen["CUDA_VISIBLE_DEVICES"] == seen["NVIDIA_VISIBLE_DEVICES"]
    return seen["CUDA_VISIBLE_DEVICES"].split(",")


def test_queues_of_different_sizes_fill_one_host_and_no_gpu_is_given_twice(
    gpu_agent: NewAgent, gpu_host: GpuHost, server: Any
) -> None:
    agent, host = gpu_agent(), gpu_host
    start(agent, host, "--gpus", "0-3", single="1", dual="2", half="0.5", quad="4")
    tasks = Tasks(server, "")
    halves = [host.submit("half"), host.submit("half")]
    seen = {task: host.seen(task) for task in halves}
    assert {seen[task]["worker"] for task in halves} == {"tester:gpu0.5a", "tester:gpu0.5b"}
    assert [uuids(seen[task]) for task in halves] == [["GPU-0"], ["GPU-0"]]
    assert {seen[task]["CLEARML_GPU_MEMORY_MIB"] for task in halves} == {"4000"}
    assert {seen[task]["CLEARML_GPU_SHARE"] for task in halves} == {"0.5"}
    dual = host.submit("dual")
    assert (uuids(host.seen(dual)), host.seen(dual)["worker"]) == (["GPU-1", "GPU-2"], "tester:gpu1,2")
    single = host.submit("single")
    assert uuids(host.seen(single)) == ["GPU-3"]
    late = host.submit("single")
    quad = host.submit("quad")

    def working() -> dict[str, str]:
        workers = server.call("workers.get_all", {"last_seen": 600})["workers"]
        return {worker["id"]: worker["task"]["id"] for worker in workers if worker.get("task")}

    on = {"tester:gpu0.5a", "tester:gpu0.5b", "tester:gpu1,2", "tester:gpu3"}
    until(lambda: on <= set(working()), what="for the workers of its tasks")
    assert (working()["tester:gpu1,2"], working()["tester:gpu3"]) == (dual, single)
    assert "tester:dgpu0-3" in {worker["id"] for worker in server.call("workers.get_all", {})["workers"]}
    until(lambda: gpu_usage(server, "tester:gpu1,2") == 15.0, what="for the statistics of GPUs 1 and 2")
    assert tasks.status(late) == tasks.status(quad) == "queued"
    host.go(single)
    assert uuids(host.seen(late)) == ["GPU-3"]
    assert tasks.status(quad) == "queued"
    for task in (*halves, dual, late):
        host.go(task)
    assert uuids(host.seen(quad)) == ["GPU-0", "GPU-1", "GPU-2", "GPU-3"]
    until(lambda: working().get("tester:gpu0,1,2,3") == quad, what="for the worker of all GPUs")
    host.go(quad)
    for task in (*halves, dual, single, late, quad):
        found = tasks.finished(task)
        assert found["status"] == "completed"
    assert found["last_worker"] == "tester:gpu0,1,2,3"


def gpu_usage(server: Any, worker: str) -> float | None:
    now = int(time.time())
    body = {
        "from_date": now - 60,
        "to_date": now + 120,
        "interval": 3600,
        "worker_ids": [worker],
        "items": [{"key": "gpu_usage", "category": "avg"}],
    }
    found = server.call("workers.get_stats", body)["workers"]
    values = [value for each in found for metric in each["metrics"] for value in metric["stats"][0]["values"]]
    return float(values[-1]) if values else None


def test_what_is_held_survives_kill_9_of_the_agent(gpu_agent: NewAgent, gpu_host: GpuHost, server: Any) -> None:
    agent, host = gpu_agent(), gpu_host
    start(agent, host, single="1", quarter="0.25")
    single, quarter = host.submit("single"), host.submit("quarter")
    held = [*uuids(host.seen(single)), *uuids(host.seen(quarter))]
    assert len(set(held)) == 2
    agent.kill()
    more = [host.submit("single") for _ in range(3)]
    other = host.submit("quarter")
    start(agent, host, single="1", quarter="0.25")
    assert uuids(host.seen(other)) == uuids(host.seen(quarter))
    assert host.seen(other)["worker"].endswith(".25b")
    begun = [uuids(host.seen(task)) for task in more[:2]]
    assert not set(held) & {uuid for each in begun for uuid in each}
    tasks = Tasks(server, "")
    assert tasks.status(more[2]) == "queued"
    host.go(single)
    assert uuids(host.seen(more[2])) == held[:1]
    for task in (quarter, other, *more):
        host.go(task)
        assert tasks.finished(task)["status"] == "completed"


def test_a_stopped_task_keeps_its_gpus_until_its_last_process_is_dead(
    gpu_agent: NewAgent, gpu_host: GpuHost, server: Any
) -> None:
    agent, host = gpu_agent(), gpu_host
    start(agent, host, quad="4")
    stubborn = (
        "import signal\nif os.fork() == 0:\n    os.setsid()\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    (host / 'child').write_text(str(os.getpid()))\n    time.sleep(600)\n"
        "else:\n    time.sleep(600)\n"
    )
    first = host.submit("quad", code=stubborn)
    second = host.submit("quad", code="print('CHILD', os.path.exists('/proc/' + (host / 'child').read_text()))\n")
    host.go(first)
    until(lambda: (host.folder / "child").exists(), what="for the child")
    server.call("tasks.stop", {"task": first})
    host.seen(second)
    host.go(second)
    tasks = Tasks(server, "")
    assert tasks.finished(second)["status"] == "completed"
    assert "CHILD False" in tasks.console(second)
    assert tasks.finished(first)["status"] == "stopped"


def test_the_queue_of_large_tasks_gets_its_turn(gpu_agent: NewAgent, gpu_host: GpuHost, server: Any) -> None:
    agent, host = gpu_agent(reserve_after_sec=0.1, reserve_idle_percent=100), gpu_host
    start(agent, host, single="1", quad="4")
    running = [host.submit("single") for _ in range(4)]
    for task in running:
        host.seen(task)
    quad = host.submit("quad")
    waiting = [host.submit("single") for _ in range(3)]
    time.sleep(1.0)  # it has to be passed over for a while before it has a claim
    tasks = Tasks(server, "")
    for task in running:
        host.go(task)
    host.seen(quad)
    assert [tasks.status(task) for task in waiting] == ["queued"] * 3
    for task in (quad, *waiting):
        host.go(task)
        assert tasks.finished(task)["status"] == "completed"


@pytest.mark.parametrize("enforce", [True, False])
def test_a_task_beyond_its_memory_budget(gpu_agent: NewAgent, gpu_host: GpuHost, server: Any, enforce: bool) -> None:
    agent, host = gpu_agent(enforce=enforce), gpu_host
    start(agent, host, quarter="0.25")
    tasks = Tasks(server, "")
    modest, greedy = host.submit("quarter", mib=2000), host.submit("quarter", mib=2001)
    host.seen(modest)
    said = "the task uses 2001 MiB of GPU 0, and its budget is 2000 MiB (0.25 of the GPU)"
    tasks.says(greedy, said)
    if not enforce:
        host.go(greedy)
    found = tasks.finished(greedy)
    if enforce:
        assert (found["status"], found["status_reason"]) == ("failed", "GPU memory budget exceeded")
        assert said in found["status_message"]
    else:
        assert found["status"] == "completed"
        assert tasks.console(greedy).count(said) == 1
    host.go(modest)
    assert tasks.finished(modest)["status"] == "completed"
    assert said not in tasks.console(modest)


def test_gpus_that_outsiders_occupy_are_left_alone(gpu_agent: NewAgent, gpu_host: GpuHost, server: Any) -> None:
    agent, host = gpu_agent(leave_occupied=True), gpu_host
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as outsider:
        for uuid in ("GPU-0", "GPU-2"):
            host.occupy(uuid, outsider.pid)
        start(agent, host, single="1")
        tasks = [host.submit("single") for _ in range(3)]
        assert sorted(uuids(host.seen(task))[0] for task in tasks[:2]) == ["GPU-1", "GPU-3"]
        assert Tasks(server, "").status(tasks[2]) == "queued"
        outsider.kill()
    assert uuids(host.seen(tasks[2])) == ["GPU-0"]
    for task in tasks:
        host.go(task)
        assert Tasks(server, "").finished(task)["status"] == "completed"


def test_what_cannot_be_meant_is_said_at_the_start(gpu_agent: NewAgent, gpu_host: GpuHost) -> None:
    agent, host = gpu_agent(), gpu_host
    start(agent, host, "--gpus", "0-1", single="1")

    def refused(*arguments: str) -> str:
        answer = agent.run("daemon", "--foreground", "--create-queue", "--dynamic-gpus", *arguments)
        assert answer.returncode in (1, 2)
        return answer.stderr

    single = host.wanted(single="1")
    assert "given out by another agent" in refused(*single, "--gpus", "1,2")
    assert "there is no GPU 7" in refused(*single, "--gpus", "3,7")
    assert "tells of none" in refused(*single, "--gpus", "6-7")
    assert "wants 4 GPUs, and this agent has 2" in refused(*host.wanted(quad="4"), "--gpus", "2,3")
    assert "1.5" in refused(*host.wanted(single="1.5"), "--gpus", "2,3")
    assert "--cpu-only" in refused(*single, "--cpu-only")
    agent.variables.pop("GPU_HOST")
    assert "nvidia-smi" in refused(*single, "--gpus", "2")


def test_stop_finds_the_daemon_by_its_options(gpu_agent: NewAgent, gpu_host: GpuHost) -> None:
    agent, host = gpu_agent(), gpu_host
    start(agent, host, "--gpus", "0-3", single="1")
    assert agent.process is not None
    answer = agent.run("daemon", "--stop", "--dynamic-gpus", "--gpus", "0-3")
    assert answer.returncode == 0, answer.stderr
    assert "tester:dgpu0-3" in answer.stdout
    assert agent.process.wait(60) in (0, -signal.SIGTERM)
    assert os.path.isdir(agent.home)
