"""What the commands print: tables for people, JSON for programs; secrets never."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from clearml_agent.instances import Facts
from clearml_agent.masking import Rules, masked
from clearml_sdk.commands.output import ago, print_table


def instances(found: Sequence[Facts], tasks: Mapping[str, Sequence[str]], *, as_json: bool) -> None:
    """The daemons of this machine, with the tasks that they run."""
    if as_json:
        rows = [
            {
                "worker": facts.worker,
                "pid": facts.pid,
                "queues": facts.queues,
                "tasks": list(tasks.get(facts.worker, ())),
                "started_at": facts.started_at,
                "log": facts.log,
            }
            for facts in found
        ]
        print(json.dumps(rows, indent=2))
        return
    if not found:
        print("no clearml-agent daemon runs on this machine")
        return
    table(
        ("worker", "pid", "queues", "runs", "since", "output"),
        [
            (
                facts.worker,
                str(facts.pid),
                ", ".join(facts.queues),
                ", ".join(tasks.get(facts.worker, ())) or "-",
                _time(facts.started_at),
                facts.log or "its terminal",
            )
            for facts in found
        ],
    )


def workers(found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Registered workers, as `workers.get_all` answers them."""
    if as_json:
        print(json.dumps(list(found), indent=2))
        return
    if not found:
        print("no worker is registered")
        return
    rows = []
    for worker in found:
        task = worker.get("task") or {}
        queues = ", ".join(str(q.get("name") or q.get("id")) for q in worker.get("queues") or ())
        rows.append(
            (
                str(worker.get("id")),
                str(worker.get("ip") or ""),
                queues,
                str(task.get("name") or task.get("id") or "-") + (" (drained)" if worker.get("drain") else ""),
                ago(worker.get("last_activity_time")),
            )
        )
    table(("worker", "address", "queues", "task", "last seen"), rows)


def configuration(tree: Mapping[str, Any], *, version: str, file: str | None, as_json: bool) -> None:
    """The merged configuration as `key = value` lines."""
    safe = masked(tree, Rules.of(tree))
    if as_json:
        print(json.dumps(safe, indent=2, default=str))
        return
    print(f"Current configuration (clearml_agent v{version}, location: {file or 'no file'}):")
    print("----------------------")
    for key, value in flatten(safe):
        print(f"{key} = {value if isinstance(value, str) else json.dumps(value, default=str)}")


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values. Pure."""
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{key}.")
        else:
            yield key, value


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows; in a pipe with all of each cell."""
    print_table([name.upper() for name in header], rows)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
