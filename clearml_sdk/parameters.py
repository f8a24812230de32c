"""A task's hyperparameters: flat names (`Section/name`) to values, read and written.

The server keeps `{section: {name: {section, name, value, type, description}}}`, all values as text (wire.md 8).
"""

from __future__ import annotations

import fnmatch
import re

from clearml_sdk.record import TaskRecord
from clearml_sdk.values import from_text, to_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

GENERAL = "General"
ARGUMENTS = "Args"
ENVIRONMENT = "Environment"
_CREDENTIAL = re.compile(r"^(CLEARML|TRAINS)_.*(KEY|SECRET|TOKEN|PASS)")
PROPERTIES = "properties"
"""Section of the user properties: shown apart, editable in any status."""


def item(
    section: str, name: str, value: Any, *, kind: str | None = None, description: str | None = None
) -> dict[str, Any]:
    """One parameter as the server keeps it."""
    text, inferred = to_text(value)
    found: dict[str, Any] = {"section": section, "name": name, "value": text, "description": description or ""}
    if kind or inferred:
        found["type"] = kind or inferred
    return found


def environment_items(environ: Mapping[str, str], patterns: Iterable[str]) -> list[dict[str, Any]]:
    """The variables whose names match one of the patterns (`A`, `A_*`), as parameters; credentials of ours never."""
    wanted = [pattern.strip() for pattern in patterns if pattern.strip()]
    names = sorted(name for name in environ if any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted))
    return [item(ENVIRONMENT, name, environ[name], kind="str") for name in names if not _CREDENTIAL.search(name)]


def split(name: str, default: str = GENERAL) -> tuple[str, str]:
    """(section, name) of a flat name; a name without a section is in `default`."""
    section, slash, rest = name.partition("/")
    return (section, rest) if slash and section and rest else (default, name)


def flatten(values: Mapping[Any, Any], prefix: str = "", separator: str = "/") -> dict[str, Any]:
    """Nested dictionaries as one level, keys joined by `separator`; an empty dictionary stays a value."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            flat.update(flatten(value, f"{name}{separator}", separator))
        else:
            flat[name] = value
    return flat


def read(record: TaskRecord, *, fresh: bool = True) -> dict[str, dict[str, dict[str, Any]]]:
    """All sections as the server keeps them."""
    source = record.read_fields("hyperparams") if fresh else record.document
    return source.get("hyperparams") or {}


def flat(record: TaskRecord, *, cast: bool) -> dict[str, Any]:
    """`{"Section/name": value}`: texts, or with `cast` values in their recorded types."""
    return {
        f"{section}/{name}": from_text(entry.get("value"), entry.get("type")) if cast else entry.get("value")
        for section, entries in read(record).items()
        if section != PROPERTIES
        for name, entry in entries.items()
    }


def nested(record: TaskRecord, *, cast: bool) -> dict[str, Any]:
    """`{section: {name: value}}`, names with `/` as dictionaries inside."""
    tree: dict[str, Any] = {}
    for name, value in flat(record, cast=cast).items():
        *path, last = name.split("/")
        node = tree
        for part in path:
            inner = node.get(part)
            node[part] = node = inner if isinstance(inner, dict) else {}
        node[last] = value
    return tree


def write(record: TaskRecord, items: Iterable[dict[str, Any]], *, replace: str = "none") -> None:
    """Write parameters; `replace` also removes the others of these sections (`section`) or of all (`all`).

    One atomic call, allowed while the task is a draft or runs. Raises ApiError otherwise.
    """
    found = list(items)
    if not found and replace == "none":
        return
    body = {"hyperparams": found, "replace_hyperparams": replace, "force": True}
    record.call("tasks.edit_hyper_params", body)
    record.forget()


def write_flat(record: TaskRecord, values: Mapping[str, Any], *, replace_all: bool) -> None:
    """Write `{"Section/name": value}`; types and descriptions already recorded are kept where they still fit."""
    before = read(record)
    entries = []
    for full_name, value in values.items():
        section, name = split(full_name)
        known = (before.get(section) or {}).get(name) or {}
        # A text given for a typed parameter is that parameter's text: `set_parameters({"Args/lr": "0.1"})`.
        kind = known.get("type") if isinstance(value, str) else None
        entries.append(item(section, name, value, kind=kind, description=known.get("description")))
    if replace_all:
        entries.extend((before.get(PROPERTIES) or {}).values())
    write(record, entries, replace="all" if replace_all else "none")


def merge_arguments(arguments: Iterable[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """One dictionary out of dictionaries and (key, value) iterables, nested ones flattened."""
    merged: dict[str, Any] = {}
    for argument in arguments:
        merged.update(dict(argument))
    merged.update(named)
    return flatten(merged)
