"""What a pipeline adds to the work of its steps: from the end of one to the begin of the next, and 200 side by side.

A step notes when it begins and when it ends; what lies between two is all overhead: end of the process, what it
returned, the controller, the queue, the agent, the environment (warm), the start. One script, run by each SDK on one
server and one agent. The official controller is told to look for news twice a second (by itself: every 12 s).
The raw limit of the steps side by side is the same tasks once more, enqueued without a pipeline.
`python -m benchmarks.pipelines --steps N` for other numbers of them.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.goals import Goals
from benchmarks.measure import Figure, bare_interpreter, report
from tests.compat.official import (
    BIN,
    SDK_VERSION,
    WITHOUT_FORK,
    official_environment,
    process,
    run_sdk,
    sdk_environment,
)
from tests.conftest import RunningServer, running_server

SCRIPT = """
import json, sys, time
from clearml import PipelineController, PipelineDecorator


def work(number, notes, before=None):
    import time
    begun = time.time()
    with open(notes, "a") as file:
        file.write(f"{number} {begun!r} {time.time()!r}\\n")
    return number


if __name__ == "__main__":
    how, steps, notes, packages, name, poll_s = sys.argv[1:]
    if how == "plain":
        step = PipelineDecorator.component(return_values=["out"])(work)

        @PipelineDecorator.pipeline(name=name, project="benchmarks")
        def pipeline():
            out = None
            for number in range(int(steps)):
                out = step(number, notes, out)

        PipelineDecorator.debug_pipeline()
        pipeline()
        sys.exit(0)
    settings = {"pool_frequency": float(poll_s) / 60} if float(poll_s) else {}
    pipe = PipelineController(name=name, project="benchmarks", **settings)
    pipe.set_default_execution_queue("steps")
    for number in range(int(steps)):
        values = {"number": number, "notes": notes}
        if how != "side by side" and number:
            values["before"] = "${step%03d.out}" % (number - 1)
        pipe.add_function_step(
            "step%03d" % number, work, function_kwargs=values, function_return=["out"], packages=[packages]
        )
    began, worked = time.time(), time.process_time()
    pipe.start_locally(run_pipeline_steps_locally=how == "processes")
    assert pipe.is_successful()
    times = {"seconds": time.time() - began, "cpu": time.process_time() - worked, "id": pipe.id}
    print("TIMES " + json.dumps(times), flush=True)
"""
AGENT_GOAL_S, HERE_GOAL_MS, FAN_GOAL_S = 1.0, 50.0, 60.0
STEPS = 200
AGENT, PLAIN, PROCESSES = "a warm agent", "plain calls", "processes of this machine"
FORMS = {AGENT: ("queued", 3), PLAIN: ("plain", 20), PROCESSES: ("processes", 3)}
"""Where steps run: how the script is told so, and how many of them."""
OFFICIAL_ROUNDS = 1
"""It takes half a minute for three steps."""
SHORT_POLL_S = 0.5
LIMIT_S = 600.0
SLOTS = "4"


class Side:
    """One SDK: how its scripts run, and what their steps need."""

    def __init__(self, name: str, python: Path | str, environment: dict[str, str], packages: str, folder: Path) -> None:
        self.name, self.python, self.environment, self.packages = name, str(python), environment, packages
        self.folder = folder / f"{name} scripts"
        self.folder.mkdir()
        (self.folder / "pipeline.py").write_text(SCRIPT)
        self._runs = itertools.count()

    def run(self, how: str, steps: int, *, poll_s: float = 0.0) -> tuple[list[float], dict[str, Any]]:
        """Run a pipeline; the seconds between one step's end and the next one's begin, and what the script tells."""
        notes = self.folder / f"notes {next(self._runs)}"
        arguments = [how, str(steps), str(notes), self.packages, f"{self.name} {how} {notes.name}", str(poll_s)]
        ended = run_sdk(
            [self.python, "pipeline.py", *arguments], self.folder, self.environment, limit_s=LIMIT_S, tries=1
        )
        told = [json.loads(line[6:]) for line in ended.stdout.splitlines() if line.startswith("TIMES ")]
        lines = notes.read_text().splitlines() if notes.exists() else []
        if ended.returncode or len(lines) != steps:
            said = f"{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}"
            raise RuntimeError(f"{self.name}, {how}: {len(lines)} of {steps} steps ran: {said}")
        times = sorted(tuple(map(float, line.split())) for line in lines)
        return [after[1] - before[2] for before, after in itertools.pairwise(times)], (told or [{}])[0]


def enqueued_alone(server: RunningServer, pipeline: str) -> float:
    """Seconds that copies of a pipeline's steps take, all enqueued at once."""
    body = {"parent": pipeline, "search_hidden": True, "only_fields": ["id"], "page": 0, "page_size": 500}
    copies = [
        server.call("tasks.clone", {"task": step["id"], "new_task_name": "alone", "new_task_parent": ""})["id"]
        for step in server.call("tasks.get_all", body)["tasks"]
    ]
    began = time.monotonic()
    server.call("tasks.enqueue_many", {"ids": copies, "queue_name": "steps"})
    while True:
        found = server.call("tasks.get_all", {"id": copies, "only_fields": ["status"], "page": 0, "page_size": 500})
        statuses = {task["status"] for task in found["tasks"]}
        if statuses <= {"completed", "failed", "stopped"}:
            break
        if time.monotonic() - began > LIMIT_S:
            raise RuntimeError(f"tasks enqueued alone are still {statuses} after {LIMIT_S:g} s")
        time.sleep(0.2)
    if statuses != {"completed"}:
        raise RuntimeError(f"tasks enqueued alone are {statuses}")
    return time.monotonic() - began


