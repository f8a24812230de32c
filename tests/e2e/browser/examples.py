"""A server with an example of everything that the page shows, made over the API as clients make it."""

# ruff: noqa: E501 - tables of values read better in one line

from __future__ import annotations

import json
import math
import random
import struct
import urllib.request
import zlib
from dataclasses import dataclass
from typing import Any

from tests.conftest import RunningServer

DIFF = "diff --git a/train.py b/train.py\n--- a/train.py\n+++ b/train.py\n@@ -1,3 +1,3 @@\n import sys\n-rate = 0.1\n+rate = 0.25\n"
PACKAGES = "torch==2.4.0\nnumpy==1.26.4\nclearml == 2.1.12\n"
CONFIGURATION = "model {\n  layers: 12\n  width: 768\n  dropout: 0.1\n  heads: 12\n}\n"


@dataclass
class Examples:
    """The ids of what was made."""

    project: str
    trained: str
    draft: str
    compared: list[str]
    model: str
    queue: str
    pipeline: str
    pipeline_project: str
    dataset: str
    dataset_project: str
    odd: str
    odd_project: str
    report: str
    report_project: str


def report(server: RunningServer, events: list[dict[str, Any]]) -> None:
    """Send events as lines."""
    body = "\n".join(map(json.dumps, events)).encode()
    server.call("events.add_batch", body, headers={"Content-Type": "application/json-lines"})


def parameters(section: str, **values: Any) -> dict[str, Any]:
    return {
        section: {
            name: {
                "section": section,
                "name": name,
                "value": str(value),
                "type": type(value).__name__,
                "description": f"the {name}",
            }
            for name, value in values.items()
        }
    }


