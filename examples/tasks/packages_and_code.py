"""What is recorded of the code can be directed: packages added and left out, the script itself, a container."""

import json

import numpy as np
from clearml import Task

Task.add_requirements("requests", ">=2.20")
Task.add_requirements("tqdm", "")
Task.ignore_requirements("numpy")
Task.force_store_standalone_script()
task = Task.init(project_name="examples", task_name="packages and code", reuse_last_task_id=False)
task.set_base_docker("python:3.12-slim --ipc=host")
print(json.dumps({"mean": float(np.mean([1, 2, 3]))}))
task.close()
