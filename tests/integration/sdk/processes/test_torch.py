"""The workers of a real DataLoader, and the ranks of a real torchrun."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.integration.sdk.bindings import environments
from tests.integration.sdk.core.conftest import QUIET, Workplace
from tests.integration.sdk.reporting.conftest import Stored

from .matrix import expect

pytestmark = [pytest.mark.full, pytest.mark.timeout(2 * environments.INSTALL_S)]

LOADER = f"""
import sys, torch
from torch.utils.data import DataLoader, Dataset
from clearml import Task

class Items(Dataset):
    def __init__(self, name):
        self.name = name
    def __len__(self):
        return 64
    def __getitem__(self, at):
        Task.current_task().get_logger().report_scalar("matrix", self.name, at / 2, at)
        sys.stdout.write(f"line {{self.name}} {{at}}\\n")
        sys.stdout.flush()
        return torch.tensor(at)

if __name__ == "__main__":
    task = Task.init("sdk/matrix", "loaders", reuse_last_task_id=False, {QUIET})
    for method in ("fork", "spawn", "forkserver"):
        loader = DataLoader(Items(method), batch_size=4, num_workers=2, multiprocessing_context=method)
        assert sorted(int(item) for batch in loader for item in batch) == list(range(64))
    kept = DataLoader(Items("kept"), batch_size=4, num_workers=2, persistent_workers=True)
    seen = sum(len(batch) for batch in kept)  # its workers are still there when the script ends
    broken = iter(DataLoader(Items("left early"), batch_size=1, num_workers=1, prefetch_factor=2))
    next(broken)
    say(id=task.id, seen=seen)
"""
RANK = f"""
import os, torch, torch.distributed as dist
from clearml import Task
dist.init_process_group("gloo")
task = Task.init("sdk/matrix", "ranks", {QUIET})
total = torch.ones(1)
for step in range(50):
    dist.all_reduce(total.fill_(1))
    task.get_logger().report_scalar("matrix", f"rank {{dist.get_rank()}}", step / 2, step)
assert total.item() == dist.get_world_size()
print(f"line rank {{dist.get_rank()}}", flush=True)
dist.destroy_process_group()
"""


def run(workplace: Workplace, *command: str, **env: str) -> str:
    options = {"cwd": workplace.folder, "env": workplace.environment(**env), "timeout": 300}
    done = subprocess.run([str(environments.large()), *command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def test_workers_of_a_data_loader_report(server: RunningServer, tmp_path: Path) -> None:
    workplace = Workplace(tmp_path, server)
    out = run(workplace, str(workplace.write(LOADER)))
    task_id, is_all_seen = out.split('"id": "')[1][:32], '"seen": 64' in out
    assert is_all_seen
    run(workplace, "-m", "clearml_sdk.cli", "sync")  # of workers that were ended with the script
    stored = Stored(server.call, task_id)
    names = ("fork", "spawn", "forkserver", "kept")
    found = [event for event in stored.events("training_stats_scalar") if event["variant"] == "left early"]
    early = {"left early": sorted(event["iter"] for event in found)}
    assert early["left early"] == list(range(len(found))) and found
    expect(stored, {**{name: list(range(64)) for name in names}, **early})
    lines = Counter(line for line in stored.console() if line.startswith("line ") and "left early" not in line)
    assert lines == Counter(f"line {name} {at}" for name in names for at in range(64))


def test_the_ranks_of_torchrun_share_the_task_of_their_agent(server: RunningServer, tmp_path: Path) -> None:
    workplace = Workplace(tmp_path, server)
    task_id = server.call("tasks.create", {"name": "ranks", "type": "training"})["id"]
    server.call("tasks.started", {"task": task_id})
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    run(workplace, *launcher, str(workplace.write(RANK)), CLEARML_TASK_ID=task_id)
    stored = Stored(server.call, task_id)
    expect(stored, {f"rank {rank}": list(range(50)) for rank in range(2)})
    lines = Counter(line for line in stored.console() if line.startswith("line "))
    assert lines == Counter({"line rank 0": 1, "line rank 1": 1})
