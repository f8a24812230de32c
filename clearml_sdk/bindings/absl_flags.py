"""absl: the flags that a program defines become `TF_DEFINE/<flag>`; in a remote run the recorded values are theirs."""

from __future__ import annotations

from clearml_sdk import parameters
from clearml_sdk.bindings import command_lines
from clearml_sdk.bindings.wrapping import Call, Wraps
from clearml_sdk.values import parse_literal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

SECTION = "TF_DEFINE"
DOING = "recording the flags of absl"
_wraps = Wraps()


def connect(values: ModuleType) -> None:
    """values: the module of absl's `FlagValues`."""

    def begun(call: Call) -> None:
        found = call.args[0]
        line = list(call.get("argv") or ())
        own = flags_of(found)
        for name, entry in command_lines.recorded(SECTION).items():
            if name in own and entry.get("value") not in (None, ""):
                line[1:1] = _line(own[name], str(entry["value"]))
        call.set("argv", line)

    def ended(call: Call) -> None:
        command_lines.parsed(
            parameters.item(SECTION, name, flag.value, description=flag.help)
            for name, flag in flags_of(call.args[0]).items()
        )

    _wraps.before(values.FlagValues, "__call__", begun, doing=DOING)
    _wraps.after(values.FlagValues, "__call__", ended, doing=DOING)


def flags_of(values: Any) -> dict[str, Any]:
    """The flags by name, without those that absl itself brings."""
    found = {}
    for module, flags in values.flags_by_module_dict().items():
        if not module.startswith("absl."):
            found.update({flag.name: flag for flag in flags})
    return found


def _line(flag: Any, text: str) -> list[str]:
    """What sets a flag on a command line."""
    if not isinstance(flag.value, list | tuple) and "Multi" not in type(flag).__name__ and "[" not in text[:1]:
        return [f"--{flag.name}={text}"]
    items = parse_literal(text, text)
    items = items if isinstance(items, list | tuple) else [items]
    if "Multi" in type(flag).__name__:
        return [f"--{flag.name}={item}" for item in items]
    return [f"--{flag.name}={','.join(str(item) for item in items)}"]
