"""One run on several nodes: what the master enqueues, and what the nodes learn."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import QUIET, Workplace

SCRIPT = f"""
import os
from clearml import Task
task = Task.init("sdk/nodes", "master", {QUIET}, reuse_last_task_id=False)
role = task.launch_multi_node(4, port=29511, queue="nodes", wait="WAIT" in os.environ)
names = ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE")
say(id=task.id, role=role, env={{name: os.environ.get(name) for name in names}})
"""


def nodes(workplace: Workplace, parent: str) -> list[dict[str, Any]]:
    body = {"parent": [parent], "search_hidden": True, "order_by": ["created"]}
    return workplace.server.call("tasks.get_all_ex", body)["tasks"]  # type: ignore[no-any-return]


def remotely(workplace: Workplace, task_id: str) -> dict[str, str]:
    workplace.server.call("tasks.started", {"task": task_id, "force": True})
    return {"CLEARML_TASK_ID": task_id, "CLEARML_LOG_TASK_TO_BACKEND": "0"}


@pytest.mark.rows("S2-084")
def test_the_master_enqueues_its_nodes_and_each_knows_its_rank(workplace: Workplace) -> None:
    queue = workplace.server.call("queues.create", {"name": "nodes"})["id"]
    local = workplace.run(SCRIPT).said
    assert nodes(workplace, local["id"]) == [] and local["env"]["RANK"] is None  # a person's machine: nothing happens
    assert local["role"]["master_port"] == 29511 and local["role"]["node_rank"] == 0
    edited = {"section": "launch_multi_node", "name": "total_num_nodes", "value": "3", "type": "int"}
    workplace.server.call("tasks.reset", {"task": local["id"], "force": True})
    workplace.server.call("tasks.edit_hyper_params", {"task": local["id"], "hyperparams": [edited]})
    env = {**remotely(workplace, local["id"]), "CLEARML_MULTI_NODE_MASTER_DEF_ADDR": "10.1.2.3"}
    master = workplace.run(SCRIPT, **env)
    assert master.code == 0, master.err
    expected = {"MASTER_ADDR": "10.1.2.3", "MASTER_PORT": "29511", "RANK": "0", "WORLD_SIZE": "3"}
    assert master.said["env"] == expected
    found = nodes(workplace, local["id"])
    assert [task["runtime"]["launch_multi_node/node_rank"] for task in found] == [1, 2]
    assert {task["status"] for task in found} == {"queued"}
    assert workplace.server.call("queues.get_num_entries", {"queue": queue})["num"] == 2
    workplace.server.call("tasks.started", {"task": local["id"], "force": True})
    workplace.run(SCRIPT, **env)
    assert len(nodes(workplace, local["id"])) == 2  # a master that starts again starts no rank twice
    last = found[1]["id"]
    workplace.server.call("tasks.dequeue", {"task": last})
    node = workplace.run(SCRIPT, **remotely(workplace, last))
    assert node.said["env"] == {**expected, "RANK": "2"}, node.err
    assert nodes(workplace, last) == []
    workplace.server.call("tasks.failed", {"task": last, "force": True})
    workplace.server.call("tasks.started", {"task": local["id"], "force": True})
    with workplace.start(SCRIPT, WAIT="1", **env) as waiting:
        # The node that failed is replaced: cloned, named as a node, and enqueued, one after another.
        while len(made := nodes(workplace, local["id"])) < 3 or made[-1]["status"] != "queued":
            assert waiting.poll() is None, waiting.communicate()
        workplace.server.call("tasks.failed", {"task": made[-1]["id"], "force": True})
        _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 1 and "has ended (failed) before all nodes were running" in err
