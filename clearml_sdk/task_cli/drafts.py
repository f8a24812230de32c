"""The task that a command line describes: made as a draft, or only told."""

from __future__ import annotations

import os

from clearml_sdk.creation import CodeWish, changed_section, script_section
from clearml_sdk.task import Task
from clearml_sdk.task_cli.options import read_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

SKIP_INSTALL = "-e CLEARML_AGENT_SKIP_PYTHON_ENV_INSTALL=1"


def create(given: argparse.Namespace) -> Task:
    """The draft. Raises ClearmlError, OSError, ValueError."""
    common = {**_code(given), **_container(given), "argparse_args": read_arguments(given.args)}
    if given.pipeline:
        from clearml_sdk.automation import PipelineController

        made = PipelineController.create(
            project_name=given.project,
            task_name=given.name,
            version=given.pipeline_version,
            add_run_number=not given.pipeline_dont_add_run_number,
            **common,
        )
        task: Task = made.task
    else:
        task = Task.create(
            project_name=given.project,
            task_name=given.name,
            task_type=given.task_type,
            base_task_id=given.base_task_id,
            add_task_init_call=not given.skip_task_init,
            **common,
        )
    if given.force_no_requirements:
        task._record.edit(script={"requirements": {"pip": ""}})
    if given.output_uri:
        task.output_uri = given.output_uri
    if given.tags:
        task.add_tags(given.tags)
    return task


def describe(given: argparse.Namespace) -> dict[str, Any]:
    """What `create` would make, without making it: nothing is asked of a server."""
    wish = CodeWish(add_task_init_call=not (given.skip_task_init or given.pipeline), **_code(given))
    script: dict[str, Any] = {}
    if not given.base_task_id or given.repo or given.folder or given.script or given.module:
        section, requirements = script_section(wish)
        script = {**section, **({"requirements": requirements} if requirements is not None else {})}
    else:
        script = changed_section(wish)
    if given.force_no_requirements:
        script["requirements"] = {"pip": ""}
    told = {
        "project": given.project,
        "name": given.name,
        "type": "controller" if given.pipeline else given.task_type or (None if given.base_task_id else "training"),
        "base_task": given.base_task_id,
        "tags": given.tags,
        "script": script,
        "container": {key: value for key, value in _container(given).items() if value},
        "arguments": dict(read_arguments(given.args)),
        "output_uri": given.output_uri,
        "queue": given.queue,
    }
    return {key: value for key, value in told.items() if value}


def _code(given: argparse.Namespace) -> dict[str, Any]:
    return {
        "repo": given.repo or given.folder,
        "branch": given.branch,
        "commit": given.commit,
        "script": given.script,
        "module": given.module,
        "binary": given.binary,
        "working_directory": given.cwd,
        "packages": [] if given.force_no_requirements else given.packages,
        "requirements_file": None if given.force_no_requirements else given.requirements,
        "detect_repository": not given.skip_repo_detection,
    }


def _container(given: argparse.Namespace) -> dict[str, Any]:
    setup = given.docker_bash_setup_script
    if setup and os.path.isfile(os.path.expanduser(setup)):
        with open(os.path.expanduser(setup), encoding="utf-8") as file:
            setup = file.read()
    arguments = given.docker_args
    if given.skip_python_env_install:
        arguments = f"{arguments} {SKIP_INSTALL}" if arguments else SKIP_INSTALL
    return {"docker": given.docker, "docker_args": arguments, "docker_bash_setup_script": setup}
