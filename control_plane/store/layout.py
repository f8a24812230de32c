"""How a document lies in hashes: the pure mapping between a nested dict and flat fields of JSON leaves.

A document is cut into parts, one hash each. Values of *structs* (execution, script, ...) are fields `parent.child` of
the core hash; *keyed* parts hold what users name themselves (hyperparameters, runtime, ...), one field a name, so that
one item can be written without the others; *texts* are large strings that lists rarely want.

Paths are strings ("execution.queue", "runtime.progress") or, where a user's name may hold anything, tuples
("hyperparams", "Args", "lr"). A string is cut at most as often as the part is deep, so "runtime.a.b" is the key "a.b".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import orjson

Path = str | tuple[str, ...]
CORE, TEXTS = "core", "texts"


@dataclass(frozen=True, eq=False)
class Kind:
    """The shape of one kind of document; there is one object of each."""

    name: str
    structs: frozenset[str] = frozenset()
    """Top-level objects whose fields are known and lie in the core hash."""
    keyed: Mapping[str, int] = field(default_factory=dict)
    """Top-level objects with users' keys -> how many levels of keys."""
    texts: frozenset[str] = frozenset()
    """Dotted paths that lie in the hash of texts."""
    lists: frozenset[str] = frozenset()
    """Top-level lists, answered as [] when nothing is stored."""
    tracked: bool = True
    """Whether changes enter the change stream (and the read model)."""

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Every hash a document of this kind may have."""
        return (CORE, *([TEXTS] if self.texts else []), *self.keyed)

    @cached_property
    def objects(self) -> tuple[str, ...]:
        """Top-level objects, answered as {} when nothing is stored."""
        return (*sorted(self.structs), *sorted(self.keyed))


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "task",
            structs=frozenset({"execution", "script", "output", "models", "container"}),
            keyed={"hyperparams": 2, "configuration": 1, "runtime": 1, "last_metrics": 2},
            texts=frozenset({"script.diff", "script.requirements", "report"}),
            lists=frozenset({"tags", "system_tags"}),
        ),
        Kind("project", lists=frozenset({"tags", "system_tags"})),
        Kind("model", keyed={"metadata": 1, "last_metrics": 2}, lists=frozenset({"tags", "system_tags"})),
        Kind("queue", keyed={"metadata": 1}, lists=frozenset({"tags", "system_tags"})),
        Kind("user", tracked=False),
        Kind("company", tracked=False),
        Kind("credential", tracked=False),
        Kind("worker", lists=frozenset({"tags", "system_tags", "queues"}), tracked=False),
        Kind("setting", tracked=False),
    )
}


@dataclass(frozen=True, slots=True)
class Extent:
    """Fields of one hash that a path covers: one `field`, and those that start with `prefix`. Both None = all."""

    part: str
    field: str | None = None
    prefix: str | None = None


def encode(value: Any) -> bytes:
    """A leaf's bytes: equal values have equal bytes, which is what guards compare."""
    try:
        return orjson.dumps(value)
    except TypeError:
        # An integer beyond 64 bits, which orjson refuses and JSON allows.
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def decode(leaf: bytes) -> Any:
    """The value of a leaf."""
    return orjson.loads(leaf)


def keys_of(kind: Kind, path: Path) -> tuple[str, ...]:
    """A path as its keys; not deeper than its leaf may be."""
    if not isinstance(path, str):
        return path
    head, dot, rest = path.partition(".")
    if not dot:
        return (head,)
    if head in kind.keyed:
        return (head, *rest.split(".", kind.keyed[head] - 1))
    return (head, rest)


