"""Whole configurations: dictionaries and files, each under a name, editable as text in a copy of the task."""

import json
from pathlib import Path

from clearml import Task

task = Task.init(project_name="examples", task_name="configurations", reuse_last_task_id=False)
network = task.connect_configuration({"depth": 3, "blocks": [{"width": 16}, {"width": 8}]}, name="network")
Path("data.json").write_text(json.dumps({"folder": "train", "size": [28, 28]}))
Path("augment.yaml").write_text("flip: true\nrotate: 15\n")
Path("notes.txt").write_text("first run\nof three\n")
data = task.connect_configuration("data.json", name="data", description="what is read")
augment = task.connect_configuration(Path("augment.yaml"), name="augment")
task.connect_configuration("notes.txt")
task.set_configuration_object("service", config_text="port = 80", description="set as text", config_type="hocon")
print(network["depth"], json.loads(Path(data).read_text())["folder"], Path(augment).read_text().splitlines())
print(json.dumps(task.get_configuration_object_as_dict("network")))
print(sorted(task.get_configuration_objects()))
task.close()
