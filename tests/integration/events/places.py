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


class Mortal:
    """Lets a process die at one of its steps: a call of the store, or of the place of segments.

    with Mortal(place, at=3, is_after=True) as life: ...; life.is_over

    Args:
        at: the step, from 0. Nothing that it does afterwards has any effect.
        is_after: the step is done, and its answer never heard.
    """

    def __init__(self, place: Place, at: int, *, is_after: bool) -> None:
        self._targets: list[tuple[Any, str]] = [(place.store.connection, "run_once_or_more"), (place.files, "_run")]
        self._at, self._is_after = at, is_after
        self.is_over = False
        self._steps = 0

    def __enter__(self) -> Mortal:
        for target, name in self._targets:
            setattr(target, name, self._mortal(getattr(target, name)))
        return self

    def __exit__(self, *_error: object) -> None:
        for target, name in self._targets:
            delattr(target, name)

    def _mortal(self, real: Any) -> Any:
        async def step(*args: Any, **kwargs: Any) -> Any:
            is_last = self._steps == self._at
            self._steps += 1
            if self.is_over or (is_last and not self._is_after):
                self.is_over = True
                raise Died
            answer = await real(*args, **kwargs)
            if is_last:
                self.is_over = True
            if self.is_over:
                raise Died
            return answer

        return step
