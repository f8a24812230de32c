"""The least loss over a grid of two parameters; each trial is a process of this machine."""

from clearml import Task
from clearml.automation import (
    DiscreteParameterRange,
    GridSearch,
    HyperParameterOptimizer,
    UniformIntegerParameterRange,
)

CODE = """
from clearml import Task
task = Task.init()
values = task.connect({"x": 0, "kind": "plain"})
loss = (values["x"] - 3) ** 2 + (0.5 if values["kind"] == "double" else 0.0)
task.get_logger().report_scalar("loss", "train", loss, iteration=1)
"""

if __name__ == "__main__":
    base = Task.create(project_name="examples", task_name="parabola", packages=["clearml"])
    base.set_script(entry_point="parabola.py", diff=CODE, working_dir=".")
    task = Task.init(project_name="examples", task_name="search", task_type=Task.TaskTypes.optimizer)
    optimizer = HyperParameterOptimizer(
        base_task_id=base.id,
        hyper_parameters=[
            UniformIntegerParameterRange("General/x", 1, 5),
            DiscreteParameterRange("General/kind", values=["plain", "double"]),
        ],
        objective_metric_title="loss",
        objective_metric_series="train",
        objective_metric_sign="min",
        optimizer_class=GridSearch,
        max_number_of_concurrent_tasks=4,
        total_max_jobs=10,
    )
    optimizer.start_locally()  # start(): trials in a queue
    optimizer.wait()
    optimizer.stop()
    for trial in optimizer.get_top_experiments_details(top_k=3):
        print(trial["hyper_parameters"], trial["metrics"]["loss/train"]["value"])
