"""A dictionary is connected: its values are parameters, and what is set later is recorded too."""

from clearml import Task

task = Task.init(project_name="examples", task_name="dictionary", reuse_last_task_id=False)
settings = task.connect(
    {
        "lr": 0.1,
        "epochs": 3,
        "shuffle": True,
        "name": "a b",
        "nothing": None,
        "layers": [16, 8],
        "size": (28, 28),
        "optimizer": {"kind": "sgd", "momentum": {"value": 0.9, "nesterov": False}},
        "empty": {},
        "one of": {"a": 1, "b/c": 2},
    }
)
settings["epochs"] = 5
settings["optimizer"]["kind"] = "adam"
settings["added"] = "later"
task.connect({"workers": 2, "pin": False}, name="Loader")
print(settings["lr"], settings["layers"], settings["size"])
print(task.get_parameter("General/epochs", cast=True), task.get_parameters(cast=True)["Loader/pin"])
task.close()
