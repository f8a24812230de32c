"""The fields that queries may name: which operators each kind has, and where a dotted path lies in a document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from control_plane.store import layout
from control_plane.store.documents import split_path
from control_plane.store.layout import KINDS


@dataclass(frozen=True, slots=True)
class FieldRef:
    """A value of a document: a leaf of one part, and a way into the leaf."""

    part: str
    field: str
    inside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Operators:
    """What may be asked of one kind; names ending in ".*" stand for everything below. Source: wire.md 7."""

    pattern: frozenset[str]
    lists: frozenset[str]
    ranges: frozenset[str]
    exact: frozenset[str]
    dates: frozenset[str]
    sortable: frozenset[str]
    """Top-level fields that exist and may be sorted by; ordering by others is an error."""
    hidden_tag: str = "hidden"
    text: tuple[str, ...] = ("id", "name")
    """What a full-text search looks at."""
    common: frozenset[str] = frozenset()
    """Fields that lists nearly always ask for: the read model has them from the start."""


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COMMON = "id name company user created last_update last_change tags system_tags"

OPERATORS: dict[str, Operators] = {
    "task": Operators(
        pattern=_set("name comment report"),
        lists=_set(
            "id user tags system_tags type status project parent hyperparams.* execution.queue models.input.model "
            "last_worker company_origin input.view.entries.dataset input.view.entries.version"
        ),
        ranges=_set("created started active_duration last_metrics.* last_iteration"),
        exact=_set("runtime.*"),
        dates=_set("status_changed last_update last_change"),
        sortable=_set(
            f"{_COMMON} type status comment report parent project started completed published active_duration "
            "status_reason status_message status_changed last_worker last_worker_report last_iteration last_metrics "
            "hyperparams configuration execution script output models container runtime last_changed_by"
        ),
        text=("id", "name", "comment", "report", "script.repository", "script.entry_point", "models.input.model"),
        common=_set(
            "name project parent user type status tags system_tags created started completed last_update last_change "
            "status_changed last_iteration active_duration"
        ),
    ),
    "model": Operators(
        pattern=_set("name comment"),
        lists=_set("id tags system_tags framework uri user project task parent metadata.* company_origin"),
        ranges=_set("created last_metrics.* last_iteration"),
        exact=_set("ready"),
        dates=_set("last_update last_change"),
        sortable=_set(
            f"{_COMMON} comment framework uri project task parent ready metadata last_iteration last_metrics design "
            "labels"
        ),
        text=("id", "name", "comment", "uri", "framework", "task", "project"),
        common=_set("name project task user tags system_tags framework ready created last_update last_change"),
    ),
    "project": Operators(
        pattern=_set("name basename description"),
        lists=_set("id tags system_tags parent path user company_origin"),
        ranges=_set("last_update"),
        exact=frozenset(),
        dates=frozenset(),
        sortable=_set(f"{_COMMON} basename description parent path default_output_destination featured"),
        # `featured` ranks an official server's examples: its web app sorts by it first; none of ours has it.
        text=("id", "name", "description"),
        common=_set("name basename parent path user tags system_tags created last_update"),
    ),
    "queue": Operators(
        pattern=_set("name"),
        lists=_set("id tags system_tags metadata.*"),
        ranges=frozenset(),
        exact=frozenset(),
        dates=frozenset(),
        sortable=_set(f"{_COMMON} display_name metadata"),
        hidden_tag="k8s-glue",
    ),
}

REFERENCES = frozenset({"project", "parent", "user", "company", "task"})
"""Ids of other documents, whose fields cannot be sorted by."""

NATURAL = frozenset({"hyperparams", "last_metrics", "metadata"})
"""Whose texts sort by the numbers in them."""


def known(names: frozenset[str], path: str) -> bool:
    """Whether a path is one of these names, or below one that ends in ".*"."""
    return path in names or (f"{path.partition('.')[0]}.*" in names and "." in path)


def resolve(kind: str, path: str) -> FieldRef | None:
    """Where a client's dotted path lies. None when it names a whole container, which is not a value."""
    shape = KINDS[kind]
    keys = tuple(split_path(path))
    head = keys[0]
    leaf = shape.keyed[head] + 1 if head in shape.keyed else 2 if head in shape.structs else 1
    if len(keys) < leaf:
        return None
    part, field = layout.leaf_place(shape, keys[:leaf])
    return FieldRef(part, field, keys[leaf:])


def look_inside(value: Any, keys: tuple[str, ...]) -> Any:
    """The value at keys inside a leaf; of a list, the values of its items. None when there is none."""
    for position, key in enumerate(keys):
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list):
            found = [look_inside(item, keys[position:]) for item in value]
            return [item for item in found if item is not None]
        else:
            return None
    return value
