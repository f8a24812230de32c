"""Two models: one that training starts from, one that it made."""

from __future__ import annotations

import json
from typing import Any

from tests.conftest import RunningServer
from tests.e2e.browser.examples.reporting import report, upload

CONFIGURATION = "model {\n  layers: 12\n  width: 768\n  dropout: 0.1\n  heads: 12\n}\n"
CONFUSION = {
    "data": [{"z": [[42, 3], [5, 50]], "x": ["cat", "dog"], "y": ["cat", "dog"], "type": "heatmap"}],
    "layout": {"title": {"text": "confusion"}},
}


def make(server: RunningServer, project: str, name: str, uri: str, accuracy: str, **more: Any) -> str:
    metadata = [
        {"key": key, "type": "str", "value": value} for key, value in (("accuracy", accuracy), ("licence", "MIT"))
    ]
    model = {"name": name, "uri": uri, "framework": "PyTorch", "project": project, "ready": False, **more}
    return str(server.call("models.create", {**model, "metadata": metadata})["id"])


def make_start(server: RunningServer, project: str) -> str:
    """What training starts from."""
    uri = upload(server, "/Vision/models/start.pt", b"weights" * 100)
    labels, design = {"cat": 0, "dog": 1}, {"design": CONFIGURATION}
    return make(server, project, "resnet start", uri, "0.71", labels=labels, design=design, tags=["base"])


def make_trained(server: RunningServer, project: str, task: str) -> str:
    """What a task made of it."""
    uri = upload(server, f"/Vision/{task}/models/best.pt", b"w" * 1000)
    return make(server, project, "resnet trained", uri, "0.96", task=task, labels={"cat": 0, "dog": 1, "fox": 2})


def report_of_model(server: RunningServer, model: str, *, lift: int) -> None:
    """Curves and a plot of the model itself."""
    of = {"task": model, "model_event": True, "timestamp": 1_760_000_120_000}
    curve = {**of, "type": "training_stats_scalar", "metric": "epoch/loss"}
    points = [
        {**curve, "variant": variant, "iter": n, "value": 1 / (n + lift + more)}
        for n in range(60)
        for variant, more in (("train", 0), ("test", 1))
    ]
    plot = {**of, "type": "plot", "metric": "confusion", "variant": "test", "iter": 1}
    report(server, [*points, {**plot, "plot_str": json.dumps(CONFUSION)}])
