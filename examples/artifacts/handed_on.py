"""One task's artifact is another's input; what is not needed any more is deleted."""

from clearml import Task

maker = Task.init(project_name="examples", task_name="handed on", reuse_last_task_id=False)
maker.upload_artifact("numbers", {"n": [1, 2, 3]}, wait_on_upload=True)
maker.upload_artifact("scratch", "not needed", wait_on_upload=True)
maker.delete_artifacts(["scratch"])
maker.close()

user = Task.init(project_name="examples", task_name="taken up", reuse_last_task_id=False)
made = Task.get_task(task_id=maker.id)
numbers = made.artifacts["numbers"]
print(numbers.type, numbers.size, numbers.mode, sorted(made.artifacts), sum(numbers.get()["n"]))
user.set_parent(maker.id)
user.close()
