"""What a pipeline's own task keeps beside the steps, and lets people edit: parameters, where steps run, the version."""

from __future__ import annotations

import os

from clearml_sdk import parameters, process_role
from clearml_sdk.automation.pipeline import project, state
from clearml_sdk.facade.properties import container
from clearml_sdk.script.packages import listed_requirements, read_requirements
from clearml_sdk.values import like

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from clearml_sdk.task import Task

ARGUMENTS, SETTINGS = "Args", "pipeline"
"""Sections of the pipeline's own parameters, and of how it runs."""


class Parameter:
    """A parameter of a pipeline: its default, and what people are told of it."""

    def __init__(self, default: Any, description: str | None, kind: str | None, section: str = ARGUMENTS) -> None:
        self.default, self.description, self.kind, self.section = default, description, kind, section


def connect_parameters(task: Task, known: Mapping[str, Parameter]) -> dict[str, Any]:
    """Store the parameters; in a remote run those that the task has already go before. Returns their values."""
    remote = process_role.running_remotely()
    before = parameters.read(task._record) if remote else {}
    values: dict[str, Any] = {}
    new = []
    for name, one in known.items():
        entry = (before.get(one.section) or {}).get(name)
        if entry is not None:
            values[name] = like(entry.get("value"), one.default, entry.get("type"))
        else:
            values[name] = one.default
            new.append(parameters.item(one.section, name, one.default, kind=one.kind, description=one.description))
    parameters.write(task._record, new)
    return values


def connect_settings(task: Task, values: Mapping[str, Any]) -> dict[str, Any]:
    """As `connect_parameters`, for how the pipeline runs."""
    return connect_parameters(task, {name: Parameter(value, None, None, SETTINGS) for name, value in values.items()})


def choose_version(task: Task, wanted: str | None, name: str) -> str:
    """The version of this run: its own if it has one, else as asked for, else one more than the newest there is."""
    runtime = task._record.read_fields("runtime").get("runtime") or {}
    if runtime.get(state.VERSION):
        return str(runtime[state.VERSION])
    if wanted:
        return wanted
    others = project.runs(task._record.session, task.project, name, ["runtime.version"])
    return project.next_version([str((one.get("runtime") or {}).get("version") or "") for one in others])


def store_version(task: Task, version: str, hash_: str, run: str) -> None:
    """Note version, hash and run: the version also where people see it."""
    task._record.change("runtime", {state.PIPELINE_HASH: f"{hash_}:{version}", state.VERSION: version, state.RUN: run})
    parameters.write(task._record, [parameters.item(parameters.PROPERTIES, "version", version)])


def describe_controller(
    task: Task,
    *,
    docker: tuple[Any, Any, Any],
    packages: bool | str | Sequence[str] | None,
    repository: tuple[str | None, str | None, str | None, str | None],
) -> None:
    """Store in which environment and from which repository the controller itself is to run elsewhere."""
    fields: dict[str, Any] = {}
    if any(docker):
        fields["container"] = container(*docker)
    repo, branch, commit, folder = repository
    script: dict[str, Any] = {}
    for key, value in (("repository", repo), ("branch", branch), ("version_num", commit), ("working_dir", folder)):
        if value:
            script[key] = value
    if isinstance(packages, str) and os.path.isfile(packages):
        script["requirements"] = read_requirements(packages)
    elif packages and packages is not True:
        script["requirements"] = listed_requirements([packages] if isinstance(packages, str) else list(packages))
    if not fields and not script:
        return
    run = task._run
    if run is not None:
        run.settle()  # what is recorded of this process comes first, or it would replace this
    if script:
        fields["script"] = script
    task._record.edit(**fields)
