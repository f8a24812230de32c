"""What the tests of events report, and how."""

from __future__ import annotations

import json
from typing import Any

from tests.conftest import RunningServer

BEGAN_MS = 1_700_000_000_000


def new_task(server: RunningServer, name: str = "reports") -> str:
    return str(server.call("tasks.create", {"name": name, "type": "testing"})["id"])


def send(server: RunningServer, *events: dict[str, Any], **headers: str) -> Any:
    body = "\n".join(map(json.dumps, events)).encode()
    return server.call("events.add_batch", body, headers={"Content-Type": "application/json-lines", **headers})


def scalar(task: str, step: int, value: float, series: tuple[str, str] = ("loss", "train"), **more: Any) -> Any:
    metric, variant = series
    event = {"type": "training_stats_scalar", "task": task, "iter": step, "metric": metric, "variant": variant}
    return {**event, "value": value, "timestamp": BEGAN_MS + step, **more}


def image(task: str, step: int, metric: str, variant: str, **more: Any) -> Any:
    url = f"http://files/{metric}/{variant}/{step}.png"
    event = {"type": "training_debug_image", "task": task, "iter": step, "metric": metric, "variant": variant}
    return {**event, "url": url, "key": f"{step}.png", "timestamp": BEGAN_MS + step, **more}


def plot(task: str, step: int, metric: str, variant: str, **more: Any) -> Any:
    event = {"type": "plot", "task": task, "iter": step, "metric": metric, "variant": variant}
    return {**event, "plot_str": json.dumps({"data": [step]}), "timestamp": BEGAN_MS + step, **more}


def line(task: str, second: int, text: str, **more: Any) -> Any:
    return {"type": "log", "task": task, "msg": text, "level": "info", "timestamp": BEGAN_MS + second * 1000, **more}
