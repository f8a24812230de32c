"""`clearml-param-search`: a search over parameters, from the command line."""

from __future__ import annotations

import sys

from clearml_sdk.errors import ClearmlError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from clearml_sdk.automation.optimization import HyperParameterOptimizer


def main(argv: list[str] | None = None) -> int:
    """Run the search to its end and tell of the best trials. Returns the exit status."""
    from clearml_sdk.param_search.options import parser

    given = parser().parse_args(argv)
    try:
        return search(given)
    except (ClearmlError, OSError, ValueError) as error:
        print(f"clearml-param-search: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("clearml-param-search: interrupted; the search is stopped, with the trials that ran", file=sys.stderr)
        return 130


def search(given: argparse.Namespace) -> int:
    """Begin the search, wait for it, and print the best trials. Raises ClearmlError, ValueError."""
    from importlib import import_module

    from clearml_sdk.automation.optimization import HyperParameterOptimizer
    from clearml_sdk.param_search.options import OPTIMIZERS, read_space
    from clearml_sdk.task import Task
    from clearml_sdk.task_cli.options import read_arguments

    space = read_space(given.params_search, given.params_override)
    if not given.params_search:
        raise ValueError("what is to be searched? Give --params-search")
    if bool(given.args) and not given.script:
        raise ValueError("--args are those of --script; of a task, use --params-override")
    arguments = read_arguments(given.args or ())
    try:
        optimizer_class = getattr(import_module(OPTIMIZERS[given.optimizer_class]), given.optimizer_class)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"--optimizer-class {given.optimizer_class} needs the package {error.name}: pip install {error.name}"
        ) from error
    project, name = given.project_name or "Parameter search", given.task_name or "Parameter search"
    base = given.task_id
    if given.script:
        made = Task.create(project, f"{name}: base", script=given.script, argparse_args=arguments)
        base = made.id
        print(f"Base task created id={base}")
    task = Task.init(project, name, task_type=Task.TaskTypes.optimizer, reuse_last_task_id=False)
    optimizer = HyperParameterOptimizer(
        base_task_id=base,
        hyper_parameters=space,
        objective_metric_title=given.objective_metric_title,
        objective_metric_series=given.objective_metric_series,
        objective_metric_sign=given.objective_metric_sign,
        optimizer_class=optimizer_class,
        execution_queue=given.queue or "default",
        optimization_time_limit=given.optimization_time_limit,
        compute_time_limit=given.compute_time_limit,
        save_top_k_tasks_only=given.save_top_k_tasks_only,
        auto_connect_task=task,
        **_limits(given),
    )
    print(f"Searching: {task.get_output_log_web_page()}", flush=True)
    try:
        if given.local:
            optimizer.start_locally()
        else:
            optimizer.start()
        optimizer.wait()
    finally:
        optimizer.stop()
    return _tell(optimizer, given.save_top_k_tasks_only)


def _limits(given: argparse.Namespace) -> dict[str, Any]:
    names = ("pool_period_min", "total_max_jobs", "min_iteration_per_job", "max_iteration_per_job")
    found = {name: getattr(given, name) for name in (*names, "time_limit_per_job", "max_number_of_concurrent_tasks")}
    return {name: value for name, value in found.items() if value is not None}


def _tell(optimizer: HyperParameterOptimizer, count: int) -> int:
    from clearml_sdk.data_cli.tables import table

    best = optimizer.get_top_experiments_details(max(1, count or 10))
    if not best:
        print("clearml-param-search: no trial has reported the objective", file=sys.stderr)
        return 1
    rows = []
    for trial in best:
        values = ", ".join(f"{name}={value}" for name, value in sorted(trial["hyper_parameters"].items()))
        rows.append(
            [trial["task_id"], trial["status"], optimizer.objective_metric.get_objective(trial["task_id"]), values]
        )
    print(table(["task", "status", "objective", "parameters"], rows))
    return 0
