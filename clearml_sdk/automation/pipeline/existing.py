"""`PipelineController`: pipelines that are there already - found, copied, enqueued, made of code elsewhere."""

from __future__ import annotations

import json

from clearml_sdk import queueing
from clearml_sdk.automation.pipeline import project as projects
from clearml_sdk.automation.pipeline import running, state, task_settings
from clearml_sdk.automation.pipeline.asking import Asking
from clearml_sdk.automation.pipeline.base import ControllerBase
from clearml_sdk.task import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

SERVICES = "services"
"""The queue of controllers."""


class Existing(Asking):
    """Runs of pipelines on the server."""

    @classmethod
    def get(
        cls,
        pipeline_id: str | None = None,
        pipeline_project: str | None = None,
        pipeline_name: str | None = None,
        pipeline_version: str | None = None,
        pipeline_tags: Sequence[str] | None = None,
        shallow_search: bool = False,
    ) -> Self:
        """A run of a pipeline: by id, else the newest that matches. Raises ValueError when there is none.

        shallow_search: look at the newest hundred runs only.
        """
        task = running.find(
            pipeline_id, pipeline_project, pipeline_name, pipeline_version, pipeline_tags, shallow=shallow_search
        )
        return cls._of_task(task)

    @classmethod
    def _of_task(cls, task: Task) -> Self:
        found = cls.__new__(cls)
        found._start_values()
        found._task, found._name = task, task.name
        found._refresh()
        found._values = {
            name.partition("/")[2]: value
            for name, value in (task.get_parameters(cast=True) or {}).items()
            if name.startswith(f"{task_settings.ARGUMENTS}/")
        }
        return found

    @classmethod
    def create(
        cls,
        project_name: str,
        task_name: str,
        repo: str | None = None,
        branch: str | None = None,
        commit: str | None = None,
        script: str | None = None,
        working_directory: str | None = None,
        packages: bool | Sequence[str] | None = None,
        requirements_file: Any = None,
        docker: str | None = None,
        docker_args: str | None = None,
        docker_bash_setup_script: str | None = None,
        argparse_args: Sequence[tuple[str, str]] | None = None,
        force_single_script_file: bool = False,
        version: str | None = None,
        add_run_number: bool = True,
        binary: str | None = None,
        module: str | None = None,
        detect_repository: bool = True,
    ) -> Self:
        """A draft of a pipeline whose code is somewhere else, ready to be enqueued. As `Task.create`."""
        full_name = projects.project_name(project_name, task_name)
        task = Task.create(
            project_name=full_name,
            task_name=task_name,
            task_type="controller",
            repo=repo,
            branch=branch,
            commit=commit,
            script=script,
            working_directory=working_directory,
            packages=packages,
            requirements_file=requirements_file,
            docker=docker,
            docker_args=docker_args,
            docker_bash_setup_script=docker_bash_setup_script,
            argparse_args=argparse_args,
            add_task_init_call=False,
            force_single_script_file=force_single_script_file,
            binary=binary,
            module=module,
            detect_repository=detect_repository,
        )
        running.mark_as_pipeline(task, full_name, add_run_number=add_run_number)
        chosen = task_settings.choose_version(task, version, task_name)
        task_settings.store_version(task, chosen, state.digest(json.dumps(task._record.get("script") or {})), "")
        return cls._of_task(task)

    @classmethod
    def clone(
        cls,
        pipeline_controller: ControllerBase | str,
        name: str | None = None,
        comment: str | None = None,
        parent: str | None = None,
        project: str | None = None,
        version: str | None = None,
    ) -> Self:
        """A draft of another run of a pipeline, with its parameters. project: id; None: the same."""
        source = pipeline_controller if isinstance(pipeline_controller, str) else pipeline_controller.id
        task = Task.clone(source, name=name, comment=comment, parent=parent, project=project)
        running.mark_clone(task, source, version)
        return cls._of_task(task)

    @classmethod
    def enqueue(
        cls,
        pipeline_controller: ControllerBase | str,
        queue_name: str | None = None,
        queue_id: str | None = None,
        force: bool = False,
    ) -> Any:
        """Put a pipeline into a queue; None: `services`. One that failed goes on where it was; `force` resets it first.

        Returns the server's answer.
        """
        identifier = pipeline_controller if isinstance(pipeline_controller, str) else pipeline_controller.id
        if not queue_name and not queue_id:
            queue_name = SERVICES
        session = Task._session()
        queue = queueing.queue_id(session, queue_name, queue_id)
        return queueing.enqueue(session, identifier, queue=queue, force=force)
