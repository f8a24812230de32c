"""Tasks are found by tags, names, types, statuses and texts."""

from uuid import uuid4

from clearml import Task

task = Task.init(project_name="examples", task_name="find tasks")
run = uuid4().hex  # so that only what this run makes is found
for name, kind, tags in (
    ("resnet 18", "training", ["vision", "small"]),
    ("resnet 152", "training", ["vision", "large"]),
    ("check of resnet 18", "testing", ["vision"]),
):
    made = Task.create(project_name="examples/found", task_name=name, task_type=kind)
    made.set_tags([run, *tags])
    made.set_comment(f"made to be found: {name}")


def names(**query):
    found = Task.get_tasks(tags=["__$all", run, *query.pop("tags", [])], **query)
    return sorted(one.name for one in found)


print("all:", names())
print("by project:", names(project_name="examples/found"))
print("by name:", names(task_name="^resnet"))
print("without the large ones:", names(tags=["__$not", "large"]))
print("by type:", names(task_filter={"type": ["testing"]}))
print("by status:", names(task_filter={"status": ["completed"]}))
print("by text:", names(task_filter={"search_text": "found: resnet 1[58]"}))
print("in order:", [one.name for one in Task.get_tasks(tags=[run], task_filter={"order_by": ["-name"]})])
rows = Task.query_tasks(tags=[run], additional_return_fields=["name", "type"], task_filter={"order_by": ["name"]})
print("fields:", [(row["name"], str(row["type"])) for row in rows])
task.close()
