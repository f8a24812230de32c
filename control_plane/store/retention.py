"""How long the curves of ended tasks stay at full resolution: a rule a project, for it and those below it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from control_plane.store import keys
from control_plane.store.connection import Connection


class Rule(msgspec.Struct, frozen=True):
    """What is kept of tasks that ended `days` ago."""

    days: float
    samples: int = 1000
    """Intervals of each scalar series of which first, last, least and greatest points stay."""
    drops_console: bool = False
    """Whether their console goes as well."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Rule).decode


class Retention:
    """The rules of one store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def rules(self) -> dict[str, Rule]:
        """Project's id -> its rule."""
        found: Any = await self._connection.run(lambda client: client.hgetall(keys.retention()))
        return {project.decode(): _decode(raw) for project, raw in found.items()}

    async def set(self, project: str, rule: Rule) -> None:
        """Give a project a rule, in place of the one it has."""
        await self._connection.run(lambda client: client.hset(keys.retention(), project, _encode(rule)))

    async def clear(self, project: str) -> bool:
        """Take a project's rule away; whether it had one."""
        return bool(await self._connection.run(lambda client: client.hdel(keys.retention(), project)))


def rule_for(project: str, rules: Mapping[str, Rule]) -> Rule | None:
    """The rule of a project, or of the nearest above it. Pure.

    Args:
        project: its name, with slashes.
        rules: project's name -> rule.
    """
    while project:
        if project in rules:
            return rules[project]
        project = project.rpartition("/")[0]
    return None
