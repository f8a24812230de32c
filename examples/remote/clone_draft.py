"""`execute_remotely` with a clone: this run goes on, and the copy is the draft."""

from clearml import Task

task = Task.init(project_name="examples", task_name="remote clone", reuse_last_task_id=False)
task.connect({"lr": 0.1})
copy = task.execute_remotely(queue_name=None, clone=True, exit_process=False)
print("the copy:", copy.get_status())
print("this run goes on")
task.close()
