"""A model from elsewhere is the starting point of a task."""

from clearml import InputModel, OutputModel, Task

task = Task.init(project_name="examples", task_name="input model", reuse_last_task_id=False)
start = InputModel.import_model(
    weights_url="https://models.example.com/resnet18.pt", name="resnet 18", framework="PyTorch", tags=["imported"],
    label_enumeration={"cat": 0}, config_dict={"depth": 18}, comment="from the zoo",
)  # fmt: skip
task.connect(start)
print(start.name, start.url, task.input_models_id == {start.name: start.id})
tuned = OutputModel(task=task, name="tuned", base_model_id=start.id)
tuned.update_weights(register_uri="https://models.example.com/tuned.pt")
print(Task.get_task(task_id=task.id).models.output["tuned"].url)
task.close()
