"""`clearml-agent drain`: from anywhere, have a worker finish what it runs and take nothing new, or go on."""

from __future__ import annotations

import time
from typing import Any

from clearml_agent.errors import AgentError
from clearml_sdk.session import Session

LOOK_S = 1.0


def drain(session: Session, worker: str, *, on: bool = True) -> list[str]:
    """Tell a worker; returns the tasks that it still runs. Raises AgentError for one that is not registered."""
    if not session.call("agents.drain", {"worker": worker, "drain": on}).get("updated"):
        raise AgentError(f"no worker {worker} of yours is registered; `clearml-agent list` shows those that are")
    return running(session, worker)


def running(session: Session, worker: str) -> list[str]:
    """The tasks that a worker runs, those of its services among them."""
    workers: list[dict[str, Any]] = session.call("workers.get_all", {"last_seen": 0}).get("workers") or []
    mine = [found for found in workers if found["id"] == worker or str(found["id"]).startswith(f"{worker}:service:")]
    return [str(found["task"]["id"]) for found in mine if found.get("task")]


def wait(session: Session, worker: str, *, limit_s: float | None = None) -> bool:
    """Wait until a drained worker runs nothing any more; False after `limit_s` (None: no limit)."""
    deadline = None if limit_s is None else time.monotonic() + limit_s
    while running(session, worker):
        if deadline is not None and time.monotonic() > deadline:
            return False
        time.sleep(LOOK_S)  # the list of workers is read, not watched: a person waits here, once in a while
    return True
