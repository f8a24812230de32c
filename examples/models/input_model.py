"""A model from elsewhere is the starting point of a task."""

from uuid import uuid4

from clearml import InputModel, OutputModel, Task

shelf = f"https://models.example.com/{uuid4().hex}"
task = Task.init(project_name="examples", task_name="input model", reuse_last_task_id=False)
start = InputModel.import_model(
    weights_url=f"{shelf}/resnet18.pt", name="resnet 18", framework="PyTorch", tags=["imported"],
    label_enumeration={"cat": 0}, config_dict={"depth": 18}, comment="from the zoo",
)  # fmt: skip
task.connect(start)
print(start.name, start.url == f"{shelf}/resnet18.pt", task.input_models_id == {start.name: start.id})
tuned = OutputModel(task=task, name="tuned", base_model_id=start.id)
tuned.update_weights(register_uri=f"{shelf}/tuned.pt")
task.flush(wait_for_uploads=True)
print(sorted(Task.get_task(task_id=task.id).models["output"].keys()))
task.close()
