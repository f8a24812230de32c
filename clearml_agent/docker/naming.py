"""What containers are called and labelled. Pure."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import string
from collections.abc import Mapping, Sequence

from clearml_agent.errors import UsageError
from clearml_agent.runs import Record

RUN_LABEL, HOME_LABEL, TASK_LABEL = "clearml-run", "clearml-agent-home", "clearml-task-id"
WORKER_LABEL, PARENT_LABEL = "clearml-worker-id", "clearml-parent-worker-id"
VALID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


def labels(record: Record, home: str, more: Sequence[str]) -> dict[str, str]:
    """Those of a run's container. more: `name=value` of the configuration."""
    found = {
        WORKER_LABEL: record.shown_worker,
        PARENT_LABEL: record.worker,
        TASK_LABEL: record.task,
        RUN_LABEL: record.run_id,
        HOME_LABEL: home_mark(home),
    }
    for label in more:
        name, _, value = label.partition("=")
        found[name] = value
    return found


def home_mark(home: str) -> str:
    """Tells the containers of one agent's home from those of another, whoever shares the engine."""
    return hashlib.sha256(os.fsencode(home)).hexdigest()[:16]


def container_name(record: Record, format: str, fields: Mapping[str, str]) -> str:
    """By `agent.docker_container_name_format`, else after the task. Raises UsageError."""
    if not format:
        return f"clearml-{record.task}-{record.claim or secrets.token_hex(4)}"
    letters = string.ascii_lowercase + string.digits
    known = {
        **fields,
        "task_id": record.task,
        "worker_id": re.sub(r"[^a-zA-Z0-9_.-]", "_", record.shown_worker),
        "rand_string": "".join(secrets.choice(letters) for _ in range(32)),
    }
    try:
        name = format.format(**known)
    except (KeyError, ValueError, IndexError) as error:
        raise UsageError(
            f"agent.docker_container_name_format {format!r} cannot be used: {error!r}; it may name "
            f"{', '.join(sorted(known))}"
        ) from None
    if not VALID.fullmatch(name):
        raise UsageError(
            f"agent.docker_container_name_format gives {name!r}: a container's name has letters, digits, `_`, `.` and "
            "`-` only"
        )
    return name
