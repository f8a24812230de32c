"""A pipeline that is under way."""

# ruff: noqa: E501 - tables of values read better in one line

from __future__ import annotations

import json

from tests.conftest import RunningServer
from tests.e2e.browser.examples.reporting import parameters


def make_pipeline(server: RunningServer, step_task: str) -> tuple[str, str]:
    """A pipeline of four steps, two of which are over; returns its controller and project."""
    call = server.call
    project = call("projects.create", {"name": "Vision/.pipelines/nightly", "system_tags": ["hidden", "pipeline"]})[
        "id"
    ]
    steps = {
        "prepare": {
            "name": "prepare",
            "parents": [],
            "status": "completed",
            "job_id": step_task,
            "parameters": {"Args/size": "224"},
        },
        "train": {
            "name": "train",
            "parents": ["prepare"],
            "status": "in_progress",
            "job_id": step_task,
            "parameters": {"Args/lr": "0.1"},
        },
        "baseline": {
            "name": "baseline",
            "parents": ["prepare"],
            "status": "completed",
            "job_id": step_task,
            "parameters": {},
        },
        "report": {
            "name": "report",
            "parents": ["train", "baseline"],
            "status": "pending",
            "job_id": None,
            "parameters": {},
        },
    }
    task = call("tasks.create", {"name": "nightly", "type": "controller", "project": project, "system_tags": ["pipeline"],
                                 "configuration": {"Pipeline": {"name": "Pipeline", "value": json.dumps(steps), "type": "dictionary"}},
                                 "hyperparams": parameters("Args", dataset="cats")})["id"]  # fmt: skip
    call("tasks.started", {"task": task})
    return str(task), str(project)
