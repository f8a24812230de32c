"""`clearml-task`: make a task of a script, a folder or a repository from the command line, and enqueue it."""

from __future__ import annotations

import argparse
import os

from clearml_sdk._version import __version__
from clearml_sdk.errors import ClearmlError
from clearml_sdk.task import Task
from clearml_sdk.task_types import TaskTypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="clearml-task",
        description="Make a task of existing code, without changing it; with --queue an agent runs it.",
    )
    add = made.add_argument
    add("--version", action="version", version=f"clearml-task {__version__}")
    add("--project", help="project of the task, made when it is new (needed unless --base-task-id is given)")
    add("--name", help="name of the task (needed unless --base-task-id is given)")
    add("--tags", nargs="*", default=[], metavar="TAG", help="tags of the task")
    add(
        "--import-offline-session",
        metavar="PATH",
        help="bring an offline session (folder or zip) to the server instead",
    )
    source = made.add_argument_group("code")
    add = source.add_argument
    add("--repo", help="URL of a repository")
    add("--folder", help="a working copy: its commit and its uncommitted changes are recorded")
    add("--branch", help="branch or tag (default: the repository's own)")
    add("--commit", help="commit (default: the newest; of a working copy, its own)")
    add("--script", help="script to run; relative to the repository, or a path")
    add("--module", help="module to run in place of a script: `package.module --its arguments`")
    add("--binary", help="what runs the script (default: this Python's name)")
    add("--cwd", help="directory to start in, relative to the repository or folder")
    add("--base-task-id", metavar="ID", help="start from a clone of this task")
    add("--skip-task-init", action="store_true", help="do not add a call of Task.init to the script")
    add("--skip-repo-detection", action="store_true", help="record the script whole, also inside a repository")
    run = made.add_argument_group("run")
    add = run.add_argument
    add("--args", nargs="*", default=[], metavar="NAME=VALUE", help="values of the script's arguments")
    add("--queue", help="queue to put the task into; without it the task stays a draft")
    add("--requirements", metavar="FILE", help="requirements file (default: the repository's own)")
    add("--packages", nargs="*", metavar="SPEC", help='requirements, such as "tqdm>=2.1"')
    add("--docker", metavar="IMAGE", help="container image to run in")
    add("--docker_args", metavar="ARGS", help="arguments of the container, one string")
    add("--docker_bash_setup_script", metavar="TEXT|FILE", help="shell script run in the container first")
    add("--output-uri", metavar="URI", help="where models and artifacts go")
    add("--task-type", choices=sorted(TaskTypes.__members__), default=None, help="type of the task (default: training)")
    return made


def read_arguments(pairs: Sequence[str]) -> list[tuple[str, str]]:
    """`name=value` texts as pairs. Raises ValueError naming the one that is none."""
    found = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (equals and name.strip("- ")):
            raise ValueError(f"--args takes NAME=VALUE, not {pair!r}")
        found.append((name.strip(), value))
    return found


def main(argv: list[str] | None = None) -> int:
    """Create the task, print its id and link, and enqueue it where a queue is given. Returns the exit status."""
    command = parser()
    given = command.parse_args(argv)
    if given.import_offline_session:
        return import_session(given.import_offline_session)
    if not given.base_task_id and not (given.project and given.name):
        command.error("a new task needs --project and --name (or --base-task-id, the task to start from)")
    if not given.base_task_id and not (given.script or given.module):
        command.error("what is to run? Give --script or --module (or --base-task-id)")
    if given.repo and given.folder:
        command.error("--repo is a repository elsewhere, --folder a working copy here: give one of them")
    if given.folder and not os.path.isdir(os.path.expanduser(given.folder)):
        command.error(f"there is no folder {given.folder}")
    try:
        task = create(given)
        print(f"New task created id={task.id}")
        if given.queue:
            Task.enqueue(task, queue_name=given.queue)
            print(f"Task id={task.id} sent for execution on queue {given.queue}")
        else:
            print("It is a draft; enqueue it when it is to run (Task.enqueue, or --queue next time).")
        print(f"Task log page: {task.get_output_log_web_page()}")
    except (ClearmlError, OSError, ValueError) as error:
        print(f"clearml-task: {error}")
        return 1
    return 0


def import_session(path: str) -> int:
    """Import an offline session, print the id of its task, and return the exit status."""
    try:
        print(f"Task id={Task.import_offline_session(path)} holds the session {path}")
    except (ClearmlError, OSError, ValueError) as error:
        print(f"clearml-task: {error}")
        return 1
    return 0


def create(given: argparse.Namespace) -> Task:
    """The task that the command line describes."""
    setup = given.docker_bash_setup_script
    if setup and os.path.isfile(os.path.expanduser(setup)):
        with open(os.path.expanduser(setup), encoding="utf-8") as file:
            setup = file.read()
    task = Task.create(
        project_name=given.project,
        task_name=given.name,
        task_type=given.task_type,
        repo=given.repo or given.folder,
        branch=given.branch,
        commit=given.commit,
        script=given.script,
        module=given.module,
        binary=given.binary,
        working_directory=given.cwd,
        packages=given.packages,
        requirements_file=given.requirements,
        docker=given.docker,
        docker_args=given.docker_args,
        docker_bash_setup_script=setup,
        argparse_args=read_arguments(given.args),
        base_task_id=given.base_task_id,
        add_task_init_call=not given.skip_task_init,
        detect_repository=not given.skip_repo_detection,
    )
    if given.output_uri:
        task.output_uri = given.output_uri
    if given.tags:
        task.add_tags(given.tags)
    return task
