"""Launch a copy of a task every night and another one on the last day of each month; call a function every hour.

`python nightly.py TASK_ID` looks after the schedule here; with `--remotely` an agent does that serves `services`:
`clearml-agent daemon --services-mode --queue services`.
"""

import argparse

from clearml import Task
from clearml.automation import TaskScheduler


def report() -> None:
    running = Task.query_tasks(task_filter={"status": ["in_progress"]})
    print(f"{len(running)} tasks run")


parser = argparse.ArgumentParser()
parser.add_argument("task", help="id of the task to copy")
parser.add_argument("--queue", default="default")
parser.add_argument("--remotely", action="store_true")
task = Task.init(project_name="examples", task_name="nightly", task_type=Task.TaskTypes.service)
arguments = parser.parse_args()

scheduler = TaskScheduler(sync_frequency_minutes=1)
scheduler.add_task(
    arguments.task, queue=arguments.queue, name="nightly", day=1, hour=3, minute=30, single_instance=True
)
scheduler.add_task(
    arguments.task,
    queue=arguments.queue,
    name="monthly",
    month=1,
    day=31,
    hour=22,
    target_project="examples/monthly",
    limit_execution_time=4,
)
scheduler.add_task(schedule_function=report, name="report", hour=1)
if arguments.remotely:
    scheduler.start_remotely(queue="services")
else:
    scheduler.start()
