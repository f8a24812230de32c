"""A task as a dictionary: to look into, to keep, to make another task from."""

from clearml import Task

task = Task.init(project_name="examples", task_name="export and import", reuse_last_task_id=False)
task.connect({"lr": 0.1})
task.set_comment("exported")
task.flush(wait_for_uploads=True)
data = task.export_task()
print(data["name"], data["type"], sorted(data["hyperparams"]))
data["name"] = "export and import: imported"
data["hyperparams"]["General"]["lr"]["value"] = "0.2"
copy = Task.import_task(data)
print(copy.name, copy.get_status(), copy.get_parameter("General/lr"))
copy.update_task({"comment": "changed after the import"})
task.close()
