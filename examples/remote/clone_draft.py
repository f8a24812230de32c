"""`execute_remotely` with a clone: the copy is the draft, and this run ends as it is."""

from clearml import Task

task = Task.init(project_name="examples", task_name="remote clone", reuse_last_task_id=False)
task.connect({"lr": 0.1})
print("this run ends here, the copy goes on")
task.execute_remotely(queue_name=None, clone=True, exit_process=True)
print("only an agent comes here")
