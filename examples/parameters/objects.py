"""Parameters of a class: of its attributes, of an object's, and of `TaskParameters` with checks of their values."""

from clearml import Task
from clearml.task_parameters import TaskParameters, param, percent_param


class Settings:
    lr = 0.1
    epochs = 3
    layers = (16, 8)


class Optimizer:
    def __init__(self):
        self.kind = "adam"
        self.momentum = 0.9


class Limits(TaskParameters):
    iterations = param(type=int, desc="how many at most", range=(0, 100000))
    target = percent_param(desc="accuracy to stop at")


task = Task.init(project_name="examples", task_name="objects", reuse_last_task_id=False)
task.connect(Settings, name="Settings")
task.connect(Optimizer(), name="Optimizer")
limits = Limits(iterations=100, target=0.9)
task.connect(limits)
print(Settings.lr, limits.iterations, limits.target)
task.close()