def extents(kind: Kind, path: Path) -> list[Extent]:
    """What a path covers, to be removed before it is replaced. Raises ValueError for a path inside a leaf."""
    keys = keys_of(kind, path)
    head = keys[0]
    if head in kind.keyed:
        depth = kind.keyed[head]
        if len(keys) == 1:
            return [Extent(head)]
        if len(keys) > depth + 1:
            raise ValueError(f"{path!r} lies inside a value of {head!r}, which is written whole")
        name = join(keys[1:])
        return [Extent(head, name, name + "\0" if len(keys) <= depth else None)]
    if head in kind.structs and len(keys) == 1:
        parts = [CORE] + [TEXTS] * any(text.startswith(head + ".") for text in kind.texts)
        return [Extent(part, prefix=head + ".") for part in parts]
    if len(keys) > 2 or (len(keys) == 2 and (head not in kind.structs or "." in keys[1])):
        raise ValueError(f"{path!r} lies inside a value of {head!r}, which is written whole")
    dotted = ".".join(keys)
    return [Extent(TEXTS if dotted in kind.texts else CORE, dotted)]


def plain_part(kind: Kind, path: Path) -> str | None:
    """The hash in which the path itself is the field of a single value; None for containers, users' keys and errors."""
    return _plain_part(kind, path) if isinstance(path, str) else None


@lru_cache(1024)
def _plain_part(kind: Kind, path: str) -> str | None:
    head, dot, rest = path.partition(".")
    if head in kind.keyed or (head in kind.structs) != bool(dot) or "." in rest:
        return None
    return TEXTS if path in kind.texts else CORE


def leaf_place(kind: Kind, path: Path) -> tuple[str, str]:
    """(part, field) of a path that is exactly one leaf. Raises ValueError for one that covers several."""
    first, *others = extents(kind, path)
    if others or first.field is None or first.prefix is not None:
        raise ValueError(f"{path!r} of a {kind.name} is not a single value")
    return first.part, first.field


def flatten(kind: Kind, document: Mapping[str, Any]) -> dict[str, dict[str, bytes]]:
    """A whole document as part -> field -> leaf. None means absent, except as a user's own value."""
    hashes: dict[str, dict[str, bytes]] = {}
    for key, value in document.items():
        for part, name, leaf in leaves(kind, (key,), value):
            hashes.setdefault(part, {})[name] = leaf
    return hashes


def leaves(kind: Kind, keys: tuple[str, ...], value: Any) -> Iterator[tuple[str, str, bytes]]:
    """(part, field, leaf) for everything that `value` at a path consists of."""
    head = keys[0]
    if head in kind.keyed:
        depth = kind.keyed[head] + 1 - len(keys)
        if depth == 0:
            yield head, join(keys[1:]), encode(value)
        elif value or len(keys) == 1:
            for name, below in (value or {}).items():
                yield from leaves(kind, (*keys, name), below)
        else:
            yield head, join(keys[1:]), b"{}"  # an empty section is remembered by a field without a name below it
    elif value is None:
        return
    elif head in kind.structs and len(keys) == 1:
        for name, below in value.items():
            yield from leaves(kind, (head, name), below)
    else:
        dotted = ".".join(keys)
        yield TEXTS if dotted in kind.texts else CORE, dotted, encode(value)


def unflatten(
    kind: Kind, hashes: Mapping[str, Mapping[bytes, bytes]], wanted: Iterable[str] | None = None
) -> dict[str, Any]:
    """The nested document of the fields read from its hashes.

    `wanted`: the top-level keys asked for, None = all; those that are containers are there even when empty.
    """
    document: dict[str, Any] = {}
    names = None if wanted is None else set(wanted)
    for name in kind.objects:
        if names is None or name in names:
            document[name] = {}
    for name in kind.lists:
        if names is None or name in names:
            document[name] = []
    for part, fields in hashes.items():
        if not fields:
            continue
        # One call for all leaves: they are JSON already, and a call a leaf costs more than its decoding.
        values = orjson.loads(b"[" + b",".join(fields.values()) + b"]")
        if part in kind.keyed:
            _fill_keyed(document.setdefault(part, {}), fields, values, kind.keyed[part])
            continue
        for raw, value in zip(fields, values, strict=True):
            head, child = (_core_place if len(raw) < LONG_NAME else _core_place.__wrapped__)(raw)
            if child is not None:
                struct = document.get(head)
                if struct is None:
                    struct = document[head] = {}
                struct[child] = value
            elif names is not None or not head.startswith("_"):  # the server's own notes are read by name only
                document[head] = value
    return document


