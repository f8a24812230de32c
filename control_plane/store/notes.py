"""Notes: what a call leaves with its commit, so that a repeat of it is known wherever and whenever it arrives.

A client whose connection was cut does not know whether its call was done, and sends it again. Its first try left a
note in the very transaction that did it: a hash under the digest of the call, with a field for each document that it
made, changed or removed, which holds the answer where the service gave one. `services.repeats` has the rules.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from control_plane.store import keys
from control_plane.store.batching import Command
from control_plane.store.connection import Connection

AT = "@"
"""Field of a note: its stamp, which says when the call was done and by which server."""
MADE = "+"
"""Prefix of the fields that hold the id of what the call made, one a kind (the last of several)."""
DOUBLES = frozenset({"task", "model", "user"})
"""Kinds of which a repeated call would make another one: others have unique names."""


@dataclass(frozen=True, slots=True)
class Note:
    """Where the transactions of one call leave their note."""

    digest: str
    """Names the call: who, what and the bytes; or the name that the caller gave it."""
    kept_ms: int
    is_named: bool = False
    """The caller named its call: whatever carries the name is this call."""
    makes: bool = False
    """What the call makes is made once."""
    by: str = ""
    """The server process that does the call."""
    is_over: bool = False
    """The answers to this call made before are known to have arrived: what lies there does not count."""
    number: int = field(default_factory=itertools.count().__next__, compare=False)
    """Tells the call from others that this process does, equal ones of the same millisecond too."""

    def stamp(self, now_ms: int) -> str:
        """What lies at `AT`."""
        return f"{now_ms} {self.by} {self.number}"

    @property
    def key(self) -> str:
        """Its key in Redis."""
        return keys.note(self.digest)


@dataclass(frozen=True, slots=True)
class Fence:
    """The claim under which a call is made: none of its transactions happens once the claim is over."""

    task: str
    number: int


class Notes:
    """The notes of one store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def read(self, note: Note) -> Mapping[str, bytes]:
        """What the first try left: document id -> its answer or nothing, beside `AT` and `MADE...`; {} without one."""
        found: Any = await self._connection.run(lambda client: client.hgetall(note.key))
        return {name.decode(): value for name, value in found.items()}

    async def stamp(self, note: Note) -> tuple[int, str] | None:
        """(when the first try was done, ms since the epoch; by which server), None without a note."""
        found: Any = await self._connection.run(lambda client: client.hget(note.key, AT))
        return None if found is None else read_stamp(found)

    async def tell_active(self, by: str, logins: Mapping[str, str], kept_ms: int) -> None:
        """What this server process knows of some logins' calls, for the others to read."""
        commands: list[Command] = []
        for login, facts in logins.items():
            key = keys.active(login)
            commands += [("HSET", key, by, facts), ("PEXPIRE", key, kept_ms)]
        await self._connection.run(lambda client: client.many(commands))

    async def active(self, login: str) -> list[str]:
        """What the server processes have told of a login's calls."""
        found: Any = await self._connection.run(lambda client: client.hvals(keys.active(login)))
        return [facts.decode() for facts in found]

    async def forget(self, digests: Sequence[str]) -> None:
        """These calls' answers have arrived: whoever makes them again means it."""
        if digests:
            await self._connection.run(lambda client: client.unlink(*map(keys.note, digests)))


def read_stamp(stamp: bytes) -> tuple[int, str]:
    """(when, ms since the epoch; by which server) of what lies at `AT`."""
    at_ms, by, *_ = stamp.decode().split(" ")
    return int(at_ms), by
