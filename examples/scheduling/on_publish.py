"""When a model is published, launch a task with the model's id in its parameters; when a task fails, say so."""

import argparse

from clearml import Task
from clearml.automation import TriggerScheduler


def failed(task_id: str) -> None:
    task = Task.get_task(task_id=task_id)
    print(f"{task.name} failed: {task.get_output_log_web_page()}")


parser = argparse.ArgumentParser()
parser.add_argument("task", help="id of the task to copy: it has a parameter Args/model")
parser.add_argument("--queue", default="default")
parser.add_argument("--project", default="examples", help="of the models and tasks that are watched")
task = Task.init(project_name="examples", task_name="on publish", task_type=Task.TaskTypes.service)
arguments = parser.parse_args()

triggers = TriggerScheduler(pooling_frequency_minutes=1)
triggers.add_model_trigger(
    schedule_task_id=arguments.task,
    schedule_queue=arguments.queue,
    trigger_project=arguments.project,
    trigger_on_publish=True,
    task_parameters={"Args/model": "${model.id}"},
    name="evaluate",
)
triggers.add_task_trigger(
    schedule_function=failed, trigger_project=arguments.project, trigger_on_status=["failed"], name="failed"
)
triggers.start()