def png(size: int, colour: tuple[int, int, int]) -> bytes:
    """A small picture: a gradient of one colour."""
    rows = b"".join(
        b"\0" + b"".join(bytes(c * (x + y) // (2 * size) for c in colour) for x in range(size)) for y in range(size)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def upload(server: RunningServer, path: str, data: bytes, kind: str = "application/octet-stream") -> str:
    """Store a file as the SDK does; returns its address."""
    border = "border0123456789"
    head = f'--{border}\r\nContent-Disposition: form-data; name="{path}"; filename="{path}"\r\nContent-Type: {kind}\r\n\r\n'
    body = head.encode() + data + f"\r\n--{border}--\r\n".encode()
    headers = {"Authorization": f"Bearer {server.login()}", "Content-Type": f"multipart/form-data; boundary={border}"}
    with urllib.request.urlopen(urllib.request.Request(server.files + "/", data=body, headers=headers), timeout=20):
        return server.files + path


def train(server: RunningServer, task: str, seed: int, *, points: int = 120) -> None:
    """What a training run reports."""
    chance = random.Random(seed)
    at = 1_760_000_000_000
    events: list[dict[str, Any]] = []
    for n in range(points):
        for variant, lift in (("train", 0.0), ("validation", 0.15)):
            loss = math.exp(-n / (25 + seed)) + lift + chance.random() * 0.05
            events.append(
                {
                    "type": "training_stats_scalar",
                    "metric": "loss",
                    "variant": variant,
                    "iter": n,
                    "value": loss,
                    "task": task,
                    "timestamp": at + n * 1000,
                }
            )
        accuracy = 1 - math.exp(-n / 30) * 0.9 - chance.random() * 0.03
        events.append(
            {
                "type": "training_stats_scalar",
                "metric": "accuracy",
                "variant": "top1",
                "iter": n,
                "value": accuracy,
                "task": task,
                "timestamp": at + n * 1000,
            }
        )
        events.append(
            {
                "type": "log",
                "msg": f"\x1b[32mepoch {n}\x1b[0m loss={loss:.4f} \x1b[1maccuracy={accuracy:.3f}\x1b[0m",
                "task": task,
                "timestamp": at + n * 1000,
                "level": "info",
            }
        )
    events.append(
        {
            "type": "training_stats_scalar",
            "metric": "Summary",
            "variant": "best accuracy",
            "iter": -(2**31),
            "value": accuracy,
            "task": task,
            "timestamp": at,
        }
    )
    report(server, events)


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
    model = call(
        "models.create",
        {
            "name": "resnet start",
            "uri": upload(server, "/Vision/models/start.pt", b"weights" * 100),
            "framework": "PyTorch",
            "project": project,
            "labels": {"cat": 0, "dog": 1},
            "design": {"design": CONFIGURATION},
            "ready": False,
            "tags": ["base"],
        },
    )["id"]
    tasks = []
    for number, (name, rate, tags) in enumerate(
        [
            ("train resnet50", 0.1, ["baseline"]),
            ("train resnet50 low rate", 0.01, ["sweep"]),
            ("train resnet101", 0.05, ["sweep", "large"]),
        ]
    ):
        task = call("tasks.create", {
            "name": name, "type": "training", "project": project, "tags": tags, "comment": "Learning rate sweep",
            "script": {"repository": "https://git.example/vision.git", "branch": "main", "version_num": "4f1c2a9e0b7d4c55a1f0e6d2b3c4d5e6f7a8b9c0", "entry_point": "train.py", "working_dir": ".", "binary": "python3.11", "diff": DIFF,
                       "requirements": {"pip": PACKAGES, "orig_pip": PACKAGES + "pillow==10.4.0\n"}},
            "container": {"image": "nvidia/cuda:12.4.0-runtime-ubuntu22.04", "arguments": "--ipc=host", "setup_shell_script": ""},
            "hyperparams": {**parameters("Args", lr=rate, batch_size=64, epochs=120, optimizer="adam"), **parameters("General", augment=True, depth=50 + number), **parameters("Environment", CUDA_VISIBLE_DEVICES="0"), **parameters("TF_DEFINE", use_bf16=True), **parameters("properties", owner="vision team")},
            "configuration": {"model": {"name": "model", "value": CONFIGURATION, "type": "hocon"}},
            "output_dest": "s3://bucket/vision",
        })["id"]  # fmt: skip
        call("tasks.add_or_update_model", {"task": task, "name": "start", "model": model, "type": "input"})
        call("tasks.started", {"task": task})
        train(server, task, number)
        call("tasks.add_or_update_artifacts", {"task": task, "artifacts": [
            {"key": "predictions", "type": "pandas", "mode": "output", "uri": upload(server, f"/Vision/{task}/artifacts/predictions/predictions.csv", b"a,b\n1,2\n"), "content_size": 8, "hash": "ab" * 32, "timestamp": 1_760_000_000, "type_data": {"preview": "   image  label\n0  cat.png   cat\n1  dog.png   dog", "content_type": "text/csv"}},
        ]})  # fmt: skip
        tasks.append(task)
    trained = tasks[0]
    figure = {
        "data": [{"z": [[42, 3], [5, 50]], "x": ["cat", "dog"], "y": ["cat", "dog"], "type": "heatmap"}],
        "layout": {"title": {"text": "confusion"}},
    }
    table = {
        "data": [
            {
                "type": "table",
                "header": {"values": ["class", "f1"]},
                "cells": {"values": [["cat", "dog"], [0.91, 0.94]]},
            }
        ],
        "layout": {},
    }
    at = 1_760_000_120_000
    events: list[dict[str, Any]] = [
        {"type": "plot", "metric": "confusion", "variant": "validation", "iter": 119, "plot_str": json.dumps(figure)},
        {"type": "plot", "metric": "report", "variant": "per class", "iter": 119, "plot_str": json.dumps(table)},
    ]
    for n, colour in enumerate([(250, 90, 60), (60, 200, 120), (80, 120, 250)]):
        address = upload(server, f"/Vision/{trained}/metrics/images/sample_{n}.png", png(96, colour), "image/png")
        events.append(
            {
                "type": "training_debug_image",
                "metric": "images",
                "variant": f"sample {n}",
                "iter": 119,
                "url": address,
                "key": f"sample_{n}.png",
            }
        )
    page = upload(server, f"/Vision/{trained}/metrics/pages/page.html", b"<h1>A page</h1><p>of a task</p>", "text/html")
    events.append(
        {
            "type": "training_debug_image",
            "metric": "pages",
            "variant": "report",
            "iter": 119,
            "url": page,
            "key": "page.html",
        }
    )
    report(server, [{"task": trained, "timestamp": at, **event} for event in events])
    output = call(
        "models.create",
        {
            "name": "resnet trained",
            "uri": upload(server, f"/Vision/{trained}/models/best.pt", b"w" * 1000),
            "framework": "PyTorch",
            "project": project,
            "task": trained,
            "ready": False,
        },
    )["id"]
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
    points = [
        {"metric": "epoch/loss", "variant": name, "iter": n, "value": 1 / (n + lift)}
        for n in range(60)
        for name, lift in (("train", 2), ("test", 3))
    ]
    report(
        server,
        [
            {**one, "type": "training_stats_scalar", "task": model, "model_event": True, "timestamp": at}
            for one in points
        ],
    )
    report(
        server,
        [
            {
                "type": "plot",
                "metric": "confusion",
                "variant": "test",
                "iter": 1,
                "plot_str": json.dumps(figure),
                "task": model,
                "model_event": True,
                "timestamp": at,
            }
        ],
    )
    pipeline, pipeline_project = make_pipeline(server, trained)
    dataset, dataset_project = make_dataset(server)
    odd, odd_project = make_odd(server)
    written = call("reports.create", {"name": "What the sweep says", "report": report_text(tasks), "tags": ["sweep"]})
    return Examples(
        project, trained, draft, [*tasks, running], model, queue, pipeline, pipeline_project, dataset, dataset_project,
        odd, odd_project, written["id"], written["project_id"],
    )  # fmt: skip


def report_text(tasks: list[str]) -> str:
    line = f'<iframe src="http://127.0.0.1/widgets/?type=scalar&objects={",".join(tasks)}&metrics=loss&variants=validation" width="100%"></iframe>'
    return f"# The sweep\n\nA *low* rate is **better**, as `loss` shows:\n\n{line}\n\n| rate | accuracy |\n| --- | ---: |\n| 0.1 | 0.958 |\n| 0.01 | 0.961 |\n\n> To be tried again with a longer warm-up.\n"


ODD = (
    "Überlanger Name – 漢字かな交じり文 – العربية من اليمين – שלום – 🚀🧪 – <script>alert(1)</script> – " + "sehr" * 30
)


def make_odd(server: RunningServer) -> tuple[str, str]:
    """A task whose every name is long and in many scripts, with forty tags; returns it and its project."""
    call = server.call
    project = str(
        call("projects.create", {"name": f"Odd/{ODD.replace('/', '|')}", "description": ODD, "tags": [ODD[:60]]})["id"]
    )
    script = {
        "repository": f"https://git.example/{'long' * 40}.git",
        "entry_point": f"{'folder/' * 20}train.py",
        "diff": f"+{ODD * 3}\n",
        "requirements": {"pip": f"package=={'1.' * 60}0"},
    }
    values = {f"{ODD[:40]} {n}": ODD * (n % 4) for n in range(40)}
    task = str(call("tasks.create", {
        "name": ODD, "type": "data_processing", "project": project, "tags": [f"tag {n} {ODD[: n * 3]}" for n in range(40)], "comment": ODD * 4, "script": script,
        "hyperparams": {**parameters("Args", **values), **parameters(ODD[:70], rate=0.1)}, "configuration": {ODD[:70]: {"name": ODD[:70], "value": ODD * 10}},
    })["id"])  # fmt: skip
    call("tasks.started", {"task": task})
    points = [
        {
            "metric": f"{ODD[:50]} {m}",
            "variant": f"{ODD[:60]} {v}",
            "iter": n,
            "value": (-1) ** m * 10.0 ** (m * 4) / (n + 1 + v),
        }
        for m in range(3)
        for v in range(12)
        for n in range(20)
    ]
    report(
        server,
        [{**one, "type": "training_stats_scalar", "task": task, "timestamp": 1_760_000_000_000} for one in points],
    )
    report(
        server,
        [
            {"type": "log", "task": task, "timestamp": 1_760_000_000_000 + n, "msg": f"{n} {ODD * (n % 3 + 1)}\n"}
            for n in range(30)
        ],
    )
    call("tasks.failed", {"task": task, "status_reason": ODD, "status_message": ODD * 2})
    return task, project


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
