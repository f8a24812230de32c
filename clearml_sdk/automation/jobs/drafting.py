"""What a job's task is to be: the task it is made from, with other parameters, configurations and fields. Pure."""

from __future__ import annotations

import json

from clearml_sdk import hocon_text, parameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_EDITED = ("script", "container", "execution", "output")
_OUTPUT = {"destination": "output_dest"}


def drafted(
    base: Mapping[str, Any],
    *,
    parameter_override: Mapping[str, Any] | None = None,
    configuration_overrides: Mapping[str, Any] | None = None,
    task_overrides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The fields of a new task, as `tasks.create` and `tasks.edit` take them.

    Args:
        parameter_override: `Section/name` -> value.
        configuration_overrides: name -> text, or the object itself.
        task_overrides: dotted path of the document -> value, such as `script.branch`.
    """
    fields: dict[str, Any] = {
        "hyperparams": _with_parameters(base.get("hyperparams") or {}, parameter_override or {}),
        "configuration": _with_configurations(base.get("configuration") or {}, configuration_overrides or {}),
        "script": dict(base.get("script") or {}),
        "container": dict(base.get("container") or {}),
    }
    for path, value in (task_overrides or {}).items():
        _put(fields, base, path, value)
    return fields


def _with_parameters(before: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    sections = {section: dict(entries) for section, entries in before.items()}
    for full_name, value in override.items():
        section, name = parameters.split(full_name)
        known = (sections.get(section) or {}).get(name) or {}
        kind = known.get("type") if isinstance(value, str) else None
        entry = parameters.item(section, name, value, kind=kind, description=known.get("description"))
        if isinstance(value, dict | list):
            entry["value"] = _as_json(value) or entry["value"]  # a command line is more likely to read that
        sections.setdefault(section, {})[name] = entry
    return sections


def _as_json(value: Any) -> str:
    """As JSON; "" for what would not be the same when it is read again, such as numbers as keys."""
    try:
        text = json.dumps(value)
        return text if json.loads(text) == value else ""
    except (TypeError, ValueError):
        return ""


def _with_configurations(before: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = {name: dict(entry) for name, entry in before.items()}
    for name, value in override.items():
        entry = found.setdefault(name, {"name": name})
        if isinstance(value, str):
            entry["value"] = value
        else:
            entry.update(value=hocon_text.write(value), type="dictionary")
    return found


def _put(fields: dict[str, Any], base: Mapping[str, Any], path: str, value: Any) -> None:
    first, _, rest = path.partition(".")
    if first == "output" and rest in _OUTPUT:
        fields[_OUTPUT[rest]] = value
        return
    if not rest:
        fields[first] = value
        return
    node = fields.setdefault(first, dict(base.get(first) or {}) if first not in _EDITED else {})
    *middle, last = rest.split(".")
    for part in middle:
        inner = node.get(part)
        node[part] = dict(inner) if isinstance(inner, dict) else {}
        node = node[part]
    node[last] = value
