"""jsonargparse (and LightningCLI): what it parsed becomes `Args/<dotted name>`, subcommands included.

In a remote run the recorded values are put behind what the command line says, so that they win.
"""

from __future__ import annotations

import sys

from clearml_sdk import parameters
from clearml_sdk.bindings import command_lines
from clearml_sdk.bindings.wrapping import Call, Wraps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType
    from typing import Any

DOING = "recording the arguments of jsonargparse"
_wraps = Wraps()


def connect(core: ModuleType) -> None:
    """core: the module of jsonargparse's `ArgumentParser`."""

    def begun(call: Call) -> None:
        values = command_lines.recorded(parameters.ARGUMENTS)
        if not values or _is_inner(call):
            return
        parser, *positional = call.args
        given = positional[0] if positional else call.kwargs.get("args")  # its signature does not name it
        line = with_recorded(parser, sys.argv[1:] if given is None else given, values)
        if positional:
            call.args = (parser, line, *positional[1:])
        else:
            call.kwargs = {**call.kwargs, "args": line}

    def ended(call: Call) -> None:
        if _is_inner(call):
            return
        descriptions = _descriptions(call.args[0])
        command_lines.parsed(
            parameters.item(
                parameters.ARGUMENTS, name, _plain(value), description=descriptions.get(name.rpartition(".")[2])
            )
            for name, value in vars(call.result.as_flat()).items()
        )

    _wraps.before(core.ArgumentParser, "parse_args", begun, doing=DOING)
    _wraps.after(core.ArgumentParser, "parse_args", ended, doing=DOING)


def _is_inner(call: Call) -> bool:
    """Whether jsonargparse itself parses, for a subcommand; its `CLI` does as a script would."""
    return call.caller.startswith("jsonargparse.") and not call.caller.endswith("cli")


def with_recorded(parser: Any, given: Sequence[str], values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The command line with the recorded values in it: those of the parser first, those of a subcommand behind it."""
    line = list(given)
    actions = {action.dest: action for action in parser._actions}
    commands = next((one for one in actions.values() if type(one).__name__.endswith("ActionSubCommands")), None)
    chosen = str((values.get(commands.dest) or {}).get("value") or "") if commands is not None else ""
    if chosen and commands is not None and chosen in commands.choices:
        if not any(one in commands.choices for one in line):
            line.append(chosen)
        inner = {
            name.removeprefix(f"{chosen}."): entry for name, entry in values.items() if name.startswith(f"{chosen}.")
        }
        line += _flags(commands.choices[chosen], inner)
    own = _flags(parser, {name: entry for name, entry in values.items() if _is_own(name, commands)})
    return [*own, *line] if chosen else [*line, *own]


def _is_own(name: str, commands: Any) -> bool:
    """Whether a value is the parser's, not a subcommand's."""
    return commands is None or (name != commands.dest and name.partition(".")[0] not in commands.choices)


def _flags(parser: Any, values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    actions = {action.dest: action for action in parser._actions}
    line, positional = [], []
    for name, entry in values.items():
        text = entry.get("value")
        action = actions.get(name)
        # The content of a configuration file is recorded value by value; the file may not exist here.
        if text in (None, "") or (action is not None and "Config" in type(action).__name__):
            continue
        if action is not None and not action.option_strings:
            positional.append(str(text))
        elif action is not None or any(name.startswith(f"{dest}.") for dest in actions):
            line.append(f"--{name}={text}")
    return [*line, *positional]


def _descriptions(parser: Any) -> dict[str, str]:
    return {
        action.dest: action.help
        for action in parser._actions
        if isinstance(action.help, str) and "==" not in action.help
    }


def _plain(value: Any) -> Any:
    """Paths and other objects as text."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
