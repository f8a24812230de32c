"""Which machines to start: arithmetic, without I/O."""

from __future__ import annotations

from collections import Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class WorkerId:
    """The parts of the worker id of a scaled machine: `prefix:name:instance_type:cloud_id`."""

    def __init__(self, worker_id: str) -> None:
        parts = worker_id.split(":")
        if len(parts) != 4:
            raise ValueError(f"bad worker ID: {worker_id!r}")
        self.prefix, self.name, self.instance_type, self.cloud_id = parts

    def __repr__(self) -> str:
        return f"WorkerId({self.prefix}:{self.name}:{self.instance_type}:{self.cloud_id})"


def machines_to_start(
    queues: Mapping[str, Sequence[tuple[str, int]]],
    waiting: Mapping[str, int],
    up: Sequence[str],
    idle: Sequence[str],
    starting: Sequence[str],
) -> list[tuple[str, str]]:
    """(queue, resource) of each machine to start now.

    Args:
        queues: queue -> (resource, most machines of it), the preferred resource first.
        waiting: queue -> tasks that wait in it.
        up, idle, starting: resource of each machine with an agent, of those without a task, of those without an agent.

    Idle and starting machines are about to take a waiting task each.
    """
    free, there = Counter([*idle, *starting]), Counter([*up, *starting])
    found = []
    for queue, resources in queues.items():
        missing = waiting.get(queue, 0) - sum(free[resource] for resource, _ in resources)
        for resource, limit in resources:
            for _ in range(max(0, min(missing, limit - there[resource]))):
                there[resource] += 1
                missing -= 1
                found.append((queue, resource))
    return found
