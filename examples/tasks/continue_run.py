"""A run goes on where it stopped: what is reported next counts on from the last iteration."""

from clearml import Task


def train(task: Task, start: float) -> None:
    for epoch in range(3):
        task.get_logger().report_scalar("loss", "train", value=start / (epoch + 1), iteration=epoch)


task = Task.init(project_name="examples", task_name="continue run", reuse_last_task_id=False)
train(task, start=1.0)
task.close()

task = Task.init(project_name="examples", task_name="continue run", continue_last_task=task.id)
print("counting on from iteration", task.get_initial_iteration())
train(task, start=0.3)
task.close()
