"""Searches of 20 trials, two of which fail: `grid`, `random`, `optuna` or `bohb`; trials run here or in a queue."""

import os
import sys

from clearml import Task
from clearml.automation import (
    DiscreteParameterRange,
    GridSearch,
    HyperParameterOptimizer,
    RandomSearch,
    UniformIntegerParameterRange,
)


def search_class(name):
    if name == "optuna":
        from clearml.automation.optuna import OptimizerOptuna

        return OptimizerOptuna
    if name == "bohb":
        from clearml.automation.hpbandster import OptimizerBOHB

        return OptimizerBOHB
    return {"grid": GridSearch, "random": RandomSearch}[name]


def settings_of(name):
    if name == "bohb":
        return {"min_iteration_per_job": 1, "max_iteration_per_job": 9}
    if name != "optuna":
        return {"max_iteration_per_job": None}
    import optuna

    return {
        "max_iteration_per_job": None,
        "optuna_sampler": optuna.samplers.TPESampler(seed=12),
    }  # two of its first trials have x = 9


if __name__ == "__main__":
    kind, base, here = sys.argv[1], sys.argv[2], sys.argv[3] == "here"
    trials, workers = int(sys.argv[4]), int(sys.argv[5])
    task = Task.init(
        project_name="automation",
        task_name=f"search {kind}",
        task_type=Task.TaskTypes.optimizer,
        reuse_last_task_id=False,
        auto_resource_monitoring=False,
    )
    optimizer = HyperParameterOptimizer(
        base_task_id=base,
        hyper_parameters=[
            UniformIntegerParameterRange("General/x", 0, 9),
            DiscreteParameterRange("General/kind", values=["plain", "double"]),
        ],
        objective_metric_title="loss",
        objective_metric_series="train",
        objective_metric_sign="min",
        optimizer_class=search_class(kind),
        max_number_of_concurrent_tasks=workers,
        execution_queue=os.environ.get("PIPELINE_STEPS") or "default",
        total_max_jobs=trials,
        pool_period_min=0.02,
        save_top_k_tasks_only=5,
        **settings_of(kind),
    )

    optimizer.set_report_period(0.05)

    def told(job_id, value, iteration, values, best):
        # At once: trials write to the same pipe.
        os.write(1, f"told {job_id} {value} {iteration} {values} {best}\n".encode())

    (optimizer.start_locally if here else optimizer.start)(job_complete_callback=told)
    optimizer.wait()
    optimizer.stop()
    for one in optimizer.get_top_experiments_details(top_k=3):
        print("top", one["hyper_parameters"], one["metrics"]["loss/train"]["value"])
