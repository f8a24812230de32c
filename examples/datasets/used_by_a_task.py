"""A task that uses a dataset: which version it was is recorded with it, and can be chosen for a remote run."""

import tempfile
from pathlib import Path

from clearml import Dataset, Task

folder = Path(tempfile.mkdtemp())
(folder / "values.txt").write_text("1\n2\n3\n")
made = Dataset.create(dataset_name="values", dataset_project="examples")
made.add_files(folder)
made.upload(show_progress=False)
made.finalize()

task = Task.init(project_name="examples", task_name="sums values", reuse_last_task_id=False)
data = Dataset.get(dataset_project="examples", dataset_name="values", alias="values", overridable=True)
lines = (Path(data.get_local_copy()) / "values.txt").read_text().split()
task.get_logger().report_single_value("sum", sum(int(line) for line in lines))
print("recorded", task.get_parameters()["Datasets/values"] == made.id, "sum", sum(int(line) for line in lines))
task.close()
