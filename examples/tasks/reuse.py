"""A second run of the same name takes the place of the first, unless the first left an artifact or a model."""

from clearml import Task

first = Task.init(project_name="examples", task_name="reuse")
first.get_logger().report_scalar("loss", "train", value=0.5, iteration=0)
first.close()

second = Task.init(project_name="examples", task_name="reuse")
print("the same task:", second.id == first.id)
second.upload_artifact("result", {"loss": 0.4})
second.close()

third = Task.init(project_name="examples", task_name="reuse")
print("a new task:", third.id != second.id)
third.close()
