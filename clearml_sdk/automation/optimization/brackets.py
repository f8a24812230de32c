"""Successive halving: many trials with few iterations, the best of them again with more. Pure."""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Rung:
    """Trials of one budget."""

    def __init__(self, size: int, budget: float) -> None:
        self.size, self.budget = size, budget
        self.begun = 0
        self.results: list[tuple[float, dict[str, Any]]] = []
        """(loss, values) of trials that are over; infinite where a trial failed."""

    @property
    def is_over(self) -> bool:
        return len(self.results) >= self.size

    def best(self, count: int) -> list[dict[str, Any]]:
        """The values of the trials that did best and did not fail."""
        good = [result for result in self.results if math.isfinite(result[0])]
        return [values for _, values in sorted(good, key=lambda result: result[0])[:count]]


class Bracket:
    """Rungs whose budgets grow by `eta` while their sizes shrink by it."""

    def __init__(self, number: int, eta: float, min_budget: float, max_budget: float) -> None:
        """number: which bracket of the search; the first begins with the most trials and the smallest budget."""
        steps = int(math.log(max_budget / min_budget, eta) + 1e-9) + 1 if max_budget > min_budget else 1
        halvings = steps - 1 - number % steps
        first = math.ceil(steps / (halvings + 1) * eta**halvings)
        self.rungs = [
            Rung(max(1, int(first * eta**-index)), max_budget * eta ** (index - halvings))
            for index in range(halvings + 1)
        ]
        self._promoted: list[dict[str, Any]] = []
        self._place = 0

    @property
    def rung(self) -> Rung:
        """The rung whose trials are being made."""
        return self.rungs[self._place]

    @property
    def is_over(self) -> bool:
        return all(rung.is_over for rung in self.rungs)

    def next_trial(self) -> tuple[float, dict[str, Any] | None] | None:
        """(budget, values) of the next trial, values None for new ones; None while others have to end first."""
        rung = self.rung
        if rung.begun < rung.size:
            rung.begun += 1
            return rung.budget, self._promoted[rung.begun - 1] if self._place else None
        if not rung.is_over or self._place + 1 >= len(self.rungs):
            return None
        self._place += 1
        self._promoted = rung.best(self.rung.size)
        self.rung.size = len(self._promoted)
        return self.next_trial() if self._promoted else None

    def ended(self, budget: float, values: dict[str, Any], loss: float) -> None:
        """A trial of this bracket is over."""
        for rung in self.rungs:
            if rung.budget == budget and not rung.is_over:
                rung.results.append((loss, values))
                return
