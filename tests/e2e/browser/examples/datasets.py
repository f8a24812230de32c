"""A dataset of three versions."""

from __future__ import annotations

import json
from typing import Any

from tests.conftest import RunningServer


def make_dataset(server: RunningServer) -> tuple[str, str]:
    """A dataset of three versions, as clients write it down; returns the last one and its project."""
    call = server.call
    project = str(
        call("projects.create", {"name": "Vision/.datasets/animals", "system_tags": ["hidden", "dataset"]})["id"]
    )
    struct: dict[str, Any] = {}
    versions: list[str] = []
    for number, (count, changes) in enumerate([(120, (120, 0, 0)), (130, (10, 4, 0)), (128, (3, 9, 5))]):
        version = f"1.0.{number}"
        runtime = {
            "version": version,
            "ds_file_count": count,
            "ds_total_size": count * 41_300,
            "ds_total_size_compressed": count * 30_000,
            **dict(zip(("ds_change_add", "ds_change_modify", "ds_change_remove"), changes, strict=True)),
        }
        task = str(
            call(
                "tasks.create",
                {
                    "name": "animals",
                    "type": "data_processing",
                    "project": project,
                    "system_tags": ["dataset"],
                    "tags": ["pets"] if number else [],
                    "runtime": runtime,
                },
            )["id"]
        )
        struct[str(number)] = {
            "job_id": task,
            "name": "animals",
            "version": version,
            "parents": [str(number - 1)] if number else [],
        }
        lines = [
            f"{'cats' if n % 2 else 'dogs'}/picture {n:04}, with a comma.jpg, {30_000 + n * 91}, {n:064x}"
            for n in range(count)
        ]
        content = "\n".join([f"File Name ({count} files), File Size (total 5 MB), Hash (SHA2)", *lines])
        call(
            "tasks.edit",
            {
                "task": task,
                "configuration": {
                    "Dataset Struct": {"name": "Dataset Struct", "type": "json", "value": json.dumps(struct)},
                    "Dataset Content": {"name": "Dataset Content", "type": "CSV", "value": content},
                },
            },
        )
        call("tasks.started", {"task": task})
        call("tasks.completed", {"task": task})
        versions.append(task)
    return versions[-1], project
