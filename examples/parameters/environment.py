"""Variables of the environment that are recorded: those that CLEARML_LOG_ENVIRONMENT names."""

import os

os.environ["CLEARML_LOG_ENVIRONMENT"] = "EXAMPLE_*,EXAMPLES_FOLDER"
os.environ["EXAMPLE_SEED"] = "7"
os.environ["EXAMPLE_MODE"] = "fast"
os.environ["EXAMPLES_FOLDER"] = "data"

from clearml import Task

task = Task.init(project_name="examples", task_name="environment", reuse_last_task_id=False)
print(sorted(name for name in task.get_parameters() if name.startswith("Environment/EXAMPLE")))
task.close()
