"""How a run gets its task: attach to the one an agent names, continue or reuse an old one, or create a new one."""

from __future__ import annotations

import getpass
import os
import socket
import time

from clearml_sdk.config import environment
from clearml_sdk.config.settings import early_cache_base
from clearml_sdk.errors import ApiError, NotFound, UsageError
from clearml_sdk.last_runs import LastRuns, may_reuse, run_key
from clearml_sdk.projects import explain_short, project_id
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from clearml_sdk.config import Config

DEVELOPMENT = "development"
"""System tag of a task that a person's own process runs: stopping it needs no agent."""


class Wish:
    """What `Task.init` was asked for, defaults filled in."""

    def __init__(
        self,
        *,
        project: str,
        name: str,
        kind: str,
        tags: Sequence[str] = (),
        reuse: bool | str = True,
        proceed: bool | str | int = False,
        output_uri: str | None = None,
    ) -> None:
        self.project, self.name, self.kind, self.tags = project, name, kind, list(tags)
        self.reuse, self.proceed, self.output_uri = reuse, proceed, output_uri


class Start:
    """The outcome: the task's record, how it came about, and from which iteration reports count on.

    kind: "created", "reused", "continued" or "attached".
    """

    def __init__(self, record: TaskRecord, kind: str, iteration_offset: int = 0) -> None:
        self.record, self.kind, self.iteration_offset = record, kind, iteration_offset


def start_task(session: Session, config: Config, wish: Wish) -> Start:
    """Find or make the task of a local run, and mark it as running. Waits for three to five short calls."""
    runs = LastRuns(last_runs_file())
    key = run_key(session.settings.api_server, wish.project, wish.name)
    proceeding = wish.proceed is not False
    chosen = wish.proceed if isinstance(wish.proceed, str) else wish.reuse if isinstance(wish.reuse, str) else None
    start: Start | None = None
    if chosen:
        document = _existing(session, chosen)
        start = _continue(session, document, wish) if proceeding else _reuse(session, document, wish)
    elif (wish.reuse or proceeding) and not environment.read_flag("TASK_NO_REUSE", False):
        start = _from_last_run(session, config, wish, runs, key, proceeding=proceeding)
    start = start or _create(session, wish)
    start.record.call("tasks.started", {"force": start.kind == "continued"})
    runs.put(key, start.record.id)
    return start


def attach(session: Session, task_id: str) -> Start:
    """The task that an agent (or a simulation of one) runs in this process."""
    record = TaskRecord(session, task_id)
    try:
        record.reload()
    except NotFound as error:
        raise UsageError(f"task {task_id}, which this process was started for, does not exist") from error
    if record.get("status") != "in_progress":
        record.call("tasks.started", {"force": True})
    else:
        record.call("tasks.started")
    return Start(record, "attached")


def last_runs_file() -> str:
    """Where the last runs are remembered."""
    return os.path.join(early_cache_base(), "last_runs.json")


def auto_comment() -> str:
    """Where and when a task was made, for its comment."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid()) if hasattr(os, "getuid") else "unknown"  # a container without a passwd entry
    made = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return f"Auto-generated at {made} by {user}@{socket.gethostname()}"


def _create(session: Session, wish: Wish) -> Start:
    body: dict[str, Any] = {
        "name": wish.name,
        "type": wish.kind,
        "project": project_id(session, wish.project),
        "tags": wish.tags,
        "system_tags": [DEVELOPMENT],
        "comment": auto_comment(),
    }
    if wish.output_uri:
        body["output_dest"] = wish.output_uri
    try:
        created = session.call("tasks.create", body)
    except ApiError as error:
        explain_short(error, "task", wish.name)
        raise
    return Start(TaskRecord(session, str(created["id"])), "created")


def _from_last_run(
    session: Session, config: Config, wish: Wish, runs: LastRuns, key: str, *, proceeding: bool
) -> Start | None:
    entry = runs.get(key)
    if entry is None:
        return None
    try:
        document = session.call("tasks.get_by_id", {"task": entry["id"]})["task"]
    except NotFound:
        return None
    if document.get("name") != wish.name or document.get("type") not in (None, wish.kind):
        return None
    if proceeding:
        return _continue(session, document, wish)
    window_s = config.number("sdk.development.task_reuse_time_window_in_hours", 72.0) * 3600
    if not may_reuse(document, entry, window_s=window_s, now=time.time()):
        return None
    try:
        return _reuse(session, document, wish)
    except ApiError:
        return None  # somebody published or deleted it at this moment: a new one does as well


def _existing(session: Session, task_id: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = session.call("tasks.get_by_id", {"task": task_id})["task"]
    except NotFound as error:
        raise ValueError(f'Task ID "{task_id}" could not be found') from error
    return document


def _reuse(session: Session, document: dict[str, Any], wish: Wish) -> Start:
    """Clear what the earlier run left, and use its task again."""
    record = TaskRecord(session, str(document["id"]))
    record.call("tasks.reset", {"force": True, "clear_all": True})
    fields: dict[str, Any] = {
        "name": wish.name,
        "type": wish.kind,
        "tags": wish.tags,
        "system_tags": sorted({*(document.get("system_tags") or []), DEVELOPMENT}),
        "comment": auto_comment(),
        "hyperparams": {},
        "configuration": {},
    }
    if wish.output_uri is not None:
        fields["output_dest"] = wish.output_uri
    record.edit(**fields)
    return Start(record, "reused")


def _continue(session: Session, document: dict[str, Any], wish: Wish) -> Start:
    """Go on with an earlier run: everything stays, iterations count on from its last."""
    record = TaskRecord(session, str(document["id"]), document)
    last = int(document.get("last_iteration") or 0)
    explicit = isinstance(wish.proceed, int) and not isinstance(wish.proceed, bool)
    offset = int(wish.proceed) if explicit else last + 1 if last > 0 else 0
    fields: dict[str, Any] = {"system_tags": sorted({*(document.get("system_tags") or []), DEVELOPMENT})}
    if wish.tags:
        fields["tags"] = list(dict.fromkeys([*(document.get("tags") or []), *wish.tags]))
    if wish.output_uri:
        fields["output_dest"] = wish.output_uri
    record.edit(**fields)
    return Start(record, "continued", offset)
