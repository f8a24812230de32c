"""What `${CLEARML_...}` in container arguments stands for."""

from __future__ import annotations

import pytest

from clearml_agent.docker.merging import Rules, merge
from clearml_agent.docker.templates import Templates
from clearml_agent.errors import UsageError

KNOWN = Templates(
    {"TASK_ID": "t1", "WORKER_ID": "w:0"},
    {"name": "a name", "project": "p1", "hyperparams": {"Args": {"x": {"value": "7"}}}, "comment": "../../etc:/etc"},
    {"agent": {"worker_name": "here"}},
)


def filled(extra: str, own: str = "", rules: Rules | None = None) -> list[str]:
    return [option.value for option in merge(extra, own, rules or Rules(), {"CLEARML_SITE": "x"}, KNOWN).options]


def test_facts_fields_and_configuration_take_the_place_of_their_names() -> None:
    assert filled("-v /data/${CLEARML_TASK.project}/${CLEARML_TASK_ID}:/out -e W=${CLEARML_WORKER_ID}") == [
        "/data/p1/t1:/out",
        "W=w:0",
    ]
    assert filled("-e X=${CLEARML_TASK.hyperparams.Args.x.value} -e N=${CLEARML_CONFIG.agent.worker_name}") == [
        "X=7",
        "N=here",
    ]
    assert filled("-e S=${CLEARML_SITE}", "-e ID=${CLEARML_TASK_ID} --hostname ${CLEARML_TASK.project}") == [
        "S=x",
        "ID=t1",
        "p1",
    ]


def test_tasks_own_words_make_no_other_argument_of_the_agents() -> None:
    with pytest.raises(UsageError, match="may not stand there"):
        filled("-v /data/${CLEARML_TASK.comment}:/out")
    assert filled("-e C=${CLEARML_TASK.comment}") == ["C=../../etc:/etc"]


def test_the_agents_configuration_is_not_for_tasks() -> None:
    with pytest.raises(UsageError, match="agent's own container arguments"):
        filled("", "-e N=${CLEARML_CONFIG.agent.worker_name}")


def test_a_mount_is_judged_by_what_it_is_then() -> None:
    own = "-v /data/${CLEARML_TASK.comment}:/x"
    assert filled("", own, Rules(host_access=False, folders=("/data",))) == []


def test_missing_field_is_said() -> None:
    with pytest.raises(UsageError, match=r"the task has no nothing\.here"):
        filled("-e A=${CLEARML_TASK.nothing.here}")
