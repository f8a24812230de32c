"""`Task.import_offline_session`: a session becomes a task of a server, or is added to one.

Once: the task remembers which sessions it holds and how far each has come, every batch of reports has the same name
whenever it is sent, and what is there already is not made again. Importing a session a second time, or after an import
that was killed, therefore ends with the same task and each report in it once.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile

from clearml_sdk.errors import NotFound, UsageError
from clearml_sdk.notices import announce, say, warn_once
from clearml_sdk.offline.carrying import Carrier
from clearml_sdk.offline.folder import SessionFolder
from clearml_sdk.offline.replay import replay
from clearml_sdk.offline.sealing import MODELS, TASK, is_session, seal
from clearml_sdk.projects import project_id
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import CALL_NAME, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SESSIONS = "_offline_sessions"
"""Runtime field of a task: import (see `import_name`) -> what of it is done, or "all"."""
SOURCE = "_offline_session"
"""Runtime field of a task that was made of a session: the session's id."""
DONE = "all"
FIELDS = ("type", "comment", "tags", "script", "hyperparams", "configuration", "container")


def import_session(session: Session, path: str, *, previous: str | None, offset: int) -> str:
    """Import the folder or the archive at `path` and return the id of the task.

    Args:
        previous: id of the task to add it to; None: to one of its own.
        offset: added to every iteration.

    Raises UsageError when there is no session at `path`, ValueError for an unknown `previous`, ServerUnreachable (call
    again, then).
    """
    path = os.path.abspath(os.path.expanduser(os.fspath(path)))
    announce(f"ClearML: Importing offline session from {path}")
    if os.path.isdir(path):
        return import_folder(session, path, previous, offset)
    if not zipfile.is_zipfile(path):
        raise UsageError(f"no offline session at {path}: neither a folder nor an archive of one")
    with tempfile.TemporaryDirectory(prefix="clearml-offline-") as temporary, zipfile.ZipFile(path) as archive:
        if TASK not in archive.namelist():
            raise UsageError(f"no offline session at {path}: there is no {TASK} in it")
        folder = os.path.join(temporary, _id_of(json.loads(archive.read(TASK))))
        archive.extractall(folder)  # drops absolute names and ".." itself
        return import_folder(session, folder, previous, offset)


def import_folder(session: Session, path: str, previous: str | None = None, offset: int = 0) -> str:
    """Import the folder at `path`, see `import_session`. Raises UsageError also while a process records into it."""
    if not is_session(path):
        raise UsageError(f"no offline session at {path}: there is no {TASK} in it")
    folder = SessionFolder(path)
    if folder.exists:
        seal(folder)  # what a process that was killed has left in its journal, too
    with open(os.path.join(path, TASK), encoding="utf-8") as file:
        data: dict[str, Any] = json.load(file)
    folder.id = _id_of(data)
    record = _target(session, data, folder.id, previous)
    name = import_name(folder.id, record.id, offset)
    done = _progress(record, name)
    if done == DONE:
        say(f"Task: this session is in task {record.id} already")
        return record.id
    _describe(record, data, merge=previous is not None)
    record.call("tasks.started", {"force": True})
    carrier = Carrier(record, folder)
    _bring_artifacts(record, data, carrier)
    _bring_models(record, data, carrier)
    replay(
        record, folder, carrier, name=name, offset=offset, done=str(done or ""), note=lambda at: _note(record, name, at)
    )
    _finish(record, data)
    _note(record, name, DONE)
    return record.id


def import_name(session_id: str, task_id: str, offset: int) -> str:
    """Names one import of one session into one task, the same whenever it is done."""
    return hashlib.sha256(f"{session_id}\0{task_id}\0{offset}".encode()).hexdigest()[:32]


def _id_of(data: dict[str, Any]) -> str:
    found = os.path.basename(str(data.get("id") or ""))
    if not found.strip("."):
        raise UsageError(f"{TASK} of the session has no id: it was not written by an SDK")
    return found


def _target(session: Session, data: dict[str, Any], session_id: str, previous: str | None) -> TaskRecord:
    """The task to import into: the one given, the one an earlier import has made, or a new one."""
    if previous is not None:
        record = TaskRecord(session, str(previous))
        try:
            record.reload()
        except NotFound as error:
            raise ValueError(f'Task ID "{previous}" could not be found') from error
        return record
    body = {f"runtime.{SOURCE}": session_id, "only_fields": ["id", "runtime"], "search_hidden": True}
    found = session.call("tasks.get_all", body).get("tasks") or []
    mine = [task for task in found if (task.get("runtime") or {}).get(SOURCE) == session_id]
    if mine:
        return TaskRecord(session, str(mine[0]["id"]))
    new = {
        "name": str(data.get("name") or "offline session"),
        "type": str(data.get("type") or "training"),
        "system_tags": data.get("system_tags") or ["development"],
        "runtime": {**(data.get("runtime") or {}), SOURCE: session_id},
    }
    if data.get("project_name"):
        new["project"] = project_id(session, str(data["project_name"]))
    # The call's name is the session's: sent again after a death, before the task can be found, it makes no second one.
    name = hashlib.sha256(f"offline import\0{session_id}".encode()).hexdigest()[:32]
    return TaskRecord(session, str(session.call("tasks.create", new, headers={CALL_NAME: name})["id"]))


