"""`Task.launch_multi_node`: the same run on several machines at once, each with its rank.

The master's run enqueues clones of its task; each clone finds its rank and the master's address in its runtime fields.
Names of sections and fields are those of official clients: either's clones are understood by the other.
"""

from __future__ import annotations

import os
import socket
import time

from clearml_sdk import process_role, queueing
from clearml_sdk.errors import UsageError
from clearml_sdk.notices import say
from clearml_sdk.record import TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from clearml_sdk.task import Task

SECTION = "launch_multi_node"
NODE_TAG = "multi_node_instance"
HIDDEN_TAG = "hidden"
DEFAULT_PORT = 29500
CHECK_S = 3.0
MASTER_FLAG = "CLEARML_MULTI_NODE_MASTER"


def launch_multi_node(
    task: Task,
    total_num_nodes: int,
    *,
    port: int | None,
    queue: str | None,
    wait: bool,
    addr: str | None,
    devices: int | Sequence[int] | None,
    hide_children: bool,
) -> dict[str, Any]:
    """See `Task.launch_multi_node`."""
    if not isinstance(total_num_nodes, int) or isinstance(total_num_nodes, bool) or total_num_nodes < 1:
        raise UsageError(f"total_num_nodes counts this node too: 1 or more, not {total_num_nodes!r}")
    if task._run is None:
        raise UsageError("launch_multi_node belongs to the task of this process: call Task.init() first")
    given = dict(task.connect({"total_num_nodes": total_num_nodes, "queue": queue}, name=SECTION))
    total = int(given["total_num_nodes"])
    role = _assigned(task._record)
    if role is None:
        role = {
            "master_addr": address(os.environ, addr),
            "master_port": master_port(os.environ, port),
            "node_rank": 0,
            "wait": wait,
            "devices": devices,
            "total_num_nodes": total,
            "queue": given["queue"] or task.get_executed_queue(return_name=True),
        }
        if not process_role.running_remotely():
            return role
        _enqueue_nodes(task, role, hidden=hide_children)
        os.environ[MASTER_FLAG] = "1"
    os.environ.update(variables(role))
    if wait:
        _wait_for_nodes(task, role)
    return role


def master_port(environ: Mapping[str, str], given: int | None) -> int:
    """The environment decides before the argument."""
    text = environ.get("CLEARML_MULTI_NODE_MASTER_DEF_PORT") or environ.get("MASTER_PORT") or given or DEFAULT_PORT
    try:
        return int(text)
    except ValueError as error:
        raise UsageError(f"the master's port is a number, not {text!r}") from error


def address(environ: Mapping[str, str], given: str | None) -> str:
    """The environment decides before the argument; else the address by which this machine reaches others."""
    return environ.get("CLEARML_MULTI_NODE_MASTER_DEF_ADDR") or environ.get("MASTER_ADDR") or given or private_address()


def private_address() -> str:
    """The address of the interface that the default route goes through; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 1))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"  # a machine without a network has the nodes itself


def variables(role: Mapping[str, Any]) -> dict[str, str]:
    """What torch.distributed and its like read from the environment."""
    nodes, rank, devices = int(role["total_num_nodes"]), int(role["node_rank"]), role.get("devices")
    found = {
        "MASTER_ADDR": str(role["master_addr"]),
        "MASTER_PORT": str(role["master_port"]),
        "RANK": str(rank),
        "NODE_RANK": str(rank),
        "WORLD_SIZE": str(nodes),
    }
    if isinstance(devices, int) and not isinstance(devices, bool):
        return {**found, "WORLD_SIZE": str(nodes * devices), "RANK": str(rank * devices)}
    if isinstance(devices, list | tuple):
        return {**found, "WORLD_SIZE": str(sum(devices)), "RANK": str(sum(devices[:rank]))}
    return found


def _assigned(record: TaskRecord) -> dict[str, Any] | None:
    """What the master gave this node; None at the master itself."""
    runtime = record.read_fields("runtime").get("runtime") or {}
    found = {key.removeprefix(f"{SECTION}/"): value for key, value in runtime.items() if key.startswith(f"{SECTION}/")}
    return found if "node_rank" in found else None


def _enqueue_nodes(task: Task, role: Mapping[str, Any], *, hidden: bool) -> None:
    """Clone and enqueue what is missing: a master that was started again does not start a rank twice."""
    queue, total = role["queue"], int(role["total_num_nodes"])
    session = task._record.session
    if total > 1 and not queue:
        raise UsageError("the nodes need a queue: launch_multi_node(queue=...), for the task was not in one")
    identifier = queueing.queue_id(session, str(queue)) if total > 1 else ""
    for rank in range(1, total):
        if _living_node(task, rank, str(role["master_addr"])) is not None:
            continue
        copy = type(task).clone(task, name=task.name, parent=task.id)
        tags = [NODE_TAG, HIDDEN_TAG] if hidden else [NODE_TAG]
        runtime = {f"{SECTION}/{key}": value for key, value in {**role, "node_rank": rank}.items()}
        copy._record.edit(system_tags=tags, runtime=runtime)
        queueing.enqueue(session, copy.id, queue=identifier, force=False)
        say(f"Task: node {rank} of {total} is {copy.id}, enqueued in {queue}")


def _nodes(task: Task) -> list[dict[str, Any]]:
    body = {
        "parent": [task.id],
        "system_tags": [NODE_TAG],
        "search_hidden": True,
        "order_by": ["created"],
        "only_fields": ["id", "status", "runtime"],
    }
    return task._record.session.call("tasks.get_all", body).get("tasks") or []


def _living_node(task: Task, rank: int, master: str) -> dict[str, Any] | None:
    for node in _nodes(task):
        runtime = node.get("runtime") or {}
        same = runtime.get(f"{SECTION}/node_rank") == rank and runtime.get(f"{SECTION}/master_addr") == master
        if same and node.get("status") in ("queued", "in_progress"):
            return node
    return None


def _states(nodes: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """The state of each rank: that of the clone which was made last for it."""
    return {
        int((node.get("runtime") or {}).get(f"{SECTION}/node_rank") or 0): str(node.get("status")) for node in nodes
    }


def _wait_for_nodes(task: Task, role: Mapping[str, Any]) -> None:
    """Wait until every node runs. Raises RuntimeError when one ended before."""
    parent = task.parent if int(role["node_rank"]) else task.id
    watched = type(task).get_task(task_id=parent) if parent != task.id else task
    while True:
        states = list(_states(_nodes(watched)).values())
        ended = [state for state in states if state in ("failed", "stopped", "closed")]
        if ended:
            raise RuntimeError(f"a node of {parent} has ended ({ended[0]}) before all nodes were running")
        if (
            sum(state in ("in_progress", "completed", "published") for state in states)
            >= int(role["total_num_nodes"]) - 1
        ):
            return
        time.sleep(CHECK_S)
