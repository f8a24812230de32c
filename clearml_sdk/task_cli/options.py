"""The command line of `clearml-task`."""

from __future__ import annotations

import argparse
import os

from clearml_sdk._version import __version__
from clearml_sdk.command_line import Parser
from clearml_sdk.task_types import TaskTypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    made = Parser(
        prog="clearml-task",
        description="Make a task of existing code, without changing it; with --queue an agent runs it.",
        examples=(
            "clearml-task --project demo --name first --script train.py --args lr=0.1 --queue default",
            "clearml-task --project demo --name second --folder ~/project --script src/train.py",
            "clearml-task --project demo --name third --repo https://host/team/code.git --script train.py",
            "clearml-task --base-task-id ID --args lr=0.2 --queue default --follow",
        ),
    )
    add = made.add_argument
    add("--version", action="version", version=f"clearml-task {__version__}")
    add("--project", help="project of the task, made when it is new (needed unless --base-task-id is given)")
    add("--name", help="name of the task (needed unless --base-task-id is given)")
    add("--tags", nargs="*", default=[], metavar="TAG", help="tags of the task")
    add("--import-offline-session", metavar="PATH", help="bring an offline session (folder or zip) to the server")
    add("--dry-run", action="store_true", help="print what the task would be, and make nothing")
    add("--follow", action="store_true", help="print the console until the task ends, and exit with its code")
    add("--json", action="store_true", help="print the outcome as one JSON object")
    _add_code(made.add_argument_group("code"))
    _add_run(made.add_argument_group("run"))
    _add_pipeline(made.add_argument_group("pipeline"))
    return made


def _add_code(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--repo", help="URL of a repository")
    add("--folder", help="a working copy: its commit and its uncommitted changes are recorded")
    add("--branch", help="branch or tag (default: the repository's own)")
    add("--commit", help="commit (default: the newest; of a working copy, its own)")
    add("--script", help="script or notebook to run; relative to the repository, or a path")
    add("--module", help="module to run in place of a script: `package.module --its arguments`")
    add("--binary", help="what runs the script (default: this Python's name)")
    add(
        "--cwd",
        help="directory to start in, relative to the root of the repository or folder",
    )
    add("--base-task-id", metavar="ID", help="start from a clone of this task")
    add("--skip-task-init", action="store_true", help="do not add a call of Task.init to the script")
    add("--skip-repo-detection", action="store_true", help="record the script whole, also inside a repository")


def _add_run(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--args", nargs="*", default=[], metavar="NAME=VALUE", help="values of the script's arguments")
    add("--queue", help="queue to put the task into; without it the task stays a draft")
    add("--requirements", metavar="FILE", help="requirements file (default: the repository's own)")
    add("--packages", nargs="*", metavar="SPEC", help='requirements, such as "tqdm>=2.1"')
    add("--force-no-requirements", action="store_true", help="install nothing, whatever else asks for it")
    add("--skip-python-env-install", action="store_true", help="run with the Python of the container or machine")
    add("--docker", metavar="IMAGE", help="container image to run in")
    add("--docker_args", metavar="ARGS", help="arguments of the container, one string")
    add("--docker_bash_setup_script", metavar="TEXT|FILE", help="shell script run in the container first")
    add("--output-uri", metavar="URI", help="where models and artifacts go")
    add("--task-type", choices=sorted(TaskTypes.__members__), default=None, help="type of the task (default: training)")


def _add_pipeline(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--pipeline", action="store_true", help="the code is a pipeline's: its task is a run of the pipeline --name")
    add("--pipeline-version", metavar="VERSION", help="version of the pipeline (default: 1.0.0)")
    add("--pipeline-dont-add-run-number", action="store_true", help="call each run the same, not `name #2` and so on")


def check(command: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    """Exit with a word about options that do not go together."""
    if not given.base_task_id and not (given.project and given.name):
        command.error("a new task needs --project and --name (or --base-task-id, the task to start from)")
    if not given.base_task_id and not (given.script or given.module):
        command.error("what is to run? Give --script or --module (or --base-task-id)")
    if given.repo and given.folder:
        command.error("--repo is a repository elsewhere, --folder a working copy here: give one of them")
    if given.folder and not os.path.isdir(os.path.expanduser(given.folder)):
        command.error(f"there is no folder {given.folder}")
    if given.pipeline and given.base_task_id:
        command.error("--pipeline makes a run of code, --base-task-id clones a task: give one of them")
    if given.follow and not given.queue:
        command.error("--follow needs --queue: a draft runs nowhere")


def read_arguments(pairs: Sequence[str]) -> list[tuple[str, str]]:
    """`name=value` texts as pairs. Raises ValueError naming the one that is none."""
    found = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (equals and name.strip("- ")):
            raise ValueError(f"--args takes NAME=VALUE, not {pair!r}")
        found.append((name.strip(), value))
    return found