LONG_NAME = 500
"""Bytes of a field's name: such a one is not remembered."""


# Documents share most of their fields' names.
@lru_cache(4096)
def _core_place(field: bytes) -> tuple[str, str | None]:
    """(top-level key, key below it or None) of a field of the core or of texts."""
    head, dot, child = field.decode().partition(".")
    return head, child if dot else None


@lru_cache(4096)
def _keyed_place(field: bytes) -> tuple[tuple[str, ...], str]:
    """(names above, name) of a field of a keyed part."""
    *above, name = split(field.decode())
    return tuple(above), name


def _fill_keyed(target: dict[str, Any], fields: Iterable[bytes], values: Iterable[Any], depth: int) -> None:
    for raw, value in zip(fields, values, strict=True):
        above, name = (_keyed_place if len(raw) < LONG_NAME else _keyed_place.__wrapped__)(raw)
        level = target
        for key in above:
            below = level.get(key)
            if below is None:
                below = level[key] = {}
            level = below
        if len(above) + 1 == depth:
            level[name] = value
        else:
            level.setdefault(name, {})


@dataclass(frozen=True)
class ReadPlan:
    """What to read for some paths: part -> fields, or None for the whole hash."""

    hashes: Mapping[str, tuple[str, ...] | None]
    wanted: tuple[str, ...] | None


def read_plan(kind: Kind, paths: Sequence[Path] | None) -> ReadPlan:
    """The least to read so that every path is answered. None = everything. Paths below a leaf read the leaf."""
    return _read_plan(kind, None if paths is None else tuple(paths))


@lru_cache(1024)
def _read_plan(kind: Kind, paths: tuple[Path, ...] | None) -> ReadPlan:
    if paths is None:
        return ReadPlan(dict.fromkeys(kind.parts), None)
    fields: dict[str, set[str] | None] = {CORE: {"id"}}
    wanted: dict[str, None] = {}
    for path in paths:
        keys = keys_of(kind, path)
        wanted[keys[0]] = None
        for part, name in _readable(kind, keys):
            if name is None:
                fields[part] = None
            elif (known := fields.setdefault(part, set())) is not None:
                known.add(name)
    return ReadPlan(
        {part: None if names is None else tuple(sorted(names)) for part, names in fields.items()}, tuple(wanted)
    )


def _readable(kind: Kind, keys: tuple[str, ...]) -> Iterator[tuple[str, str | None]]:
    """(part, field or None for the whole hash) that hold a path."""
    head = keys[0]
    if head in kind.keyed:
        depth = kind.keyed[head]
        yield head, join(keys[1 : depth + 1]) if len(keys) > depth else None
    elif head in kind.structs and len(keys) == 1:
        yield CORE, None
        if any(text.startswith(head + ".") for text in kind.texts):
            yield TEXTS, None
    elif head in kind.structs:
        dotted = f"{head}.{keys[1].partition('.')[0]}"
        yield TEXTS if dotted in kind.texts else CORE, dotted
    else:
        yield TEXTS if head in kind.texts else CORE, head


def names_of(field: bytes) -> tuple[str, ...]:
    """The users' names that a keyed part's field stands for."""
    return tuple(split(field.decode()))


def join(names: tuple[str, ...]) -> str:
    """Users' names as one field. NUL separates, so a NUL of the user's is escaped."""
    return "\0".join(
        name.replace("\x01", "\x01\x01").replace("\0", "\x01\x02") if "\0" in name or "\x01" in name else name
        for name in names
    )


def split(joined: str) -> list[str]:
    """The names that `join` put together."""
    names = joined.split("\0")
    if "\x01" not in joined:
        return names
    return ["\x01".join(half.replace("\x01\x02", "\0") for half in name.split("\x01\x01")) for name in names]
