"""One function of this script as a task of its own, its arguments as parameters."""

from clearml import Task


def evaluate(threshold=0.5, split="test"):
    print(f"evaluating {split} at {threshold}")


task = Task.init(project_name="examples", task_name="function task", reuse_last_task_id=False)
task.flush(wait_for_uploads=True)
made = task.create_function_task(evaluate, func_name="evaluate", task_name="function task: evaluate", threshold=0.7)
print(made.name, made.get_status(), made.get_parameter("Function/threshold"))
task.close()
