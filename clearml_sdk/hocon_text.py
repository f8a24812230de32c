"""Configuration objects as text: dictionaries written as HOCON, and read back from HOCON or JSON."""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


def write(value: Any) -> str:
    """`value` (a dictionary or a list) as HOCON that people can edit: `key = value` lines, JSON values."""
    if isinstance(value, dict):
        return "\n".join(_lines(value, ""))
    return _json(value, indent=4)


def read(text: str) -> Any:
    """The dictionary or list in `text`. Raises ConfigurationError when it is neither JSON nor HOCON."""
    stripped = text.strip()
    if not stripped:
        return {}
    try:
        return json.loads(stripped)
    except ValueError:
        pass  # HOCON is a superset
    from clearml_sdk.config.hocon import parse

    if stripped.startswith("["):
        return parse("the configuration", "list = " + stripped)["list"]
    return parse("the configuration", stripped)


def _lines(tree: dict[Any, Any], indent: str) -> list[str]:
    lines = []
    for key, value in tree.items():
        name = str(key) if _BARE_KEY.match(str(key)) else json.dumps(str(key), ensure_ascii=False)
        if isinstance(value, dict) and value:
            lines += [f"{indent}{name} {{", *_lines(value, indent + "    "), f"{indent}}}"]
        else:
            lines.append(f"{indent}{name} = {_json(value)}")
    return lines


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, default=str, indent=indent)
