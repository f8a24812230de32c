"""Token buckets: so many at once, so many a second after that, for any number of names. Pure; the time comes in."""

from collections import OrderedDict
from dataclasses import dataclass, field

REMEMBERED = 20_000
"""Names with a bucket of their own; beyond it the one asked for longest ago starts full again."""


@dataclass(slots=True)
class Buckets:
    """A bucket a name, full when it is first heard of. `per_s` 0 means no limit."""

    per_s: float
    burst: float
    _levels: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def wait_s(self, name: str, now: float) -> float:
        """How long `name` has to wait until one is there; 0.0 when one is. Takes nothing."""
        level = self._level(name, now)
        return 0.0 if level >= 1 or not self.per_s else (1 - level) / self.per_s

    def take(self, name: str, now: float) -> float:
        """Take one; or, where none is there, take nothing and say how long to wait, in s."""
        if not self.per_s:
            return 0.0
        level = self._level(name, now)
        if level < 1:
            return (1 - level) / self.per_s
        self._levels[name] = (level - 1, now)
        self._levels.move_to_end(name)
        if len(self._levels) > REMEMBERED:
            self._levels.popitem(last=False)
        return 0.0

    def _level(self, name: str, now: float) -> float:
        found = self._levels.get(name)
        if found is None:
            return self.burst
        level, at = found
        return min(self.burst, level + max(0.0, now - at) * self.per_s)
