"""Delete a task together with the files and models that it made."""

from __future__ import annotations

from clearml_sdk.errors import ApiError
from clearml_sdk.reading import events
from clearml_sdk.record import TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

UNKNOWN_MODEL = 201
PAGE = 500


def delete_task(
    record: TaskRecord,
    *,
    with_files: bool,
    keep_shared_models: bool,
    callback: Callable[[str, str], bool] | None,
) -> list[str]:
    """Delete the task; returns what could not be deleted of its files and models, one line each.

    The task goes first: a file without a task is waste, a task without its files is a loss. Raises ApiError when the
    task itself is not deleted.
    """
    record.reload()
    files = [("artifact", artifact["uri"]) for artifact in output_artifacts(record) if artifact.get("uri")]
    samples = _event_files(record) if with_files and callback is None else []
    models = _output_models(record)
    record.call("tasks.delete", {"force": True, "move_to_trash": False})
    record.forget()

    def wanted(kind: str, address: str) -> bool:
        return callback(kind, address) if callback is not None else with_files

    problems = []
    for model in models:
        if not wanted("model", str(model.get("uri") or "")):
            continue
        if keep_shared_models and _is_used(record, str(model["id"])):
            continue
        problems += _delete_model(record, model)
    for kind, address in [*files, *(("debug sample", address) for address in samples)]:
        if kind == "debug sample" or wanted(kind, address):
            problems += _delete_file(record, address)
    return problems


def output_artifacts(record: TaskRecord) -> list[dict[str, Any]]:
    """The artifacts that the task made."""
    found = record.get("execution.artifacts") or []
    return [artifact for artifact in found if artifact.get("mode", "output") == "output"]


def _output_models(record: TaskRecord) -> list[dict[str, Any]]:
    body = {"task": [record.id], "only_fields": ["id", "uri"]}
    return record.session.call("models.get_all", body).get("models") or []


def _is_used(record: TaskRecord, model: str) -> bool:
    body = {"models.input.model": [model], "only_fields": ["id"], "page": 0, "page_size": 1}
    try:
        return bool(record.session.call("tasks.get_all", body).get("tasks"))
    except ApiError:
        return True  # unknown: keeping a model is the lesser evil


def _delete_model(record: TaskRecord, model: dict[str, Any]) -> list[str]:
    try:
        record.session.call("models.delete", {"model": model["id"], "force": True})
    except ApiError as error:
        if (error.code, error.subcode) != (400, UNKNOWN_MODEL):
            return [f"model {model['id']}: {error.message}"]
    address = model.get("uri")
    return _delete_file(record, str(address)) if address else []


def _delete_file(record: TaskRecord, address: str) -> list[str]:
    from clearml_sdk.storage.errors import StorageError
    from clearml_sdk.storage.transfer import delete

    try:
        delete(record.session, address)
    except StorageError as error:
        return [f"{address}: {error}"]
    return []


def _event_files(record: TaskRecord) -> list[str]:
    """Addresses of the images that the task reported."""
    samples = events(record, "training_debug_image", batch=PAGE)
    return list(dict.fromkeys(str(event["url"]) for event in samples if event.get("url")))
