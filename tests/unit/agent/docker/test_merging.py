"""The agent's own arguments and a task's."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from clearml_agent.docker.merging import Merged, Rules, merge, shown
from clearml_agent.errors import UsageError


def values(merged: Merged, name: str) -> list[str]:
    return [option.value for option in merged.options if option.name == name]


def test_agents_arguments_come_first_and_single_ones_count_last() -> None:
    merged = merge("-e A=agent --shm-size 1g", "-e A=task --shm-size 2g", Rules(), {})
    assert values(merged, "env") == ["A=agent", "A=task"]
    assert values(merged, "shm-size") == ["2g"]


def test_order_can_be_turned_round() -> None:
    merged = merge("-e A=agent --shm-size 1g", "-e A=task --shm-size 2g", Rules(extra_first=False), {})
    assert values(merged, "env") == ["A=task", "A=agent"]
    assert values(merged, "shm-size") == ["1g"]


def test_protected_arguments_count_as_the_agent_says() -> None:
    merged = merge("--network=none --ipc private", "--network host --ipc host --hostname x", Rules(), {})
    assert (values(merged, "network"), values(merged, "ipc"), values(merged, "hostname")) == (
        ["none"],
        ["private"],
        ["x"],
    )
    assert values(merge("", "--network host", Rules(), {}), "network") == ["host"]


def test_forbidden_arguments_count_from_nobody_and_say_so() -> None:
    merged = merge("--entrypoint a", "--entrypoint b", Rules(), {})
    assert values(merged, "entrypoint") == []
    assert len(merged.said) == 2 and "agent.forbidden_docker_args" in merged.said[0]


def test_filters_are_a_list_of_what_a_task_may_say() -> None:
    merged = merge("--hostname mine", "-e A=1 --env B=2 --cpus 3", Rules(filters=("^--env$", "^-e$")), {})
    assert (values(merged, "env"), values(merged, "cpus"), values(merged, "hostname")) == (["A=1", "B=2"], [], ["mine"])
    assert "agent.docker_args_filters" in merged.said[0]


def test_variables_of_the_host_are_the_agents_unless_tasks_are_allowed() -> None:
    environ = {"HOME": "/me", "X": "x"}
    merged = merge("-e A=$HOME/${X} -e X", "-e B=$HOME", Rules(), environ)
    assert values(merged, "env") == ["A=/me/x", "X=x", "B=$HOME"]
    allowed = merge("", "-e B=$HOME", Rules(allow_host_environ=True), environ)
    assert values(allowed, "env") == ["B=/me"]


@pytest.mark.parametrize(
    "argument",
    [
        "--privileged",
        "--privileged=true",
        "--network=host",
        "--net host",
        "--pid host",
        "--ipc=container:other",
        "--userns host",
        "--device /dev/sda",
        "--device-cgroup-rule 'b 8:* rmw'",
        "--cap-add SYS_ADMIN",
        "--security-opt seccomp=unconfined",
        "-v /etc:/etc",
        "-v /data/../etc:/etc",
        "-v ~/x:/y",
        "--mount type=bind,src=/etc,dst=/etc",
        "--mount type=volume,dst=/x,volume-driver=local,volume-opt=type=none,volume-opt=o=bind,volume-opt=device=/",
        "--volumes-from other",
        "--runtime other",
        "--cgroup-parent /",
        "--env-file /etc/shadow",
    ],
)
def test_restricted_task_reaches_nothing_of_the_host(argument: str) -> None:
    rules = Rules(host_access=False, folders=("/data",))
    merged = merge("", f"{argument} --hostname x", rules, {})
    assert [option.name for option in merged.options] == ["hostname"]
    assert "agent.docker_allow_host_access" in merged.said[0]
    assert merge("", argument, msgspec.structs.replace(rules, host_access=True), {}).options
    assert merge(argument, "", rules, {}).options, "what the agent itself says is not restricted"


@pytest.mark.parametrize(
    "argument",
    [
        "-v named:/x",
        "-v /data/sub:/x",
        "--mount type=bind,src=/data,dst=/x",
        "--network other",
        "--shm-size 1g",
        "--gpus all",
    ],
)
def test_restricted_task_keeps_what_is_its_own(argument: str) -> None:
    assert merge("", argument, Rules(host_access=False, folders=("/data",)), {}).options


def test_values_of_variables_are_not_shown() -> None:
    (option,) = merge("", "-e PASSWORD=secret", Rules(), {}).options
    assert shown(option) == "-e PASSWORD"


def test_env_file_is_read_where_the_agent_is(tmp_path: Path) -> None:
    path = tmp_path / "variables"
    path.write_text("# comment\nA=1 2\n\nB=x=y\n")
    assert values(merge(f"--env-file {path}", "-e B=task", Rules(), {}), "env") == ["A=1 2", "B=x=y", "B=task"]
    with pytest.raises(UsageError, match="no-such"):
        merge("--env-file /no-such", "", Rules(), {})
