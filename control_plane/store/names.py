"""Which names users gave: the hyperparameters, metrics and metadata keys that occur in some documents.

Only the names of a document's fields are read, and read again only when the document changed: whether it did is told
by its `last_update` and `last_change`, which the read model knows and every write sets. Documents that have the same
names share one set of them, so that 100,000 tasks of one kind cost little more than their ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from control_plane.store import keys, layout
from control_plane.store.connection import Connection

DOCUMENTS_A_READ = 500
STAMPS = ("last_update", "last_change")
SLACK = 10_000
"""Documents remembered beside four times those that were just asked for."""

Names = frozenset[bytes]


@dataclass
class _Part:
    """What is known of one part of the documents of a kind."""

    stamps: dict[str, int] = field(default_factory=dict)
    """Of each document, as it was when its names were read."""
    names: dict[str, Names] = field(default_factory=dict)


class KnownNames:
    """What this process remembers of the names in documents; may be thrown away at any time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, str], _Part] = {}
        self._shared: dict[Names, Names] = {}

    async def of(self, kind: str, part: str, rows: Sequence[tuple[Any, ...]]) -> dict[tuple[str, ...], str]:
        """Every name (section, name; or metric hash, variant hash) -> one of the documents that has it.

        Args:
            part: "hyperparams", "last_metrics" or "metadata".
            rows: (id, number, ...) of the documents meant; the numbers change whenever one of `STAMPS` does.
        """
        known = self._known.setdefault((kind, part), _Part())
        stale = [row for row in rows if known.stamps.get(row[0]) != hash(row)]
        for first in range(0, len(stale), DOCUMENTS_A_READ):
            some = stale[first : first + DOCUMENTS_A_READ]
            for row, names in zip(some, await self._read(kind, part, [row[0] for row in some]), strict=True):
                known.stamps[row[0]] = hash(row)
                known.names[row[0]] = self._shared.setdefault(names, names)
        holders = {known.names[row[0]]: row[0] for row in rows}
        self._forget(known, rows)
        return _merged(holders)

    async def _read(self, kind: str, part: str, ids: Sequence[str]) -> list[Names]:
        commands: list[Any] = [("HKEYS", keys.document(kind, id, part)) for id in ids]
        answers: Any = await self._connection.run(lambda client: client.many(commands))
        return [frozenset(answer) for answer in answers]

    def _forget(self, known: _Part, asked: Sequence[tuple[Any, ...]]) -> None:
        if len(known.stamps) <= 4 * len(asked) + SLACK:
            return
        kept = {row[0] for row in asked}
        for id in [id for id in known.stamps if id not in kept]:
            del known.stamps[id], known.names[id]
        self._shared = {names: names for part in self._known.values() for names in part.names.values()}


def _merged(holders: dict[Names, str]) -> dict[tuple[str, ...], str]:
    found: dict[bytes, str] = {}
    for names, id in holders.items():
        found.update(dict.fromkeys(names, id))
    return {layout.names_of(field): id for field, id in found.items()}


def path_of(part: str, names: Iterable[str]) -> str:
    """The path by which queries and projections name a value below users' names (see `documents.split_path`)."""
    return ".".join([part, *(name.replace("%", "%%").replace(".", "%2E").replace("$", "%24") for name in names)])
