"""What an optimization shows on its task: the trials as a table and in plots, and what is left of the budget."""

from __future__ import annotations

import json

from clearml_sdk.automation.optimization.objective import Objective
from clearml_sdk.automation.optimization.strategy import SearchStrategy
from clearml_sdk.errors import ClearmlError
from clearml_sdk.paging import tasks_by_id
from clearml_sdk.web_pages import task_page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from clearml_sdk.task import Task


class Summary:
    """The trials of a search as rows, read from the server at once."""

    def __init__(self, strategy: SearchStrategy, task: Task) -> None:
        self._objective = strategy._objective_metric
        self._session = task._record.session
        self.rows: list[dict[str, Any]] = []
        created = strategy.get_created_jobs_ids()
        self.names = list(dict.fromkeys(name for values in created.values() for name in values))
        fields = ["id", "name", "status", "last_iteration", "project", "last_metrics"]
        found = tasks_by_id(self._session, created, fields)
        for place, (trial, values) in enumerate(created.items()):
            if trial in found:
                self.rows.append({**found[trial], "values": values, "place": place})

    def objective(self, row: dict[str, Any]) -> list[float] | None:
        """The objectives of a trial as it reported them."""
        if isinstance(self._objective, Objective):
            value = self._objective.value_of(row)
            return None if value is None else [value]
        return self._objective.values_of(row)

    @property
    def objective_names(self) -> list[str]:
        """A column each."""
        pairs = self._objective.get_objective_metric()
        return [f"{title}/{series}" for title, series in pairs] if isinstance(pairs, list) else ["objective"]

    def best(self) -> list[dict[str, Any]]:
        """The rows in the order of their objective, the best first; those without one last."""
        sign = self._objective.get_objective_sign()
        first = sign[0] if isinstance(sign, list) else sign

        def worth(row: dict[str, Any]) -> float:
            values = self.objective(row)
            return float("inf") if values is None else -first * values[0]

        return sorted(self.rows, key=worth)

    def _cells(self, row: dict[str, Any]) -> list[Any]:
        found = self.objective(row)
        return [""] * len(self.objective_names) if found is None else list(found)

    def table(self) -> list[list[Any]]:
        """The header, and a row a trial, the best first."""
        header = ["task id", *self.objective_names, "iteration", *self.names, "status"]
        rows = [
            [
                row["id"],
                *self._cells(row),
                int(row.get("last_iteration") or 0),
                *[row["values"].get(name) for name in self.names],
                row.get("status"),
            ]
            for row in self.best()
        ]
        return [header, *rows]

    def linked_table(self) -> list[list[Any]]:
        """As `table`, the ids as links."""
        header, *rows = self.table()
        pages = {row["id"]: task_page(self._session, row["id"], row.get("project") or "*") for row in self.rows}
        return [header, *[[f'<a href="{pages[row[0]]}">{row[0]}</a>', *row[1:]] for row in rows]]

    def scatter(self) -> dict[str, Any] | None:
        """The objective of each trial, in their order; None before there is one."""
        points = [(row, values) for row in self.rows if (values := self.objective(row)) is not None]
        if not points:
            return None
        series = [
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [row["place"] + 1 for row, _ in points],
                "y": [values[index] for _, values in points],
                "text": [row["id"] for row, _ in points],
            }
            for index, name in enumerate(self.objective_names)
        ]
        axes = {"xaxis": {"title": {"text": "trial"}}, "yaxis": {"title": {"text": "objective"}}}
        return {"data": series, "layout": {"title": {"text": "Optimization Objective"}, **axes}}

    def parallel_coordinates(self) -> dict[str, Any] | None:
        """A line a trial through its values and its objective; None before there are two."""
        points = [(row, values) for row in self.rows if (values := self.objective(row)) is not None]
        if len(points) < 2:
            return None
        dimensions = [_dimension(name, [row["values"].get(name) for row, _ in points]) for name in self.names] + [
            _dimension(name, [values[index] for _, values in points]) for index, name in enumerate(self.objective_names)
        ]
        colours = {"color": [values[0] for _, values in points], "colorscale": "Viridis", "showscale": True}
        return {"data": [{"type": "parcoords", "line": colours, "dimensions": dimensions}], "layout": {}}


def _dimension(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """An axis: numbers as they are, other values as places with their texts."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return {"label": name, "values": list(values)}
    texts = sorted({str(value) for value in values})
    places = {text: place for place, text in enumerate(texts)}
    return {
        "label": name,
        "values": [places[str(value)] for value in values],
        "tickvals": list(range(len(texts))),
        "ticktext": texts,
    }


def report(task: Task, strategy: SearchStrategy, iteration: int) -> Summary:
    """Show how far the search is. Raises ClearmlError."""
    found, logger = Summary(strategy, task), task.get_logger()
    for name, field in (
        ("jobs %", strategy.budget.jobs),
        ("iterations %", strategy.budget.iterations),
        ("compute_time %", strategy.budget.compute_time),
    ):
        if field.limit:
            logger.report_scalar("remaining budget", name, round(100 * max(0.0, 1 - (field.used or 0.0)), 1), iteration)
    statuses = [row.get("status") for row in found.rows]
    logger.report_scalar("resources", "running tasks", statuses.count("in_progress"), iteration)
    logger.report_scalar("resources", "pending tasks", statuses.count("queued"), iteration)
    logger.report_scalar("resources", "queue workers", _workers(task, strategy._execution_queue), iteration)
    best = found.best()[:1]
    if best and (values := found.objective(best[0])) is not None:
        logger.report_scalar("objective", "best", values[0], iteration)
        told = [one for row in found.rows if (one := found.objective(row)) is not None]
        logger.report_scalar("objective", "last", told[-1][0], iteration)
    for title, series, figure in (
        ("Optimization Objective", "trials", found.scatter()),
        ("Parallel Coordinates", "trials", found.parallel_coordinates()),
    ):
        if figure is not None:
            logger.report_plotly(title, series, figure, iteration=0)
    if found.rows:
        logger.report_table("summary", "job", 0, table_plot=found.linked_table())
    return found


def store(task: Task, found: Summary) -> None:
    """Keep the table as the artifact `summary`."""
    table = json.loads(json.dumps(found.table(), default=str))
    task.upload_artifact("summary", {"table": table}, wait_on_upload=True)


def _workers(task: Task, queue: str) -> int:
    """How many workers serve the queue."""
    try:
        workers = task._record.session.call("workers.get_all", {"last_seen": 3600}).get("workers") or []
    except ClearmlError:
        return 0  # not for everybody to see
    return sum(
        any(queue in (one.get("id"), one.get("name")) for one in worker.get("queues") or []) for worker in workers
    )
