"""Which datasets the task of this process uses: recorded with it, and chosen by it in a remote run."""

from __future__ import annotations

from clearml_sdk import process_role
from clearml_sdk.datasets.stored import StoredDataset
from clearml_sdk.notices import harmless
from clearml_sdk.parameters import item, read, write
from clearml_sdk.task import Task

SECTION = "Datasets"


def override(alias: str | None, *, overridable: bool) -> str | None:
    """The id that the task gives for this alias: what its user chose for this run. None: what the script says."""
    if not (alias and overridable and process_role.running_remotely()):
        return None
    task = Task.current_task()
    if task is None:
        return None
    known = (read(task._record).get(SECTION) or {}).get(alias) or {}
    return str(known["value"]) if known.get("value") else None


def record_use(stored: StoredDataset, alias: str | None) -> None:
    """Record with the task of this process that it uses a version, by its alias if it has one."""
    task = Task.current_task()
    if task is None or task.id == stored.id:
        return
    with harmless("recording the use of a dataset"):
        if alias:
            write(task._record, [item(SECTION, alias, stored.id, kind="str")])
        used = list(task._record.read_fields("runtime").get("runtime", {}).get("datasets") or [])
        facts = {
            "datasets": list(dict.fromkeys([*used, stored.id])),
            f"orig_datasets.{stored.name}/{stored.version}": stored.id,
        }
        task._record.change("runtime", facts)
