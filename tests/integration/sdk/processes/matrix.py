"""The process matrix: scripts whose processes come and go in every way, and what must be on the server afterwards.

Each child reports `POINTS` points of a series of its own and prints a line; what it was told is done must be stored,
exactly once, however it and its parent end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass

from tests.integration.sdk.core.conftest import QUIET, Ran, Workplace
from tests.integration.sdk.reporting.conftest import Stored

POINTS = 200
HANG_S = 110
"""Longer than any of these takes on a machine that is very busy."""

CHILDREN = f"""
import multiprocessing, os, queue, signal, subprocess, sys, threading, time

POINTS = {POINTS}

def report(name, end=None):
    from clearml import Task
    logger = Task.current_task().get_logger()
    for step in range(POINTS):
        logger.report_scalar("matrix", name, step / 2, step)
    sys.stdout.write(f"line {{name}}\\n")  # at once: print() writes the line and its end apart, and threads in between
    sys.stdout.flush()
    if end == "_exit":
        os._exit(0)
    if end == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if end == "raise":
        raise ValueError("of a child")
    if end == "exit":
        sys.exit(3)

def load(name, asked, given):
    # A worker of a data loader: it waits for batches to make until it is told to end.
    from clearml import Task
    logger = Task.current_task().get_logger()
    step = 0
    while asked.get() is not None:
        logger.report_scalar("matrix", name, step / 2, step)
        given.put(step)
        step += 1

def child(method, name, end=None):
    return multiprocessing.get_context(method).Process(target=report, args=(name, end))

if __name__ == "__main__":
    from clearml import Task
    task = Task.init("sdk/matrix", "all at once", reuse_last_task_id=False, {QUIET})
    say(id=task.id)
    threads = [threading.Thread(target=report, args=(f"thread {{n}}",)) for n in range(3)]
    [thread.start() for thread in threads]
    processes = [
        child("fork", "fork"), child("fork", "fork raises", "raise"), child("fork", "fork exits", "exit"),
        child("fork", "fork leaves", "_exit"), child("fork", "fork killed", "kill"),
        child("spawn", "spawn"), child("spawn", "spawn leaves", "_exit"), child("forkserver", "forkserver"),
    ]
    [process.start() for process in processes]
    context = multiprocessing.get_context("fork")
    asked, given = context.Queue(), context.Queue()
    loader = context.Process(target=load, args=("loader", asked, given), daemon=True)
    loader.start()
    for step in range(POINTS):
        asked.put(step)
    assert [given.get(timeout=60) for _ in range(POINTS)] == list(range(POINTS))
    asked.put(None)
    pid = os.fork()
    if pid == 0:
        report("bare fork", "_exit")
    os.waitpid(pid, 0)
    script = os.path.join(os.path.dirname(__file__), "program.py")
    with open(script, "w") as file:
        file.write(
            "from clearml import Task\\ntask = Task.init('sdk/matrix', 'a program')\\n"
            f"for step in range({{POINTS}}): task.get_logger().report_scalar('matrix', 'program', step / 2, step)\\n"
            "print('line program', flush=True)\\n"
        )
    subprocess.run([sys.executable, script], check=True)
    [process.join() for process in (*processes, loader)]
    [thread.join() for thread in threads]
    report("main")
    say(children=[process.exitcode for process in processes], ended=time.time())
