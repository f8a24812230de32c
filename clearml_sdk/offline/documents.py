"""What a server would make of the calls about one task: pure functions from a state and a body to an answer.

Only what a running script needs: its own task, its models, its project's name.
"""

from __future__ import annotations

from datetime import UTC, datetime

from clearml_sdk.errors import NotFound, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Body = Mapping[str, Any]
    Answer = dict[str, Any]

MERGED = ("script", "execution", "output", "models")
PROJECT = "offline-project:"
"""Ids of projects are their names, behind this."""


class State:
    """A session's task and its models by id, as the API shows them. Plain data: `to_data` gives what is kept."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.task: dict[str, Any] = data["task"]
        self.models: dict[str, dict[str, Any]] = data["models"]

    def to_data(self) -> dict[str, Any]:
        return {"version": 1, "task": self.task, "models": self.models}

    def model(self, body: Body) -> dict[str, Any]:
        found = self.models.get(str(body.get("model")))
        if found is None:
            raise NotFound(400, 201, f"no model {body.get('model')} in this offline session", "models")
        return found


def new_task(task_id: str, body: Body) -> dict[str, Any]:
    """The document of a task that was just created."""
    task: dict[str, Any] = {
        "id": task_id,
        "status": "created",
        "created": _now(),
        "execution": {"artifacts": [], "parameters": {}},
        "output": {},
        "script": {},
        "hyperparams": {},
        "configuration": {},
        "runtime": {},
        "container": {},
        "models": {"input": [], "output": []},
        "tags": [],
        "system_tags": [],
    }
    _edit(task, body)
    return task


def project_name(task: Body) -> str:
    """Name of the project that a task of a session belongs to; "" for none."""
    return str(task.get("project") or "").removeprefix(PROJECT)


def answer(state: State, endpoint: str, body: Body) -> tuple[Answer, bool]:
    """(what the server would answer, whether the state has changed). Raises UsageError for what needs a server."""
    change = CHANGES.get(endpoint)
    if change is not None:
        state.task["last_update"] = _now()
        return change(state, body) or {"updated": 1, "fields": {}}, True
    read = READS.get(endpoint)
    if read is None:
        raise UsageError(
            f"{endpoint} needs a server, and this process records offline: see Task.import_offline_session"
        )
    return read(state, body), False


def _get_all(state: State, body: Body) -> Answer:
    ids = body.get("id") or []
    return {"tasks": [state.task] if state.task["id"] in ids else []}


def _project(state: State, body: Body) -> Answer:
    name = str(body.get("project", "")).removeprefix(PROJECT)
    return {"project": {"id": PROJECT + name, "name": name}}


def _edit(task: dict[str, Any], body: Body) -> None:
    for key, value in body.items():
        if value is None or key in ("task", "force"):
            continue
        if key == "output_dest":
            task.setdefault("output", {})["destination"] = value
        elif key in MERGED and isinstance(value, dict):
            task[key] = {**(task.get(key) or {}), **value}
        else:
            task[key] = value


def _edit_task(state: State, body: Body) -> None:
    _edit(state.task, body)


def _status(status: str) -> Callable[[State, Body], None]:
    def set_status(state: State, body: Body) -> None:
        state.task.update(status=status, status_changed=_now())
        for key in ("status_reason", "status_message"):
            state.task[key] = body.get(key) or ""
        if status == "in_progress":
            state.task.setdefault("started", _now())
        if body.get("publish"):
            state.task["status"] = "published"

    return set_status


def _set_requirements(state: State, body: Body) -> None:
    state.task["script"] = {**(state.task.get("script") or {}), "requirements": body["requirements"]}


def _edit_parameters(state: State, body: Body) -> None:
    kept: dict[str, Any] = state.task["hyperparams"]
    if body.get("replace_hyperparams") == "all":
        kept = {}
    items = body["hyperparams"]
    if body.get("replace_hyperparams") == "section":
        kept = {name: section for name, section in kept.items() if name not in {item["section"] for item in items}}
    for item in items:
        kept.setdefault(item["section"], {})[item["name"]] = dict(item)
    state.task["hyperparams"] = kept


def _delete_parameters(state: State, body: Body) -> Answer:
    deleted = 0
    for item in body["hyperparams"]:
        section = state.task["hyperparams"].get(item["section"]) or {}
        deleted += section.pop(item.get("name"), None) is not None
    return {"deleted": deleted}


def _put_artifacts(state: State, body: Body) -> None:
    new = {(entry["key"], entry.get("mode", "output")): dict(entry) for entry in body["artifacts"]}
    listed = state.task["execution"].get("artifacts") or []
    kept = [entry for entry in listed if (entry["key"], entry.get("mode", "output")) not in new]
    state.task["execution"]["artifacts"] = [*kept, *new.values()]


def _delete_artifacts(state: State, body: Body) -> Answer:
    gone = {(entry["key"], entry.get("mode", "output")) for entry in body["artifacts"]}
    listed = state.task["execution"].get("artifacts") or []
    kept = [entry for entry in listed if (entry["key"], entry.get("mode", "output")) not in gone]
    state.task["execution"]["artifacts"] = kept
    return {"deleted": len(listed) - len(kept)}


def _put_model(state: State, body: Body) -> None:
    entries = state.task["models"].setdefault(body["type"], [])
    kept = [entry for entry in entries if entry["name"] != body["name"]]
    state.task["models"][body["type"]] = [*kept, {"name": body["name"], "model": body["model"]}]


def _delete_models(state: State, body: Body) -> None:
    for gone in body["models"]:
        entries = state.task["models"].get(gone["type"]) or []
        state.task["models"][gone["type"]] = [entry for entry in entries if entry["name"] != gone["name"]]


def _create_model(state: State, body: Body) -> Answer:
    model_id = str(body["id"])
    state.models[model_id] = {"created": _now(), "metadata": {}, **body}
    return {"id": model_id}


def _edit_model(state: State, body: Body) -> None:
    state.model(body).update({key: value for key, value in body.items() if key != "model" and value is not None})


def _put_metadata(state: State, body: Body) -> Answer:
    model = state.model(body)
    kept = {} if body.get("replace_metadata") else dict(model.get("metadata") or {})
    model["metadata"] = {**kept, **{item["key"]: dict(item) for item in body["metadata"]}}
    return {"updated": 1}


def _publish_model(state: State, body: Body) -> None:
    state.model(body)["ready"] = True


CHANGES: dict[str, Callable[[State, Body], Answer | None]] = {
    "tasks.edit": _edit_task,
    "tasks.started": _status("in_progress"),
    "tasks.completed": _status("completed"),
    "tasks.failed": _status("failed"),
    "tasks.stopped": _status("stopped"),
    "tasks.publish": _status("published"),
    "tasks.set_requirements": _set_requirements,
    "tasks.edit_hyper_params": _edit_parameters,
    "tasks.delete_hyper_params": _delete_parameters,
    "tasks.add_or_update_artifacts": _put_artifacts,
    "tasks.delete_artifacts": _delete_artifacts,
    "tasks.add_or_update_model": _put_model,
    "tasks.delete_models": _delete_models,
    "models.create": _create_model,
    "models.edit": _edit_model,
    "models.add_or_update_metadata": _put_metadata,
    "models.set_ready": _publish_model,
}
READS: dict[str, Callable[[State, Body], Answer]] = {
    "tasks.get_by_id": lambda state, body: {"task": state.task},
    "tasks.get_all": _get_all,
    "tasks.ping": lambda state, body: {},
    "models.get_by_id": lambda state, body: {"model": state.model(body)},
    "models.get_all": lambda state, body: {"models": []},
    "projects.get_by_id": _project,
    "projects.update": lambda state, body: {"updated": 1},
}


def _now() -> str:
    return datetime.now(UTC).isoformat()
