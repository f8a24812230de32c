"""What an optimization may use: jobs, iterations, minutes of computing."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Budget:
    """Three limits, each with what was used of it."""

    class Field:
        """One limit; None is no limit. Usage is told by job, and the last number of each job counts."""

        def __init__(self, limit: float | None = None) -> None:
            self.limit = limit
            self._used: dict[str, float] = {}

        def update(self, uid: str, value: float) -> None:
            """The job `uid` has used so much by now."""
            if value is not None:
                self._used[uid] = float(value)

        @property
        def used(self) -> float | None:
            """The part of the limit that is used, 0 to 1; None without a limit or usage."""
            if not self.limit or not self._used:
                return None
            return self.total / float(self.limit)

        @property
        def total(self) -> float:
            """All that is used."""
            return sum(self._used.values())

        @property
        def is_spent(self) -> bool:
            """Whether nothing is left."""
            return self.limit is not None and self.total >= self.limit

    def __init__(self, jobs_limit: int | None, iterations_limit: int | None, compute_time_limit: float | None) -> None:
        """compute_time_limit: minutes, of all jobs together."""
        self.jobs = self.Field(jobs_limit)
        self.iterations = self.Field(iterations_limit)
        self.compute_time = self.Field(compute_time_limit)

    def to_dict(self) -> Mapping[str, Mapping[str, float]]:
        """{limit: {"limit", "used"}} of those limits that there are."""
        named = {"jobs": self.jobs, "iterations": self.iterations, "compute_time": self.compute_time}
        return {
            name: {"limit": float(field.limit), "used": field.used or 0.0}
            for name, field in named.items()
            if field.limit is not None
        }

    @property
    def is_spent(self) -> bool:
        """Whether no further job may begin."""
        return self.jobs.is_spent or self.iterations.is_spent or self.compute_time.is_spent
