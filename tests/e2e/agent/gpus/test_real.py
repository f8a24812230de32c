"""The same on a real GPU, where there is one: memory is taken through CUDA's driver, and NVML is the driver's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clearml_agent.gpus.devices import Reader
from clearml_agent.gpus.packing import Board

from .conftest import Agent, Tasks, until

pytestmark = pytest.mark.timeout(180)

ALLOCATES = """
import ctypes, json, os, time
cuda = ctypes.CDLL("libcuda.so.1")
def must(code):
    assert code == 0, f"the driver answers {code}"
must(cuda.cuInit(0))
count, device, context = ctypes.c_int(), ctypes.c_int(), ctypes.c_void_p()
must(cuda.cuDeviceGetCount(ctypes.byref(count)))
must(cuda.cuDeviceGet(ctypes.byref(device), 0))
must(cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device))
must(cuda.cuCtxSetCurrent(context))
address = ctypes.c_uint64()
must(cuda.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(MIB << 20)))
shown = {name: value for name, value in os.environ.items() if "GPU" in name or "DEVICES" in name}
print("SEES " + json.dumps({**shown, "count": count.value, "pid": os.getpid()}), flush=True)
time.sleep(SECONDS)
"""


@pytest.fixture
def board() -> Iterator[tuple[Board, Reader]]:
    reader = Reader("0")
    if not reader.open():
        pytest.skip("this machine has no NVIDIA driver")
    found = reader.boards()
    assert found
    yield found[0], reader
    reader.close()


def submit(tasks: Tasks, mib: int, seconds: float) -> str:
    return tasks.submit(ALLOCATES.replace("MIB", str(mib)).replace("SECONDS", str(seconds)))


def seen(tasks: Tasks, task: str) -> dict[str, Any]:
    found = until(lambda: re.search(r"^SEES (.*)$", tasks.console(task), re.MULTILINE), what=f"for {task} to begin")
    return dict(json.loads(found[1]))


def new(new_agent: Callable[..., Agent], server: Any, folder: Path, **gpu: Any) -> Agent:
    conf = folder / "agent.conf"
    conf.write_text(json.dumps({"agent": {"gpu": gpu}}))
    return new_agent(server, CLEARML_CONFIG_FILE=str(conf), CLEARML_AGENT_STATUS_REPORT_FREQ_SEC="0.5")


def test_task_sees_the_gpu_it_is_bound_to_and_nvml_tells_what_it_takes(
    new_agent: Callable[..., Agent], server: Any, tasks: Tasks, tmp_path: Path, board: tuple[Board, Reader]
) -> None:
    new(new_agent, server, tmp_path).start("--gpus", "0", queue=tasks.queue)
    task = submit(tasks, 600, 3)
    found = seen(tasks, task)
    assert (found["CUDA_VISIBLE_DEVICES"], found["count"]) == ("0", 1)
    uses = {use.pid: use.memory for use in board[1].uses() if use.uuid == board[0].uuid}
    if found["pid"] in uses:  # in a container NVML tells the numbers that processes have outside
        assert uses[found["pid"]] is None or uses[found["pid"]] > 600
    assert tasks.finished(task)["status"] == "completed", tasks.console(task)


def test_halves_of_a_gpu_run_side_by_side_and_one_beyond_its_half_is_ended(
    new_agent: Callable[..., Agent], server: Any, tasks: Tasks, tmp_path: Path, board: tuple[Board, Reader]
) -> None:
    agent = new(new_agent, server, tmp_path, enforce=True)
    agent.start("--dynamic-gpus", "--gpus", "0", queue=f"{tasks.queue}=0.5")
    modest, greedy = submit(tasks, 300, 8), submit(tasks, board[0].memory_mib // 2 + 500, 60)
    both = [seen(tasks, modest), seen(tasks, greedy)]
    assert [each["CUDA_VISIBLE_DEVICES"] for each in both] == [board[0].uuid] * 2
    assert [each["count"] for each in both] == [1, 1]
    if both[1]["pid"] not in {use.pid for use in board[1].uses()}:
        pytest.skip("NVML tells other process numbers than this machine's: budgets cannot be enforced here")
    assert tasks.finished(greedy)["status_reason"] == "GPU memory budget exceeded"
    assert tasks.finished(modest)["status"] == "completed", tasks.console(modest)
