"""TensorBoard: what a writer writes is reported to the task as well."""

from clearml import Task
from tensorboardX import SummaryWriter

Task.init(project_name="examples", task_name="tensorboard")
with SummaryWriter("runs/train") as writer:
    for step in range(10):
        writer.add_scalar("loss/train", 1 / (step + 1), step)
        writer.add_scalar("accuracy", step / 10, step)
    writer.add_hparams({"lr": 0.1}, {"best": 0.9})
with SummaryWriter("runs/test") as writer:
    for step in range(10):
        writer.add_scalar("accuracy", step / 11, step)
