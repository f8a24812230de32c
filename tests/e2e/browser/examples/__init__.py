"""A server with an example of everything that the page shows, made over the API as clients make it."""

# ruff: noqa: E501 - tables of values read better in one line

from __future__ import annotations

from dataclasses import dataclass

from tests.conftest import RunningServer
from tests.e2e.browser.examples.datasets import make_dataset
from tests.e2e.browser.examples.models import make_start, make_trained, report_of_model
from tests.e2e.browser.examples.odd import make_odd
from tests.e2e.browser.examples.pipelines import make_pipeline
from tests.e2e.browser.examples.reporting import parameters, png, report, upload
from tests.e2e.browser.examples.training import make_tasks, report_figures, train

__all__ = ["Examples", "fill", "parameters", "png", "report", "upload"]


@dataclass
class Examples:
    """The ids of what was made."""

    project: str
    trained: str
    draft: str
    compared: list[str]
    model: str
    models: list[str]
    queue: str
    pipeline: str
    pipeline_project: str
    dataset: str
    dataset_project: str
    odd: str
    odd_project: str
    report: str
    report_project: str


def fill(server: RunningServer) -> Examples:
    """Make it."""
    call = server.call
    project = call(
        "projects.create",
        {
            "name": "Vision/Classification",
            "description": "# Classification\n\nWhat we know about **images**:\n\n- start from a *pretrained* model\n- `lr` matters most\n\n```\npython train.py --lr 0.01\n```\n",
        },
    )["id"]
    call("projects.create", {"name": "Vision/Detection", "description": "Boxes around things", "tags": ["2026"]})
    call("projects.create", {"name": "Speech", "description": "Recognition of speech"})
    model = make_start(server, project)
    tasks = make_tasks(server, project, model)
    trained = tasks[0]
    report_figures(server, trained)
    output = make_trained(server, project, trained)
    call("tasks.add_or_update_model", {"task": trained, "name": "best", "model": output, "type": "output"})
    for task, status in zip(tasks, ("completed", "failed", "stopped"), strict=True):
        reason = {
            "failed": {"status_reason": "Process exited with code 1", "status_message": "CUDA out of memory"}
        }.get(status, {})
        call(f"tasks.{status}", {"task": task, **reason})
    draft = call("tasks.clone", {"task": trained, "new_task_name": "Clone Of train resnet50"})["id"]
    running = call("tasks.clone", {"task": trained, "new_task_name": "train vit", "new_task_tags": ["large"]})["id"]
    call("tasks.started", {"task": running, "force": True})
    call("tasks.edit", {"task": running, "runtime": {"progress": "42"}, "force": True})
    train(server, running, 5, points=40)
    queue = call("queues.create", {"name": "gpu"})["id"]
    for n in range(3):
        waiting = call("tasks.clone", {"task": trained, "new_task_name": f"sweep {n}"})["id"]
        call("tasks.enqueue", {"task": waiting, "queue": queue})
    stats = {
        "cpu_usage": [35.0, 60.0],
        "memory_used": 12000,
        "memory_free": 50000,
        "gpu_usage": [97.0],
        "gpu_memory_used": [30000],
        "gpu_memory_free": [50000],
        "gpu_temperature": [66.0],
        "network_tx": 1.0,
        "network_rx": 2.0,
    }
    call("workers.register", {"worker": "machine:gpu0", "queues": [queue], "timeout": 7200})
    call(
        "workers.status_report",
        {"worker": "machine:gpu0", "queues": [queue], "task": running, "timestamp": 1, "machine_stats": stats},
    )
    report_of_model(server, model, lift=2)
    report_of_model(server, output, lift=4)
    pipeline, pipeline_project = make_pipeline(server, trained)
    dataset, dataset_project = make_dataset(server)
    odd, odd_project = make_odd(server)
    written = call("reports.create", {"name": "What the sweep says", "report": report_text(tasks), "tags": ["sweep"]})
    return Examples(
        project, trained, draft, [*tasks, running], model, [model, output], queue, pipeline, pipeline_project, dataset, dataset_project,
        odd, odd_project, written["id"], written["project_id"],
    )  # fmt: skip


def report_text(tasks: list[str]) -> str:
    line = f'<iframe src="http://127.0.0.1/widgets/?type=scalar&objects={",".join(tasks)}&metrics=loss&variants=validation" width="100%"></iframe>'
    return f"# The sweep\n\nA *low* rate is **better**, as `loss` shows:\n\n{line}\n\n| rate | accuracy |\n| --- | ---: |\n| 0.1 | 0.958 |\n| 0.01 | 0.961 |\n\n> To be tried again with a longer warm-up.\n"
