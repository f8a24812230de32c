"""argparse with subcommands, parsed before the task begins; secrets are left out."""

import argparse

from clearml import Task

parser = argparse.ArgumentParser()
parser.add_argument("--verbose", type=int, default=0)
parser.add_argument("--password", default="not recorded")
commands = parser.add_subparsers(dest="command")
train = commands.add_parser("train")
train.add_argument("--epochs", type=int, default=3)
test = commands.add_parser("test")
test.add_argument("--split", default="val")
arguments = parser.parse_args(["--verbose", "2", "train", "--epochs", "5"])

Task.init(
    project_name="examples", task_name="subcommands", reuse_last_task_id=False,
    auto_connect_arg_parser={"password": False},
)  # fmt: skip
print(arguments.command, arguments.epochs)
