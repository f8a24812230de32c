"""click: options and arguments become `Args/<name>`; in a program of several commands `Args/<command>/<name>`.

`Args/<command>` tells whether the command ran. In a remote run the recorded values take the place of the defaults.
"""

from __future__ import annotations

from clearml_sdk import parameters
from clearml_sdk.bindings import command_lines
from clearml_sdk.bindings.wrapping import Wraps
from clearml_sdk.values import parse_literal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType
    from typing import Any

    from clearml_sdk.bindings.wrapping import Call

DOING = "recording the arguments of click"
_wraps = Wraps()


def connect(core: ModuleType) -> None:
    """core: `click.core`."""
    group = getattr(core, "MultiCommand", None) if "MultiCommand" in vars(core) else core.Group

    def choose(call: Call) -> None:
        context, arguments = call.get("ctx"), call.get("args")
        values = command_lines.recorded(parameters.ARGUMENTS)
        if values and not arguments and not context.resilient_parsing:
            call.set("args", _chosen(call.args[0], path_of(context), values))

    def prepare(call: Call) -> None:
        context = call.get("ctx")
        values = command_lines.recorded(parameters.ARGUMENTS)
        if not values or context.resilient_parsing:
            return
        prefix = prefix_of(context)
        given = {}
        for parameter in call.args[0].params:
            entry = values.get(f"{prefix}{parameter.name}")
            if entry is not None and entry.get("value") not in (None, ""):
                given[parameter.name] = _raw(parameter, str(entry["value"]))
        context.default_map = {**(context.default_map or {}), **given}

    def parsed(call: Call) -> None:
        context, command = call.get("ctx"), call.args[0]
        if context.resilient_parsing:
            return
        path, prefix = path_of(context), prefix_of(context)
        items = [
            parameters.item(
                parameters.ARGUMENTS,
                f"{prefix}{parameter.name}",
                context.params[parameter.name],
                description=getattr(parameter, "help", None),
            )
            for parameter in command.params
            if parameter.name in context.params
        ]
        if path:
            items.append(parameters.item(parameters.ARGUMENTS, path, True, description=command.help))
        for name in getattr(command, "commands", None) or {}:
            items.append(parameters.item(parameters.ARGUMENTS, f"{path}/{name}" if path else name, False))
        command_lines.parsed(items)

    _wraps.before(core.Command, "parse_args", prepare, doing=DOING)
    _wraps.after(core.Command, "parse_args", parsed, doing=DOING)
    if group is not None:
        _wraps.before(group, "parse_args", choose, doing=DOING)


def path_of(context: Any) -> str:
    """The commands that led here, without the program itself: `outer/inner`; "" for the program."""
    names: list[str] = []
    while context is not None and context.parent is not None:
        names.insert(0, str(context.info_name))
        context = context.parent
    return "/".join(names)


def prefix_of(context: Any) -> str:
    """What stands before the names of a command's own parameters."""
    path = path_of(context)
    if path:
        return f"{path}/"
    return f"{context.command.name}/" if hasattr(context.command, "commands") else ""


def _chosen(group: Any, path: str, values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The command that is recorded to have run."""
    for name in getattr(group, "commands", None) or {}:
        entry = values.get(f"{path}/{name}" if path else name) or {}
        if str(entry.get("value")).lower() == "true":
            return [name]
    return []


def _raw(parameter: Any, text: str) -> Any:
    """What click converts to the value: a text, or texts where it takes several."""
    if not getattr(parameter, "multiple", False) and parameter.nargs == 1:
        return text
    found = parse_literal(text, None)
    return found if isinstance(found, list | tuple) else text.split()
