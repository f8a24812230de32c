"""Deleting artifacts of a task: the entries, and the files behind them."""

from __future__ import annotations

from clearml_sdk.artifacts.errors import ArtifactUriDeleteError
from clearml_sdk.record import TaskRecord
from clearml_sdk.storage import transfer
from clearml_sdk.storage.errors import StorageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def delete_artifacts(record: TaskRecord, names: Sequence[str], *, with_files: bool) -> list[Exception]:
    """Delete the artifacts with these names; returns what went wrong, in their order.

    The entry goes first: a file that nobody lists is waste, an entry without its file is a loss. The file of an input
    artifact is another task's, and stays.
    """
    listed = (record.read_fields("execution.artifacts").get("execution") or {}).get("artifacts") or []
    found = {str(entry.get("key")): entry for entry in listed}
    problems: list[Exception] = [
        KeyError(f"task {record.id} has no artifact {name!r}") for name in names if name not in found
    ]
    entries = [found[name] for name in names if name in found]
    if entries:
        keys = [{"key": entry["key"], "mode": entry.get("mode", "output")} for entry in entries]
        record.call("tasks.delete_artifacts", {"artifacts": keys, "force": True})
        record.forget()
    remaining: dict[str, tuple[str, StorageError]] = {}
    for entry in entries:
        address = str(entry.get("uri") or "")
        if with_files and address and entry.get("mode", "output") == "output":
            try:
                transfer.delete(record.session, address)
            except StorageError as error:
                remaining[address] = str(entry["key"]), error
    problems += [ArtifactUriDeleteError(key, url, list(remaining), error) for url, (key, error) in remaining.items()]
    return problems
