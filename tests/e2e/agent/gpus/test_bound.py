"""`--gpus`: agents of one machine report the GPUs that each is bound to, in the units of the reference."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .conftest import Agent, GpuHost, Tasks, until

REPORTED = {
    "gpu_usage": [20.0, 30.0],  # percent
    "gpu_temperature": [42.0, 43.0],  # degrees Celsius
    "gpu_memory_used": [300.0, 300.0],  # MiB
    "gpu_memory_free": [7700.0, 7700.0],
}


def statistics(server: Any, worker: str, aggregation: str) -> dict[str, list[float]]:
    """The newest value of each GPU of a worker."""
    now = int(time.time())
    items = [{"key": key, "category": aggregation} for key in REPORTED]
    body = {"from_date": now - 60, "to_date": now + 120, "interval": 3600, "worker_ids": [worker], "items": items}
    found: dict[str, list[float]] = {}
    for each in server.call("workers.get_stats", {**body, "split_by_variant": True})["workers"]:
        for metric in sorted(each["metrics"], key=lambda metric: str(metric["variant"])):
            found.setdefault(metric["metric"], []).append(metric["stats"][0]["values"][-1])
    return found


def test_agents_of_one_machine_report_the_gpus_they_are_bound_to(
    gpu_agent: Callable[..., Agent], gpu_host: GpuHost, server: Any
) -> None:
    held = {}
    for gpus in ("0", "2,3"):
        gpu_agent().start("--gpus", gpus, queue=gpu_host.queue(gpus))
        held[gpus] = gpu_host.submit(gpus, mib=300)
        seen = gpu_host.seen(held[gpus])
        assert (seen["worker"], seen["CUDA_VISIBLE_DEVICES"]) == (f"tester:gpu{gpus}", gpus)
        assert (seen["NVIDIA_VISIBLE_DEVICES"], seen["CUDA_DEVICE_ORDER"]) == (gpus, "PCI_BUS_ID")
    # Reports from before the tasks are in the same interval: what is used was less then, and what is free more.
    most, least = REPORTED.copy(), REPORTED.copy()
    least.pop("gpu_memory_used"), most.pop("gpu_memory_free")
    for aggregation, expected in (("max", most), ("min", least)):
        until(
            lambda aggregation=aggregation, expected=expected: (  # type: ignore[misc]
                expected.items() <= statistics(server, "tester:gpu2,3", aggregation).items()
            ),
            what=f"for the statistics of GPUs 2 and 3: {statistics(server, 'tester:gpu2,3', aggregation)}",
        )
    assert {key: len(values) for key, values in statistics(server, "tester:gpu0", "avg").items()} == dict.fromkeys(
        REPORTED, 1
    )
    for task in held.values():
        gpu_host.go(task)
        assert Tasks(server, "").finished(task)["status"] == "completed"
