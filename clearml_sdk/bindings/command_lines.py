"""What command line libraries other than argparse understood: parameters of the task, and in a remote run overridden.

They are watched from the import of the SDK on: most scripts call `Task.init` in the function that a command line runs,
so what was parsed waits here for the task, and in a remote run the values are needed before there is one.
"""

from __future__ import annotations

import functools
from importlib import import_module

from clearml_sdk import process_role
from clearml_sdk.bindings.on_import import when_imported
from clearml_sdk.notices import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import ModuleType
    from typing import Any

    from clearml_sdk.bindings.switches import Switches
    from clearml_sdk.task import Task

    Item = dict[str, Any]

LIBRARIES = {
    "click.core": "click_commands",
    "fire.core": "fire_commands",
    "jsonargparse._core": "jsonargparse_arguments",
    "absl.flags._flagvalues": "absl_flags",
    "hydra._internal.hydra": "hydra_configuration",
}
"""The module whose import connects a library, and ours that does it."""

ARGUMENTS = "Args"
_SWITCHES = {"TF_DEFINE": "tfdefines", "Hydra": "hydra", "OmegaConf": "hydra"}
"""Names in `auto_connect_frameworks`, by section or configuration object."""

_seen: dict[tuple[str, str], Item] = {}
_configurations: dict[str, tuple[str, str, str]] = {}
_task: Task | None = None
_wanted: Callable[[str, str], bool] | None = None
_recorded: tuple[str, Mapping[str, Any]] | None = None


def watch() -> None:
    """Watch the libraries from now on, each from its import on."""
    for library, binding in LIBRARIES.items():
        when_imported(library, functools.partial(_imported, binding))


def bind(task: Task, arguments: Callable[[str], bool] | None, switches: Switches) -> None:
    """Record in `task` what was parsed, and what will be.

    Args:
        arguments: which of the arguments, by name; None for none.
        switches: which of the libraries with a section of their own.
    """
    global _task, _wanted

    def wanted(section: str, name: str) -> bool:
        if section == ARGUMENTS:
            return arguments is not None and arguments(name)
        return switches.is_on(_SWITCHES.get(section, section))

    _task, _wanted = task, wanted
    _send(_seen.values())
    for name in _configurations:
        _send_configuration(name)


def unbind() -> None:
    """Record in no task any more; the next gets what was parsed before it, too."""
    global _task, _wanted
    _task = _wanted = None


def _is_wanted(section: str, name: str) -> bool:
    return _wanted is None or _wanted(section, name)


def parsed(items: Iterable[Item]) -> None:
    """Parameters that a command line gave, as `parameters.item` makes them."""
    found = list(items)
    for item in found:
        _seen[item["section"], item["name"]] = item
    _send(found)


def configured(name: str, text: str, kind: str, description: str) -> None:
    """A configuration object that a command line made."""
    _configurations[name] = (text, kind, description)
    _send_configuration(name)


def recorded(section: str) -> Mapping[str, Mapping[str, Any]]:
    """In a remote run, the parameters that the task has: `{name: {value, type, ...}}`; empty in a local one."""
    found = _document().get("hyperparams") or {}
    return {name: entry for name, entry in (found.get(section) or {}).items() if _is_wanted(section, name)}


def recorded_configuration(name: str) -> str | None:
    """In a remote run, the text of a configuration object that the task has."""
    entry = (_document().get("configuration") or {}).get(name)
    return None if entry is None else str(entry.get("value") or "")


def _document() -> Mapping[str, Any]:
    """The document of the task that an agent started this process for, read once."""
    global _recorded
    task_id = process_role.remote_task_id()
    if task_id is None:
        return {}
    if _recorded is None or _recorded[0] != task_id:
        from clearml_sdk.record import TaskRecord
        from clearml_sdk.session import Session

        record = TaskRecord(Session.default(), task_id)
        _recorded = (task_id, record.read_fields("hyperparams", "configuration"))
    return _recorded[1]


def _send(items: Iterable[Item]) -> None:
    task = _task
    if task is None:
        return
    present = _document().get("hyperparams") or {}
    new = [
        item
        for item in items
        if _is_wanted(item["section"], item["name"]) and item["name"] not in (present.get(item["section"]) or {})
    ]
    if not new:
        return
    from clearml_sdk import parameters

    names = ", ".join(item["name"] for item in new)
    task._later(f"recording the arguments {names}", lambda: parameters.write(task._record, new))


def _send_configuration(name: str) -> None:
    task = _task
    if task is None or not _is_wanted(name, ""):
        return
    text, kind, description = _configurations[name]
    task._later(f"recording the configuration {name}", lambda: task._write_configuration(name, text, description, kind))


def _imported(binding: str, library: ModuleType) -> None:
    with harmless(f"connecting {library.__name__}"):
        import_module(f"clearml_sdk.bindings.{binding}").connect(library)
