"""A task made of a repository, without running its code."""

from clearml import Task

task = Task.create(
    project_name="examples", task_name="created", task_type="testing",
    repo="https://git.example.com/team/models.git", branch="main", commit="0" * 40, script="train.py",
    working_directory="src", packages=["numpy==2.0.0", "requests"],
    docker="python:3.12", docker_args="--ipc=host", docker_bash_setup_script="apt update\ntrue",
    argparse_args=[("lr", 0.1), ("name", "first")],
    add_task_init_call=False,
)  # fmt: skip
task.set_parameters({"Args/lr": 0.2})
print(task.get_script(), task.get_status())
