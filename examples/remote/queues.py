"""Queues through the API: made, filled, reordered and emptied."""

from uuid import uuid4

from clearml import Task
from clearml.backend_api.session.client import APIClient

task = Task.init(project_name="examples", task_name="queues", reuse_last_task_id=False)
client = APIClient()
queue = client.queues.create(name=f"example-{uuid4().hex}", tags=["example"])
drafts = [Task.create(project_name="examples", task_name=f"queues: draft {n}") for n in range(2)]
for draft in drafts:
    Task.enqueue(draft, queue_id=queue.id)
print("waiting:", Task.get_num_enqueued_tasks(queue_id=queue.id), [draft.get_status() for draft in drafts])
client.queues.move_task_to_front(queue=queue.id, task=drafts[1].id)
entries = client.queues.get_by_id(queue=queue.id).entries
print("first is the second:", entries[0].task == drafts[1].id)
for draft in drafts:
    Task.dequeue(draft)
print("waiting:", Task.get_num_enqueued_tasks(queue_id=queue.id), [draft.get_status() for draft in drafts])
client.queues.delete(queue=queue.id)
task.close()
