"""A service of one's own: `Monitor` calls `process_task` for each task that ends in failure."""

from clearml import Task
from clearml.automation.monitor import Monitor


class Failures(Monitor):
    def get_query_parameters(self) -> dict:
        return {"status": ["failed"]}

    def process_task(self, task: Task) -> None:
        print(f"{task.name} ({task.id}) failed: {task.data.status_reason}", flush=True)


monitor = Failures()
monitor.set_projects(project_names_re=["^examples"])
monitor.monitor(pool_period=15.0)
