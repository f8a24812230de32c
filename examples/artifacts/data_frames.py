"""Data frames: stored in the format of choice, and one that is kept up to date while the task runs."""

import pandas as pd
from clearml import Task

task = Task.init(project_name="examples", task_name="data frames", reuse_last_task_id=False)
frame = pd.DataFrame({"loss": [0.5, 0.25], "name": ["a", "b"]}, index=pd.Index([1, 2], name="epoch"))
task.upload_artifact("frame", frame)
task.upload_artifact("pickled", frame, extension_name=".pickle", wait_on_upload=True)

watched = pd.DataFrame({"sample": ["x", "y"], "used": [1, 0]})
task.register_artifact("samples", watched, metadata={"split": "train"}, uniqueness_columns=["sample"])
watched.loc[2] = ["z", 3]
task.get_registered_artifacts()["samples"].loc[3] = ["w", 4]
task.flush(wait_for_uploads=True)
task.unregister_artifact("samples")

stored = Task.get_task(task_id=task.id).artifacts
print(stored["frame"].get().to_dict())
print(stored["pickled"].get().to_dict())
print(sorted(stored))
task.close()
