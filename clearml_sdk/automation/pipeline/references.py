"""References in a step's values: `${pipeline.x}` and `${step.artifacts.name.url}`, found and replaced."""

from __future__ import annotations

import json
import re

from clearml_sdk.errors import UsageError
from clearml_sdk.values import to_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

PIPELINE = "pipeline"
"""In place of a step's name: the pipeline's own parameters."""

READ_APART = ("id", "artifacts", "parameters", "models")
FIELDS = frozenset(
    {
        *("active_duration", "comment", "completed", "configuration", "container", "created", "execution"),
        *("hyperparams", "last_iteration", "last_metrics", "last_worker", "name", "output", "parent", "project"),
        *("runtime", "script", "started", "status", "status_message", "status_reason", "system_tags", "tags"),
        *("type", "user"),
    }
)
"""What may come first behind a step's name: what has a way of its own to be read, and the fields of its task."""

_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_DOT = re.compile(r"(?<!\\)\.")


class Reference:
    """`${owner.path...}`; `text` is all of it, `path` what comes after the owner."""

    def __init__(self, text: str, owner: str, path: list[str]) -> None:
        self.text, self.owner, self.path = text, owner, path


def references(value: Any) -> Iterator[Reference]:
    """All references in a value: in texts, and in those within lists and dictionaries."""
    if isinstance(value, str):
        for match in _REFERENCE.finditer(value):
            owner, *path = [part.replace("\\.", ".") for part in _DOT.split(match.group(1))]
            yield Reference(match.group(0), owner, path)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from references(key)
            yield from references(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from references(item)


def steps_named(*values: Any) -> list[str]:
    """The names of the steps that the values refer to, in their order."""
    found = [reference.owner for value in values for reference in references(value)]
    return list(dict.fromkeys(name for name in found if name != PIPELINE))


def replaced(value: Any, resolve: Callable[[Reference], Any], *, deep: bool = True) -> Any:
    """The value with its references resolved. A text that is nothing but one reference becomes what that stands for."""
    if isinstance(value, str):
        found = list(references(value))
        if len(found) == 1 and found[0].text == value.strip():
            return resolve(found[0])
        for reference in found:
            value = value.replace(reference.text, to_text(resolve(reference))[0])
        return value
    if deep and isinstance(value, dict):
        return {replaced(key, resolve): replaced(item, resolve) for key, item in value.items()}
    if deep and isinstance(value, list | tuple | set):
        return type(value)(replaced(item, resolve) for item in value)
    return value


def of_pipeline(reference: Reference, parameters: Mapping[str, Any]) -> Any:
    """What `${pipeline.name}` stands for. Raises UsageError for a parameter that there is not."""
    name = ".".join(reference.path)
    if name not in parameters:
        known = ", ".join(sorted(parameters)) or "none"
        raise UsageError(f"{reference.text}: the pipeline has no parameter {name!r}; it has: {known}")
    return parameters[name]


def of_task(reference: Reference, task: Mapping[str, Any]) -> Any:
    """What `${step.path}` stands for, by the document of the step's task. Raises UsageError where there is nothing."""
    if not reference.path:
        raise UsageError(f"{reference.text} says nothing of the step: its id is ${{{reference.owner}.id}}")
    first, *rest = reference.path
    reader = _READERS.get(first)
    try:
        found = reader(task, rest) if reader else _dig(task, reference.path)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise UsageError(
            f"{reference.text}: step {reference.owner!r} (task {task.get('id')}) has no such thing"
        ) from error
    return found


def _id(task: Mapping[str, Any], path: list[str]) -> Any:
    # `${step.id}.artifact` is how artifacts of a step are named; nothing may follow inside of the braces.
    if path:
        raise KeyError(path[0])
    return task["id"]


def _parameter(task: Mapping[str, Any], path: list[str]) -> Any:
    section, _, name = ".".join(path).partition("/")
    return task["hyperparams"][section][name]["value"]


def _artifact(task: Mapping[str, Any], path: list[str]) -> Any:
    """`name.attribute`; a name may itself hold dots."""
    artifacts = {entry["key"]: entry for entry in (task.get("execution") or {}).get("artifacts") or []}
    for length in range(len(path), 0, -1):
        entry = artifacts.get(".".join(path[:length]))
        if entry is not None:
            return _artifact_attribute(entry, path[length:])
    raise KeyError(".".join(path))


def _artifact_attribute(entry: Mapping[str, Any], path: list[str]) -> Any:
    named = {"url": "uri", "size": "content_size", "name": "key"}
    if not path or path == ["url"]:
        return entry["uri"]
    if path[0] == "preview":
        return (entry.get("type_data") or {})["preview"]
    if path[0] == "metadata":
        metadata = {str(key): value for key, value in entry.get("display_data") or []}
        return metadata[".".join(path[1:])] if path[1:] else json.dumps(metadata)
    return _dig(entry, [named.get(path[0], path[0]), *path[1:]])


def _model(task: Mapping[str, Any], path: list[str]) -> Any:
    """`output.-1.url`: of the models of a kind, one by place or name, and a property of it."""
    kind, which, *attribute = path
    models = (task.get("models") or {})[kind]
    chosen = models[int(which)] if re.fullmatch(r"-?\d+", which) else {m["name"]: m for m in models}[which]
    model = chosen["model"] if isinstance(chosen.get("model"), dict) else {"id": chosen.get("model")}
    named = {"url": "uri"}
    if not attribute:
        return model["id"]
    return _dig(model, [named.get(attribute[0], attribute[0]), *attribute[1:]])


def _dig(node: Any, path: list[str]) -> Any:
    for part in path:
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node


_READERS: Mapping[str, Callable[[Mapping[str, Any], list[str]], Any]] = {
    "id": _id,
    "parameters": _parameter,
    "artifacts": _artifact,
    "models": _model,
}
