"""A task whose every name is long and in many scripts."""

# ruff: noqa: E501 - tables of values read better in one line

from __future__ import annotations

from tests.conftest import RunningServer
from tests.e2e.browser.examples.reporting import parameters, report

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