"""
NAMES = [
    *("thread 0", "thread 1", "thread 2", "fork", "fork raises", "fork exits", "fork leaves", "fork killed"),
    *("spawn", "spawn leaves", "forkserver", "bare fork", "main"),
]


@dataclass(frozen=True)
class End:
    """How the script ends: its last line, and the exit code and the status of the task that follow."""

    line: str
    code: int
    status: str


ENDS = {
    "return": End("pass", 0, "completed"),
    "close": End("task.close()", 0, "completed"),
    "exception": End("raise RuntimeError('boom')", 1, "failed"),
    "sys.exit": End("sys.exit(3)", 3, "failed"),
    "os._exit": End("os._exit(4)", 4, "in_progress"),
    "SIGTERM": End("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", -15, "stopped"),
    "Ctrl-C": End("os.kill(os.getpid(), signal.SIGINT); time.sleep(60)", -2, "stopped"),
}


def run(workplace: Workplace, code: str) -> tuple[Ran, float]:
    """The script, and how long it took to end after it said so. A script that hangs fails, with its stacks."""
    process = workplace.start("import faulthandler\nfaulthandler.dump_traceback_later(100)\n" + code)
    try:
        out, err = process.communicate(timeout=HANG_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its children hold the pipes, too
        raise AssertionError(f"the script hangs: {process.communicate()}") from None
    ended_at = time.time()
    ran = Ran(process.returncode, out, err)
    assert "ended" in ran.said, (ran.code, out[-2000:], err[-4000:])
    return ran, ended_at - ran.said["ended"]


def deliver(workplace: Workplace) -> None:
    """What killed processes left: `clearml sync`, as a user would."""
    command = [sys.executable, "-m", "clearml_sdk.cli", "sync"]
    done = subprocess.run(command, env=workplace.environment(), capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    left = [path for path in (workplace.folder / ".journal").glob("*") if not path.name.startswith(".")]
    assert left == [], done.stdout


def play(workplace: Workplace, end: End) -> float:
    """Children of every kind under a script that ends so; seconds that its end took."""
    ran, took_s = run(workplace, CHILDREN + f"    {end.line}\n")
    assert ran.code == end.code, ran.err[-3000:]
    assert ran.said["children"] == [0, 1, 3, 0, -9, 0, 0, 0], ran.err[-3000:]
    deliver(workplace)
    stored = Stored(workplace.server.call, ran.said["id"])
    expect(stored, {name: list(range(POINTS)) for name in [*NAMES, "loader", "program"]})
    lines = Counter(line for line in stored.console() if line.startswith("line "))
    assert lines == Counter([*(f"line {name}" for name in NAMES), "line program"])
    status = workplace.server.call("tasks.get_by_id", {"task": ran.said["id"]})["task"]["status"]
    assert status == end.status
    return took_s


def expect(stored: Stored, series: dict[str, list[int]]) -> None:
    """The points of these series of `matrix` are stored, each once, in order, and nothing else is."""
    found: dict[str, list[int]] = {}
    for event in stored.events("training_stats_scalar"):
        if event["metric"] == "matrix":
            assert event["value"] == event["iter"] / 2
            found.setdefault(event["variant"], []).append(event["iter"])
    assert {name: sorted(steps) for name, steps in found.items()} == series


TASKS = f"""
import threading, time
from clearml import Task
POINTS = {POINTS}
one_by_one, at_once = [], []
for number in range(3):
    task = Task.init("sdk/matrix", f"number {{number}}", reuse_last_task_id=False, {QUIET})
    for step in range(POINTS):
        task.get_logger().report_scalar("matrix", "of its own", step / 2, step)
    one_by_one.append(task.id)
    task.close()
task = Task.init("sdk/matrix", "the last", reuse_last_task_id=False, {QUIET})
others = [Task.create("sdk/matrix", f"beside {{number}}") for number in range(3)]
for other in others:
    other.mark_started()

def report(other):
    for step in range(POINTS):
        other.get_logger().report_scalar("matrix", "of its own", step / 2, step)

threads = [threading.Thread(target=report, args=(other,)) for other in (task, *others)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
say(id=task.id, one_by_one=one_by_one, at_once=[other.id for other in others], ended=time.time())
"""


def play_tasks(workplace: Workplace) -> float:
    """Several tasks in one process, one after another and at once; seconds that its end took."""
    ran, took_s = run(workplace, TASKS)
    assert ran.code == 0, ran.err
    status = {}
    for task_id in (*ran.said["one_by_one"], *ran.said["at_once"], ran.said["id"]):
        expect(Stored(workplace.server.call, task_id), {"of its own": list(range(POINTS))})
        status[task_id] = workplace.server.call("tasks.get_by_id", {"task": task_id})["task"]["status"]
    assert Counter(status.values()) == Counter(completed=4, in_progress=3)
    return took_s


RANK = f"""
import os, time
from clearml import Task
task = Task.init("sdk/matrix", "ranks", {QUIET})
for step in range({POINTS}):
    task.get_logger().report_scalar("matrix", f"rank {{os.environ['RANK']}}", step / 2, step)
print(f"line rank {{os.environ['RANK']}}", flush=True)
say(id=task.id, ended=time.time())
"""


def play_ranks(workplace: Workplace, count: int = 2) -> float:
    """The ranks of one job, started as torchrun starts them under an agent: processes with one task between them."""
    task_id = workplace.server.call("tasks.create", {"name": "ranks", "type": "training"})["id"]
    workplace.server.call("tasks.started", {"task": task_id})
    names = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500", "CLEARML_TASK_ID": task_id}
    ranks = [
        workplace.start(RANK, name="rank.py", RANK=str(rank), LOCAL_RANK=str(rank), **names) for rank in range(count)
    ]
    took_s = 0.0
    for rank in ranks:
        try:
            out, err = rank.communicate(timeout=HANG_S)
        except subprocess.TimeoutExpired:
            [other.kill() for other in ranks]
            raise AssertionError(f"a rank hangs: {[other.communicate() for other in ranks]}") from None
        ran = Ran(rank.returncode, out, err)
        assert (ran.code, ran.said["id"]) == (0, task_id), err
        took_s = max(took_s, time.time() - ran.said["ended"])
    stored = Stored(workplace.server.call, task_id)
    expect(stored, {f"rank {rank}": list(range(POINTS)) for rank in range(count)})
    lines = Counter(line for line in stored.console() if line.startswith("line "))
    assert lines == Counter([f"line rank {rank}" for rank in range(count)])
    return took_s
