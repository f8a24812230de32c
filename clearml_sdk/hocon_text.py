"""Configuration objects as text: dictionaries written as HOCON, and read back from HOCON or JSON."""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_PLAIN_TEXT = re.compile(r'[^"\\\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z')


def write(value: Any) -> str:
    """`value` (a dictionary or a list) as HOCON that people can edit: `key = value` lines, JSON values.

    As JSON, which is HOCON too, where a key or a text needs quoting: HOCON parsers differ about that.
    """
    if isinstance(value, dict) and _is_simple(value):
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


def _is_simple(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_BARE_KEY.match(str(key)) and _is_simple(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(_is_simple(item) for item in value)
    if isinstance(value, str):
        return bool(_PLAIN_TEXT.match(value)) and "${" not in value
    return value is None or isinstance(value, bool | int) or (isinstance(value, float) and value - value == 0)


def _lines(tree: dict[Any, Any], indent: str) -> list[str]:
    lines = []
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            lines += [f"{indent}{key} {{", *_lines(value, indent + "    "), f"{indent}}}"]
        else:
            lines.append(f"{indent}{key} = {_json(value)}")
    return lines


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, default=str, indent=indent)
