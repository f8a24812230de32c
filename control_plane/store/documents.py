"""Reading documents by id: one round trip, only the fields that were asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from control_plane.store import keys, layout
from control_plane.store.batching import Command
from control_plane.store.connection import Connection
from control_plane.store.layout import KINDS, Path

IDS_A_ROUND_TRIP = 200

CLOSED = frozenset({("execution", "artifacts")})
"""Lists that paths do not reach into: official servers keep them by a hash, and answer an empty list to such a path."""


async def get_many(
    connection: Connection, kind: str, ids: Sequence[str], parts: Sequence[Path] | None = None
) -> list[dict[str, Any] | None]:
    """The documents in the order of `ids`, None where there is none.

    Args:
        parts: paths to read ("status", "execution.queue", "hyperparams"); None = everything. More than was asked may
            come back (a path inside a value reads the value); containers asked for are there even when empty.
    """
    found: list[dict[str, Any] | None] = []
    plan = layout.read_plan(KINDS[kind], parts)
    for first in range(0, len(ids), IDS_A_ROUND_TRIP):
        found += await _read(connection, kind, ids[first : first + IDS_A_ROUND_TRIP], plan)
    return found


async def _read(
    connection: Connection, kind: str, ids: Sequence[str], plan: layout.ReadPlan
) -> list[dict[str, Any] | None]:
    shape = KINDS[kind]

    commands: list[Command] = []
    for id in ids:
        for part, fields in plan.hashes.items():
            key = keys.document(kind, id, part)
            commands.append(("HGETALL", key) if fields is None else ("HMGET", key, *fields))
    # A single document is read in one piece; of many, each may be of another moment.
    answers = iter(await connection.run(lambda client: client.many(commands, atomic=len(ids) == 1)))
    documents: list[dict[str, Any] | None] = []
    for _ in ids:
        hashes = {}
        for part, fields in plan.hashes.items():
            answer = next(answers)
            if fields is not None:
                answer = {name.encode(): leaf for name, leaf in zip(fields, answer, strict=True) if leaf is not None}
            elif isinstance(answer, list):
                answer = dict(zip(answer[::2], answer[1::2], strict=True))  # a map, as RESP2 says it
            hashes[part] = answer
        exists = bool(hashes[layout.CORE])
        documents.append(layout.unflatten(shape, hashes, plan.wanted) if exists else None)
    return documents


def project(document: dict[str, Any], paths: Sequence[str] | None) -> dict[str, Any]:
    """Only some paths of a document, as `only_fields` asks (wire.md 7). `id` always stays.

    Args:
        paths: dotted, and may go into users' keys (dots of theirs as %2E); "-path" leaves one out; None or [] = all.
            Containers asked for stay even when they are empty.
    """
    if not paths:
        return document
    excluded = [path[1:] for path in paths if path.startswith("-")]
    included = [path for path in paths if not path.startswith("-")]
    if included:
        result: dict[str, Any] = {}
        for path in ["id", *included]:
            names = split_path(path)
            if tuple(names[:2]) in CLOSED and len(names) > 2:
                result.setdefault(names[0], {}).setdefault(names[1], [])
            else:
                _copy(document, result, names)
    else:
        result = document
    for path in excluded:
        if path != "id":
            result = _without(result, split_path(path))
    return result


def split_path(path: str) -> list[str]:
    """A client's dotted path as keys: %2E is a dot, %24 a dollar, %_ and %% stand for themselves."""
    names = path.split(".")
    if "%" not in path:
        return names
    return [_ESCAPED.sub(lambda found: _PLAIN[found[1]], name) for name in names]


_ESCAPED = re.compile("%(2E|24|_|%)")
_PLAIN = {"2E": ".", "24": "$", "_": "_", "%": "%"}


def _copy(source: Any, target: dict[str, Any], names: list[str]) -> None:
    """Copy one path. An object above a value that is missing is copied empty."""
    name, *rest = names
    if not isinstance(source, dict) or name not in source:
        return
    value = source[name]
    if rest and isinstance(value, dict):
        into = target.setdefault(name, {})
        if isinstance(into, dict):
            _copy(value, into, rest)
    elif rest and isinstance(value, list):
        _copy_items(value, target, name, rest)
    else:
        target[name] = value


def _copy_items(items: list[Any], target: dict[str, Any], name: str, rest: list[str]) -> None:
    """Copy one path of each item of a list, beside what an earlier path copied of it."""
    into = target.setdefault(name, [{} for _ in items])
    if into is items or len(into) != len(items):
        return  # it is there whole already, or closed
    for item, copied in zip(items, into, strict=True):
        if isinstance(copied, dict):
            _copy(item, copied, rest)


def _without(source: dict[str, Any], names: list[str]) -> dict[str, Any]:
    name, *rest = names
    if name not in source:
        return source
    if not rest:
        return {key: value for key, value in source.items() if key != name}
    value = source[name]
    return {**source, name: _without(value, rest)} if isinstance(value, dict) else source
