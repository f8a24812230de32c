"""What the controller's task keeps of a pipeline: the steps as a configuration object, and which children are whose.

A step's task itself says which step of which run it is (in its runtime, written by the call that makes it what it is),
so a controller that starts again finds every step that the one before had launched, whenever that died.
"""

from __future__ import annotations

import hashlib
import json

from clearml_sdk.automation.pipeline.node import Node
from clearml_sdk.errors import ApiError
from clearml_sdk.paging import all_tasks
from clearml_sdk.record import TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

CONFIGURATION = "Pipeline"
PIPELINE_HASH, VERSION = "_pipeline_hash", "version"
"""Keys of the controller's runtime."""
RUN, ENDED = "_pipeline_run", "_pipeline_ended"
"""Keys of the controller's runtime: which run this is (a reset begins another), and whether it came to its end."""
STEP, ATTEMPT = "_pipeline_step", "_pipeline_attempt"
"""Keys of a step's runtime, beside `RUN`."""
AGAIN = "_pipeline_again"
"""Key of a step's runtime: somebody wants the step to run again, this task no longer counts."""

_OF_A_RUN = (
    "executed",
    "status",
    "job_type",
    "job_started",
    "job_ended",
    "skip_job",
    "job_id",
)
_EDITABLE = (
    "base_task_id",
    "queue",
    "parameters",
    "configurations",
    "task_overrides",
    "timeout",
    "cache_executed_step",
)


def dumped(nodes: Mapping[str, Node]) -> str:
    """The steps as JSON."""
    return json.dumps({name: node.stored() for name, node in nodes.items()}, indent=2, default=str)


def digest(text: str) -> str:
    """md5 of a state."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def pipeline_hash(nodes: Mapping[str, Node], code: Mapping[str, str]) -> str:
    """md5 of what the pipeline is, whatever has happened to it. code: configuration object of each step's function."""
    fixed = {
        name: {key: value for key, value in node.stored().items() if key not in _OF_A_RUN}
        for name, node in nodes.items()
    }
    return digest(json.dumps([fixed, dict(code)], sort_keys=True, default=str))


def loaded(text: str) -> dict[str, dict[str, Any]]:
    """The steps that a task keeps; {} where it keeps none that can be read."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return (
        {name: fields for name, fields in found.items() if isinstance(fields, dict)} if isinstance(found, dict) else {}
    )


def apply_edits(nodes: Mapping[str, Node], stored: Mapping[str, Mapping[str, Any]]) -> None:
    """Take over what somebody changed of the steps, in the task that this run is."""
    _apply(nodes, stored, _EDITABLE)


def apply_run(nodes: Mapping[str, Node], stored: Mapping[str, Mapping[str, Any]]) -> None:
    """Take over how far each step was when the state was stored."""
    _apply(nodes, stored, _OF_A_RUN)


def _apply(nodes: Mapping[str, Node], stored: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> None:
    for step in nodes.keys() & stored.keys():
        for name in names:
            if name in stored[step]:
                setattr(nodes[step], name, stored[step][name])


def save(record: TaskRecord, text: str) -> None:
    """Store the state."""
    try:
        record.call("tasks.edit_configuration", {"configuration": [entry(text)], "force": True})
    except ApiError:  # the controller was stopped: what became of its steps is stored all the same
        record.change("configuration", {CONFIGURATION: entry(text)})


def entry(text: str) -> dict[str, str]:
    """The state as a configuration object. Pure."""
    about = f"pipeline state: {digest(text)}"
    return {"name": CONFIGURATION, "value": text, "type": "dictionary", "description": about}


class Child:
    """A task that a run of this controller has made for a step."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        runtime = task.get("runtime") or {}
        self.id, self.status = str(task["id"]), str(task.get("status") or "")
        self.run, self.step = str(runtime.get(RUN) or ""), str(runtime.get(STEP) or "")
        self.attempt, self.is_let_go = int(runtime.get(ATTEMPT) or 0), bool(runtime.get(AGAIN))
        self.runtime = runtime


def children(record: TaskRecord, run: str) -> dict[str, Child]:
    """The last child of each step in this run."""
    latest: dict[str, Child] = {}
    tasks = all_tasks(record.session, {"parent": record.id, "only_fields": ["id", "status", "runtime"]})
    for child in map(Child, tasks):
        known = latest.get(child.step)
        if child.run == run and child.step and (known is None or child.attempt >= known.attempt):
            latest[child.step] = child
    return latest
