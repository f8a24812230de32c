"""Searches that learn nothing from their trials: every combination, or random ones."""

from __future__ import annotations

import itertools
import json

from clearml_sdk.automation.optimization.strategy import SearchStrategy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from clearml_sdk.automation.jobs.base import BaseJob
    from clearml_sdk.automation.optimization.objective import MultiObjective, Objective
    from clearml_sdk.automation.parameters import Parameter

MAX_REPEATS = 1000
"""So often in a row a random combination may be one that was tried, before there are taken to be no others."""


class _Tries(SearchStrategy):
    """Tries combinations, each once."""

    _ends = True
    """Whether there is a last combination."""

    def __init__(
        self,
        base_task_id: str,
        hyper_parameters: Sequence[Parameter],
        objective_metric: Objective | MultiObjective,
        execution_queue: str,
        num_concurrent_workers: int,
        pool_period_min: float = 2.0,
        time_limit_per_job: float | None = None,
        compute_time_limit: float | None = None,
        max_iteration_per_job: int | None = None,
        total_max_jobs: int | None = None,
        **_: Any,
    ) -> None:
        """As `SearchStrategy`."""
        super().__init__(
            base_task_id=base_task_id,
            hyper_parameters=hyper_parameters,
            objective_metric=objective_metric,
            execution_queue=execution_queue,
            num_concurrent_workers=num_concurrent_workers,
            pool_period_min=pool_period_min,
            time_limit_per_job=time_limit_per_job,
            compute_time_limit=compute_time_limit,
            max_iteration_per_job=max_iteration_per_job,
            total_max_jobs=total_max_jobs,
            **_,
        )
        self._combinations = self._all()

    def _all(self) -> Iterator[dict[str, Any]]:
        raise NotImplementedError

    def create_job(self) -> BaseJob | None:
        """The next combination that was not tried; None when there is none."""
        tried = {_key(values) for values in self._created_jobs_ids.values()}
        candidates = self._combinations if self._ends else itertools.islice(self._combinations, MAX_REPEATS)
        for values in candidates:
            if _key(values) not in tried:
                return self.helper_create_job(self._base_task_id, parameter_override=values)
        return None


class GridSearch(_Tries):
    """Every combination of the values."""

    def _all(self) -> Iterator[dict[str, Any]]:
        for chosen in itertools.product(*(one.to_list() for one in self._hyper_parameters)):
            yield {name: value for part in chosen for name, value in part.items()}


class RandomSearch(_Tries):
    """Random combinations, until the budget is spent."""

    _ends = False

    def _all(self) -> Iterator[dict[str, Any]]:
        while True:
            yield {name: value for one in self._hyper_parameters for name, value in one.get_value().items()}


def _key(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, default=str)