def _describe(record: TaskRecord, data: dict[str, Any], *, merge: bool) -> None:
    """The session's code, parameters and configuration; `merge`: over those that the task has."""
    fields = {key: data[key] for key in FIELDS if data.get(key)}
    if merge:
        found = record.read_fields("hyperparams", "configuration", "tags")
        fields.pop("type", None)
        fields.pop("comment", None)
        for key in ("hyperparams", "configuration"):
            fields[key] = {**(found.get(key) or {}), **(data.get(key) or {})}
        fields["tags"] = list(dict.fromkeys([*(found.get("tags") or []), *(data.get("tags") or [])]))
    destination = (data.get("output") or {}).get("destination")
    if destination:
        fields["output_dest"] = destination
    execution = {key: value for key, value in (data.get("execution") or {}).items() if key == "model_labels" and value}
    if execution:
        fields["execution"] = execution
    if fields:
        record.edit(**fields)
        record.forget()


def _bring_artifacts(record: TaskRecord, data: dict[str, Any], carrier: Carrier) -> None:
    for entry in (data.get("execution") or {}).get("artifacts") or []:
        record.add_artifact({**entry, "uri": carrier.carry(str(entry.get("uri") or ""))})


def _bring_models(record: TaskRecord, data: dict[str, Any], carrier: Carrier) -> None:
    """Make the session's models, and list them in the task; one that the task lists under its name is there already."""
    session = record.session
    offline = data.get(MODELS) or {}
    models: dict[str, dict[str, Any]] = offline.get("models") or {}
    listed = record.read_fields("models").get("models") or {}
    for kind in ("input", "output"):
        there = {entry["name"]: _id(entry["model"]) for entry in listed.get(kind) or []}
        for entry in (offline.get("listed") or {}).get(kind) or []:
            model = models.get(entry["model"])
            if entry["name"] in there:
                carrier.models[entry["model"]] = there[entry["name"]]
            if entry["name"] in there or model is None:
                continue
            made = carrier.models[entry["model"]] = _make_model(session, record, entry["model"], model, carrier)
            record.call("tasks.add_or_update_model", {"name": entry["name"], "model": made, "type": kind})
    if data.get("offline_output_models"):
        warn_once("offline models", "output models of an official SDK's session are not taken over: they name no files")
    record.forget()


def _make_model(session: Session, record: TaskRecord, model_id: str, model: dict[str, Any], carrier: Carrier) -> str:
    fields = {key: value for key, value in model.items() if key not in ("id", "created", "metadata", "project", "task")}
    fields.update(uri=carrier.carry(str(model.get("uri") or "")), task=record.id, project=record.get("project"))
    ready = bool(fields.pop("ready", False))
    name = hashlib.sha256(f"offline model\0{model_id}\0{record.id}".encode()).hexdigest()[:32]
    headers = {CALL_NAME: name}
    made = str(session.call("models.create", {**fields, "ready": False}, headers=headers)["id"])
    metadata = list((model.get("metadata") or {}).values())
    if metadata:
        session.call("models.add_or_update_metadata", {"model": made, "metadata": metadata})
    if ready:
        session.call("models.set_ready", {"model": made, "publish_task": False})
    return made


def _id(model: Any) -> str:
    """A task lists its models by id, or whole."""
    return str(model.get("id") if isinstance(model, dict) else model)


def _finish(record: TaskRecord, data: dict[str, Any]) -> None:
    """The status that the session ended with; a run that did not end by itself counts as completed, as official."""
    status = str(data.get("status") or "completed")
    body = {"force": True, "status_reason": str(data.get("status_reason") or "completed")}
    if status in ("failed", "stopped"):
        record.call(f"tasks.{status}", {**body, "status_message": str(data.get("status_message") or "")})
    else:
        record.call("tasks.completed", {**body, "publish": status == "published"})
    record.forget()


def _progress(record: TaskRecord, name: str) -> object:
    return ((record.read_fields("runtime").get("runtime") or {}).get(SESSIONS) or {}).get(name)


def _note(record: TaskRecord, name: str, at: str) -> None:
    """Remember how far an import has come."""
    with record.lock:
        found = (record.read_fields("runtime").get("runtime") or {}).get(SESSIONS) or {}
        record.change("runtime", {SESSIONS: {**found, name: at}})
