"""Ranks, ports and addresses of the nodes of one run."""

from __future__ import annotations

import pytest

from clearml_sdk import multi_node
from clearml_sdk.errors import UsageError

ROLE = {"master_addr": "10.0.0.1", "master_port": 29500, "node_rank": 1, "total_num_nodes": 3, "devices": None}


def test_the_environment_decides_before_the_argument() -> None:
    own = "CLEARML_MULTI_NODE_MASTER_DEF_PORT"
    assert multi_node.master_port({own: "1", "MASTER_PORT": "2"}, 3) == 1
    assert multi_node.master_port({"MASTER_PORT": "2"}, 3) == 2
    assert (multi_node.master_port({}, 3), multi_node.master_port({}, None)) == (3, 29500)
    with pytest.raises(UsageError, match="'x'"):
        multi_node.master_port({"MASTER_PORT": "x"}, 3)
    own = "CLEARML_MULTI_NODE_MASTER_DEF_ADDR"
    assert multi_node.address({own: "a", "MASTER_ADDR": "b"}, "c") == "a"
    assert multi_node.address({"MASTER_ADDR": "b"}, "c") == "b"
    assert multi_node.address({}, "c") == "c"
    assert multi_node.address({}, None) == multi_node.private_address() != ""


@pytest.mark.parametrize(
    ("devices", "rank", "world"), [(None, "1", "3"), (2, "2", "6"), ([4, 2, 1], "4", "7")], ids=["none", "same", "each"]
)
def test_ranks_count_the_processes_of_each_node(devices: int | list[int] | None, rank: str, world: str) -> None:
    found = multi_node.variables({**ROLE, "devices": devices})
    assert (found["RANK"], found["WORLD_SIZE"], found["NODE_RANK"]) == (rank, world, "1")
    assert (found["MASTER_ADDR"], found["MASTER_PORT"]) == ("10.0.0.1", "29500")
