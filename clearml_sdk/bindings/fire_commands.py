"""python-fire: the parameters of the function that it calls become `Args/<name>`, those of a command
`Args/<command>/<name>`; `Args/<command>` tells whether the command ran.

In a remote run, where there is no command line, one is made of the recorded values.
"""

from __future__ import annotations

import functools
import threading

from clearml_sdk import parameters
from clearml_sdk.bindings import command_lines
from clearml_sdk.bindings.wrapping import Call, Wraps
from clearml_sdk.notices import harmless

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType
    from typing import Any

DOING = "recording the arguments of fire"
_wraps = Wraps()
_root = threading.local()


def connect(core: ModuleType) -> None:
    """core: `fire.core`."""

    def begun(call: Call) -> None:
        component = _root.value = call.get("component")
        values = command_lines.recorded(parameters.ARGUMENTS)
        if values and not call.get("args"):
            call.set("args", arguments_of(core, component, values))

    def made(call: Call) -> None:
        call.result = _watched(core, call.get("fn"), call.result)

    _wraps.before(core, "_Fire", begun, doing=DOING)
    _wraps.after(core, "_MakeParseFn", made, doing=DOING)


def _watched(core: ModuleType, function: Any, parse: Any) -> Any:
    @functools.wraps(parse)
    def watched(args: Any) -> Any:
        result = parse(args)
        with harmless(DOING):
            (given, named), *_ = result
            _record(core, function, given, named)
        return result

    return watched


def _record(core: ModuleType, function: Any, given: Any, named: Mapping[str, Any]) -> None:
    root = getattr(_root, "value", None)
    names = core.inspectutils.GetFullArgSpec(function).args
    values = {**dict(zip(names, given, strict=False)), **named}
    if function is root:
        command_lines.parsed(parameters.item(parameters.ARGUMENTS, name, value) for name, value in values.items())
        return
    commands = commands_of(root)
    command = next((name for name, one in commands.items() if _same(one, function)), function.__name__)
    items = [parameters.item(parameters.ARGUMENTS, name, False) for name in commands if name != command]
    items.append(parameters.item(parameters.ARGUMENTS, command, True))
    items += [parameters.item(parameters.ARGUMENTS, f"{command}/{name}", value) for name, value in values.items()]
    command_lines.parsed(items)


def commands_of(component: Any) -> dict[str, Any]:
    """What a component offers to call, by name."""
    if isinstance(component, dict):
        return {str(name): one for name, one in component.items() if callable(one)}
    owner = component if isinstance(component, type) else type(component)
    if owner.__module__ == "builtins":
        return {}
    names = [name for name in dir(owner) if not name.startswith("_")]
    return {name: one for name in names if callable(one := getattr(owner, name))}


def _same(one: Any, function: Any) -> bool:
    return getattr(one, "__func__", one) is getattr(function, "__func__", function)


def arguments_of(core: ModuleType, component: Any, values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The command line that the recorded values stand for."""
    line = []
    if isinstance(component, type) or callable(component):
        line += _flags(core, component, "", values)
    for name, function in commands_of(component).items():
        if str((values.get(name) or {}).get("value")).lower() == "true":
            line += [name, *_flags(core, function, f"{name}/", values)]
            break
    return line


def _flags(core: ModuleType, function: Any, prefix: str, values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    found = core.inspectutils.GetFullArgSpec(function)
    line = []
    for name in [*found.args, *found.kwonlyargs]:
        entry = values.get(f"{prefix}{name}") or {}
        text = entry.get("value")
        if text not in (None, ""):
            literal = repr(str(text)) if entry.get("type") in ("str", "string") else str(text)
            line.append(f"--{name}={literal}")
    return line
