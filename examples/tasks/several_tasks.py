"""One process, several tasks: each is closed before the next begins, and each has a log of its own."""

from clearml import Task

for seed in (1, 2):
    task = Task.init(project_name="examples", task_name=f"several tasks, seed {seed}", reuse_last_task_id=False)
    task.connect({"seed": seed})
    print(f"training with seed {seed}")
    task.get_logger().report_scalar("loss", "train", value=1 / seed, iteration=0)
    task.close()