def run(title: str, *, rounds: int, steps: int = STEPS) -> None:
    official_python = sdk_environment() / "python"
    with running_server() as server, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, ExitStack() as up:
        folder = Path(name)
        env = server.environment(CLEARML_JOURNAL_DIR=str(folder / "journal"), HOME=str(folder))
        ours = Side("ours", sys.executable, env, "clearml", folder)
        env = {**official_environment(server, folder, official_python.parent), **WITHOUT_FORK}
        theirs = Side("official", official_python, env, f"clearml=={SDK_VERSION}", folder)
        server.call("queues.create", {"name": "steps"})
        env = server.environment(CLEARML_AGENT_HOME=str(folder / "agent"), CLEARML_WORKER_NAME="steps")
        daemon = ("daemon", "--foreground", "--services-mode", SLOTS, "--queue", "steps")
        up.enter_context(process("agent", folder, str(BIN / "clearml-agent"), *daemon, env=env))
        figures: dict[str, tuple[list[float], list[float]]] = {}
        for side in (ours, theirs):
            side.run("queued", 1, poll_s=SHORT_POLL_S)  # builds the environment
        for number in range(rounds):
            for what, (how, count) in FORMS.items():
                sides = figures.setdefault(what, ([], []))
                sides[0].extend(ours.run(how, count)[0])
                if number < OFFICIAL_ROUNDS:
                    sides[1].extend(theirs.run(how, count, poll_s=SHORT_POLL_S)[0])
        bare = [bare_interpreter() for _ in range(5)]
        _gaps, fan = ours.run("side by side", steps)
        alone = enqueued_alone(server, fan["id"])
    report(
        title, [Figure(f"step to step: {what}", *both) for what, both in figures.items()], {"bare interpreter": bare}
    )
    goals = Goals(f"{title}: ours")
    limit = f"{statistics.median(bare):.3f} s"
    goals.at_most(f"step to step: {AGENT}", figures[AGENT][0], "s", AGENT_GOAL_S, limit)
    here = [seconds * 1e3 for seconds in figures[PLAIN][0]]
    goals.at_most(f"step to step: {PLAIN}", here, "ms", HERE_GOAL_MS)
    goals.at_most(f"{steps} steps side by side, over raw", [fan["seconds"] - alone], "s", FAN_GOAL_S, f"{alone:.1f} s")
    goals.note(f"{steps} steps side by side, in all", [fan["seconds"]], "s")
    goals.note("of these, processor time of the controller a step", [fan["cpu"] / steps * 1e3], "ms")
    goals.show()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--rounds", type=int, default=2)
    chosen = parser.parse_args()
    run("pipelines", rounds=chosen.rounds, steps=chosen.steps)
