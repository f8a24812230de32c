"""A script that ends with an exception leaves a failed task, with the traceback in its console."""

from clearml import Task

task = Task.init(project_name="examples", task_name="exception", reuse_last_task_id=False)
task.get_logger().report_scalar("loss", "train", value=0.5, iteration=0)
print("about to fail")
raise ValueError("this example fails on purpose")
