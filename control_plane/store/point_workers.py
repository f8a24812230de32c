"""Which worker reported which points. Loaded with numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


@dataclass
class Workers:
    """Of one series: runs of points in the order they were written, as (worker, how many)."""

    runs: list[tuple[str, int]] = field(default_factory=list)
    steps: Integers | None = None
    """Iteration of each point, in this order; where there is more than one worker."""

    def add(self, worker: str, count: int) -> None:
        """So many points more."""
        if self.runs and self.runs[-1][0] == worker:
            count += self.runs.pop()[1]
        self.runs.append((worker, count))

    @property
    def are_several(self) -> bool:
        """Whether iterations have to be looked at."""
        return len({worker for worker, _ in self.runs}) > 1

    def of(self, steps: Sequence[int]) -> list[str]:
        """Who reported the points of these iterations last; "" where nobody is known to."""
        if self.steps is None:
            return [self.runs[-1][0] if self.runs else ""] * len(steps)
        order = np.argsort(self.steps, kind="stable")
        along = self.steps[order]
        writers = np.repeat(np.arange(len(self.runs)), [count for _, count in self.runs])[order]
        places = np.searchsorted(along, np.asarray(steps, np.int64), "right") - 1
        return [
            self.runs[int(writers[place])][0] if place >= 0 and along[place] == step else ""
            for place, step in zip(places.tolist(), steps, strict=True)
        ]
