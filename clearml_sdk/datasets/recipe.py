"""The script that a version's task shows: the calls by which it was made, so that it can be made again."""

from __future__ import annotations

from clearml_sdk.notices import harmless
from clearml_sdk.record import TaskRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

ENTRY_POINT = "register_dataset.py"
LIMIT = 64 << 10
"""Characters; what is done after so many calls is not told: each would send all that were before it."""


def script_of_new(project: str, name: str, version: str, parents: Sequence[str]) -> dict[str, Any]:
    """The `script` section of a new version."""
    given: dict[str, Any] = {"dataset_project": project, "dataset_name": name, "dataset_version": version}
    if parents:
        given["parent_datasets"] = list(parents)
    return {
        "binary": "python",
        "entry_point": ENTRY_POINT,
        "repository": "",
        "working_dir": ".",
        "requirements": {"pip": "clearml\n"},
        "diff": f"from clearml import Dataset\n\nds = Dataset.create({_arguments(given)})\n",
    }


def append(record: TaskRecord, method: str, **given: Any) -> None:
    """Record a call of a method of the dataset; a task with code of its own is left as it is."""
    with harmless("recording how the dataset was made"):
        if record.get("script.entry_point") != ENTRY_POINT or record.session.is_offline:
            return
        before = str(record.get("script.diff") or "")
        if len(before) > LIMIT:
            return
        told = {name: value for name, value in given.items() if value is not None}
        record.edit(script={"diff": f"{before}ds.{method}({_arguments(told)})\n"})


def _arguments(given: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_literal(value)}" for name, value in given.items())


def _literal(value: Any) -> str:
    if isinstance(value, bool | int | float | str) or value is None:
        return repr(value)
    if isinstance(value, list | tuple | set):
        return repr([str(item) for item in value])
    return repr(str(value))
