"""Every call of the server's API: `APIClient` answers objects and lists of them."""

from clearml import Task
from clearml.backend_api.session.client import APIClient

task = Task.init(project_name="examples", task_name="API client", reuse_last_task_id=False)
task.get_logger().report_scalar("loss", "train", value=0.5, iteration=0)
task.flush(wait_for_uploads=True)
client = APIClient()
found = client.tasks.get_all(id=[task.id], only_fields=["id", "name", "status"])
print(len(found), found[0].name, found[0].status)
data = client.tasks.get_by_id(task=task.id)
print(data.name, data.type, data.data.project == task.project)
project = client.projects.get_by_id(project=task.project)
print(project.name)
client.tasks.edit(task=task.id, comment="set through the API", force=True)
task.reload()
print(task.comment)
task.close()
