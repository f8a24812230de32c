"""A model of several files, reports of its own, and how models are found."""

from pathlib import Path
from uuid import uuid4

from clearml import Model, OutputModel, Task

task = Task.init(project_name="examples", task_name="model of files", reuse_last_task_id=False, output_uri=True)
run = uuid4().hex
model = OutputModel(task=task, name="of files", framework="Keras", tags=[run])
Path("saved").mkdir(exist_ok=True)
for name in ("weights.bin", "vocabulary.txt"):
    Path("saved", name).write_text(f"content of {name}\n")
model.update_weights_package(weights_path="saved", auto_delete_file=False)
model.report_scalar("size", "files", value=2, iteration=0)
model.report_single_value("files", 2)
task.flush(wait_for_uploads=True)

found = Model.query_models(tags=[run], include_archived=True)
print([one.name for one in found], sorted(Path(name).name for name in found[0].get_weights_package()))
task.close()
