"""A model with weights, a design, labels, tags and metadata, published for others to use."""

import numpy as np
from clearml import InputModel, Model, OutputModel, Task

task = Task.init(project_name="examples", task_name="output model", reuse_last_task_id=False, output_uri=True)
model = OutputModel(
    task=task, name="classifier", tags=["small"], comment="two classes", framework="PyTorch",
    config_dict={"layers": [16, 2]}, label_enumeration={"cat": 0, "dog": 1},
)  # fmt: skip
np.save("weights.npy", np.arange(4.0))
model.update_weights("weights.npy", iteration=3, auto_delete_file=False)
model.set_metadata("accuracy", "0.93", "float")
model.set_all_metadata({"epochs": {"type": "int", "value": "3"}}, replace=False)
task.flush(wait_for_uploads=True)
model.publish()

found = Model(model_id=model.id)
print(found.name, found.framework, found.labels, found.tags, found.published, found.get_all_metadata_casted())
print(np.load(found.get_local_copy()).tolist(), dict(InputModel(model.id).config_dict))
print([one.name for one in Task.get_task(task_id=task.id).models["output"]])
task.close()
