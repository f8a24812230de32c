"""The best trials, told with their values and metrics."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from clearml_sdk.automation.optimization.strategy import SearchStrategy


def top(
    strategy: SearchStrategy, count: int, *, all_metrics: bool, all_hyper_parameters: bool, only_completed: bool
) -> list[dict[str, Any]]:
    """See `SearchStrategy.get_top_experiments_details`."""
    task_filter = {"status": ["completed", "published"]} if only_completed else None
    tasks = strategy._objective_metric.get_top_tasks(
        top_k=count, optimizer_task_id=strategy._job_parent_id, task_filter=task_filter
    )
    searched = _names(strategy)
    wanted = strategy.get_objective_metric()
    pairs = set(wanted) if isinstance(wanted, list) else {wanted}
    found = []
    for task in tasks:
        document = task._record.document
        values = {
            f"{section}/{name}": entry.get("value")
            for section, entries in (document.get("hyperparams") or {}).items()
            for name, entry in entries.items()
        }
        metrics = {
            f"{entry['metric']}/{entry['variant']}": entry
            for variants in (document.get("last_metrics") or {}).values()
            for entry in variants.values()
            if all_metrics or (entry["metric"], entry["variant"]) in pairs
        }
        found.append(
            {
                "task_id": task.id,
                "name": document.get("name"),
                "status": document.get("status"),
                "hyper_parameters": {k: v for k, v in values.items() if all_hyper_parameters or k in searched},
                "metrics": metrics,
            }
        )
    return found


def _names(strategy: SearchStrategy) -> set[str]:
    """The parameters that are searched."""
    names = {name for values in strategy.get_created_jobs_ids().values() for name in values}
    return names | {str(one.name) for one in strategy._hyper_parameters if one.name}
