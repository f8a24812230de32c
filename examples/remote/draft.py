"""Record the script here, run it elsewhere: `execute_remotely` without a queue leaves a draft to be enqueued later."""

from clearml import Task

task = Task.init(project_name="examples", task_name="remote draft", reuse_last_task_id=False)
settings = task.connect({"lr": 0.1, "epochs": 100})
task.set_base_docker("python:3.12", docker_arguments=["--ipc=host"])
print("printed here and in the remote run")
task.execute_remotely(queue_name=None, exit_process=True)
print("printed in the remote run alone:", settings)
