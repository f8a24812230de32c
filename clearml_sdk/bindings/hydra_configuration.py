"""Hydra: overrides become `Hydra/<key>`, the composed configuration the configuration object `OmegaConf`.

In a remote run the recorded overrides are applied; with `Hydra/_allow_omegaconf_edit_` the recorded configuration is
what the program gets. Each job of a multirun that calls `Task.init` is a task of its own.
"""

from __future__ import annotations

import functools

from clearml_sdk import parameters
from clearml_sdk import run as runs
from clearml_sdk.bindings import command_lines
from clearml_sdk.bindings.wrapping import Call, Wraps
from clearml_sdk.ending import decide_ending
from clearml_sdk.notices import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType
    from typing import Any

SECTION, CONFIGURATION, KIND = "Hydra", "OmegaConf", "OmegaConf YAML"
EDITABLE = "_allow_omegaconf_edit_"
DESCRIPTION = f"The whole configuration. Edits take effect once {SECTION}/{EDITABLE} is True."
EDITABLE_DESCRIPTION = (
    f"If True, a remote run takes the configuration {CONFIGURATION}, and no override of this section."
)
DOING = "recording the configuration of hydra"
_wraps = Wraps()


def connect(library: ModuleType) -> None:
    """library: the module of Hydra's `Hydra`."""
    for name in ("run", "multirun"):
        begun = functools.partial(_begun, is_multirun=name == "multirun")
        _wraps.before(library.Hydra, name, begun, doing=DOING)


def _begun(call: Call, *, is_multirun: bool) -> None:
    if not is_edited():
        call.set("overrides", with_recorded(call.args[0].config_loader, call.get("overrides")))
    call.set("task_function", Job(call.get("task_function"), is_multirun))


class Job:
    """The program's function with its configuration recorded; it may be pickled and run in another process."""

    def __init__(self, function: Callable[[Any], Any], is_multirun: bool) -> None:
        functools.update_wrapper(self, function)
        self._function, self._is_multirun = function, is_multirun

    def __call__(self, configuration: Any) -> Any:
        with harmless(DOING):
            configuration = _edited(configuration)
            _record(configuration)
        if not self._is_multirun or runs.current() is not None:
            return self._function(configuration)
        try:
            result = self._function(configuration)
        except BaseException as error:
            self._close(error)
            raise
        self._close(None)
        return result

    @staticmethod
    def _close(error: BaseException | None) -> None:
        """Close the task that the job has begun: the next job begins its own."""
        if (run := runs.current()) is not None:
            run.close(decide_ending(error, None, None))


def is_edited() -> bool:
    """Whether the configuration of this remote run was edited as a whole."""
    return str((command_lines.recorded(SECTION).get(EDITABLE) or {}).get("value")).lower() == "true"


def _edited(configuration: Any) -> Any:
    text = command_lines.recorded_configuration(CONFIGURATION) if is_edited() else None
    if text is None:
        return configuration
    from importlib import import_module

    omegaconf = import_module("omegaconf").OmegaConf
    found = omegaconf.create(text)
    omegaconf.set_struct(found, True)
    return found


def _record(configuration: Any) -> None:
    from importlib import import_module

    overrides = import_module("hydra.core.hydra_config").HydraConfig.get().overrides.task
    items = [parameters.item(SECTION, key, text, kind="str") for key, text in split(overrides)]
    items.append(parameters.item(SECTION, EDITABLE, False, description=EDITABLE_DESCRIPTION))
    command_lines.parsed(items)
    text = import_module("omegaconf").OmegaConf.to_yaml(configuration)
    command_lines.configured(CONFIGURATION, text, KIND, DESCRIPTION)


def split(overrides: Iterable[str]) -> list[tuple[str, str]]:
    """(key, value) of each override, without the marks for adding; deletions (`~key`) are left out."""
    found = []
    for override in overrides:
        key, _, text = override.partition("=")
        if not key.startswith("~"):
            found.append((key.lstrip("+"), text))
    return found


def with_recorded(loader: Any, overrides: Iterable[str]) -> list[str]:
    """The overrides with the recorded ones in the place of their namesakes.

    A choice of a group (`db=mysql`) is made as such; anything else is set whether the configuration has it or not.
    """
    given = list(overrides)
    values = {name: entry for name, entry in command_lines.recorded(SECTION).items() if name != EDITABLE}
    if not values:
        return given
    kept = [one for one in given if one.partition("=")[0].lstrip("+~") not in values]
    for name, entry in values.items():
        mark = "" if loader.get_group_options(name.partition("@")[0]) else "++"
        kept.append(f"{mark}{name}={entry.get('value') or ''}")
    return kept
