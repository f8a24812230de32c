"""Properties of a task: small facts, editable at any time, also when the task has ended."""

from clearml import Task

task = Task.init(project_name="examples", task_name="user properties", reuse_last_task_id=False)
task.set_user_properties(
    {"name": "dataset", "description": "where the data come from", "value": "v2", "type": "str"},
    reviewer="Ann",
    accepted=True,
    score=0.93,
)
print(sorted(task.get_user_properties(value_only=True).items()))
task.close()

ended = Task.get_task(task_id=task.id)
ended.set_user_properties(reviewer="Ben")
ended.delete_user_properties([("properties", "accepted")])
