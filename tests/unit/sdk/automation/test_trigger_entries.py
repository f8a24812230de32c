"""Triggers that cannot be are refused, in words that say what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from clearml_sdk.automation.triggers.entry import TaskTrigger


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"on_status": ["failed", "stopped"]}, None),
        ({"on_status": ["failed", "weird"]}, "no task has the status weird"),
        ({"on_status": "failed"}, "is a list"),
        ({"metrics": "loss"}, "a title, a variant and a threshold"),
        ({"metrics": "loss", "variant": "train", "threshold": 1.0, "value_sign": "minimum"}, None),
        ({"metrics": "loss", "variant": "train", "threshold": 1.0, "value_sign": "up"}, "not 'up'"),
        ({"on_status": ["failed"], "queue": None}, "in which queue"),
        ({"on_status": ["failed"], "base_task_id": None}, "what is to run"),
    ],
)
def test_task_trigger_is_checked(fields: dict[str, Any], told: str | None) -> None:
    trigger = TaskTrigger(**{"name": "one", "base_task_id": "0" * 32, "queue": "default", **fields})
    if told is None:
        trigger.verify()
    else:
        with pytest.raises(ValueError, match=told):
            trigger.verify()
