"""One process's view of a store's segments, and its death at any step."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from control_plane.store import Store
from control_plane.store.segments.files import SegmentFiles, open_files
from control_plane.store.segments.sealer import Sealer


class Died(Exception):
    """The process is no more."""


class Place:
    """One process's view of the segments: a sealer and a reader of its own."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.files: SegmentFiles = open_files(str(folder))
        store.events._sealer = store.events._segments = None
        store.events.seal_to(self.files)
        self.reads = store.events

    async def sealer(self) -> Sealer:
        found = await self.store.events.sealer()
        assert found is not None
        return found


def dying(place: Place, draw: random.Random) -> Callable[[], None]:
    """Let the sealer die at one of its steps; returns what brings it back."""
    target, name = draw.choice([(place.files, "put"), (place.files, "delete"), (place.store.connection, "script")])
    is_after = draw.random() < 0.5
    real: Any = getattr(target, name)

    async def dies(*args: Any, **kwargs: Any) -> Any:
        if is_after:
            await real(*args, **kwargs)
        raise Died

    setattr(target, name, dies)
    return lambda: delattr(target, name)
