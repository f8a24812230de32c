"""Training runs: what they were started with, and what they reported."""

# ruff: noqa: E501 - tables of values read better in one line

from __future__ import annotations

import json
import math
import random
from typing import Any

from tests.conftest import RunningServer
from tests.e2e.browser.examples.models import CONFIGURATION, CONFUSION
from tests.e2e.browser.examples.reporting import parameters, png, report, upload

DIFF = "diff --git a/train.py b/train.py\n--- a/train.py\n+++ b/train.py\n@@ -1,3 +1,3 @@\n import sys\n-rate = 0.1\n+rate = 0.25\n"
PACKAGES = "torch==2.4.0\nnumpy==1.26.4\nclearml == 2.1.12\n"


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


def make_tasks(server: RunningServer, project: str, model: str) -> list[str]:
    """Three runs of a sweep, not yet ended."""
    call = server.call
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
    return tasks


def report_figures(server: RunningServer, trained: str) -> None:
    """Plots and debug samples of a run."""
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
        {
            "type": "plot",
            "metric": "confusion",
            "variant": "validation",
            "iter": 119,
            "plot_str": json.dumps(CONFUSION),
        },
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
