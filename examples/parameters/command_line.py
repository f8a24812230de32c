"""argparse: every argument is a parameter of the task, with its type and help, without a line more."""

import argparse

from clearml import Task

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1, help="learning rate")
parser.add_argument("--layers", type=int, nargs="+", default=[16, 8])
parser.add_argument("--optimizer", choices=["sgd", "adam"], default="sgd")
parser.add_argument("--amp", action="store_true", help="mixed precision")
parser.add_argument("--no-augment", dest="augment", action="store_false")
parser.add_argument("--name", default=None)
parser.add_argument("--tag", action="append")
parser.add_argument("data", nargs="?", default="mnist")

Task.init(project_name="examples", task_name="command line", reuse_last_task_id=False)
arguments = parser.parse_args(["--lr", "0.5", "--amp", "--tag", "a", "--tag", "b", "cifar"])
print(vars(arguments))
