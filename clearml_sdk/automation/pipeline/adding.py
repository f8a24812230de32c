"""`PipelineController`: adding steps and parameters."""

from __future__ import annotations

from clearml_sdk.automation.pipeline import building, monitoring
from clearml_sdk.automation.pipeline.base import ControllerBase
from clearml_sdk.automation.pipeline.node import Node
from clearml_sdk.automation.pipeline.task_settings import Parameter
from clearml_sdk.errors import UsageError
from clearml_sdk.task import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


class Adding(ControllerBase):
    """What a pipeline consists of."""

    def add_parameter(
        self, name: str, default: Any = None, description: str | None = None, param_type: str | None = None
    ) -> None:
        """A parameter of the pipeline, for `${pipeline.name}` in steps; each run can be given another value."""
        self._parameters[name] = Parameter(default, description, param_type)

    def add_step(
        self,
        name: str,
        base_task_id: str | None = None,
        parents: Sequence[str] | None = None,
        parameter_override: Mapping[str, Any] | None = None,
        configuration_overrides: Mapping[str, str | Mapping[str, Any]] | None = None,
        task_overrides: Mapping[str, Any] | None = None,
        execution_queue: str | None = None,
        monitor_metrics: list[Any] | None = None,
        monitor_artifacts: list[Any] | None = None,
        monitor_models: list[Any] | None = None,
        time_limit: float | None = None,
        base_task_project: str | None = None,
        base_task_name: str | None = None,
        clone_base_task: bool = True,
        continue_on_fail: bool = False,
        pre_execute_callback: Callable[..., bool] | None = None,
        post_execute_callback: Callable[..., None] | None = None,
        cache_executed_step: bool = False,
        base_task_factory: Callable[[Node], Task] | None = None,
        retry_on_failure: int | Callable[..., bool] | None = None,
        status_change_callback: Callable[..., None] | None = None,
        recursively_parse_parameters: bool = False,
        output_uri: str | bool | None = None,
        continue_behaviour: dict[str, bool] | None = None,
        stage: str | None = None,
    ) -> bool:
        """A step that runs a copy of a task (or the task itself: `clone_base_task=False`).

        Args:
            base_task_id: or `base_task_project` and `base_task_name`, or `base_task_factory`, which makes it.
            parents: names of the steps to wait for, beside those that the values refer to.
            parameter_override: `Section/name` -> value, in which `${pipeline.x}` and `${step...}` are replaced.
            task_overrides: dotted path -> value, such as `{"script.branch": "main"}`.
            time_limit: seconds, after which the step is stopped.
            continue_on_fail: the step's failure is not the pipeline's; steps that wait for it are skipped.
            continue_behaviour: `continue_on_fail`, `continue_on_abort`, `skip_children_on_fail` and
                `skip_children_on_abort` in place of that; a missing one is true.
            pre_execute_callback: `(pipeline, node, parameters)`, which it may change; False skips the step.
            cache_executed_step: take over a completed task with the same code and inputs.
        """
        building.check_name(name, self._nodes)
        if not base_task_id and base_task_factory is None:
            found = Task.get_task(project_name=base_task_project, task_name=base_task_name) if base_task_name else None
            if found is None:
                raise UsageError(
                    f"step {name!r}: no task {base_task_name!r} in {base_task_project!r}; give base_task_id"
                )
            base_task_id = found.id
        node = Node(
            name,
            base_task_id=base_task_id,
            task_factory_func=base_task_factory,
            queue=execution_queue,
            parents=list(parents or []),
            timeout=time_limit,
            parameters=dict(parameter_override or {}),
            configurations=dict(configuration_overrides or {}),
            task_overrides=dict(task_overrides or {}),
            clone_task=clone_base_task,
            cache_executed_step=cache_executed_step,
            monitor_metrics=monitor_metrics,
            monitor_artifacts=monitor_artifacts,
            monitor_models=monitor_models,
            recursively_parse_parameters=recursively_parse_parameters,
            output_uri=output_uri,
            continue_behaviour=continue_behaviour,
            continue_on_fail=continue_on_fail,
            stage=stage,
        )
        self._add(node, pre_execute_callback, post_execute_callback, status_change_callback, retry_on_failure)
        return True

    def add_function_step(
        self,
        name: str,
        function: Callable[..., Any],
        function_kwargs: dict[str, Any] | None = None,
        function_return: list[str] | None = None,
        project_name: str | None = None,
        task_name: str | None = None,
        task_type: str | None = None,
        auto_connect_frameworks: dict[str, Any] | None = None,
        auto_connect_arg_parser: dict[str, Any] | None = None,
        packages: bool | str | Sequence[str] | None = None,
        repo: str | None = None,
        repo_branch: str | None = None,
        repo_commit: str | None = None,
        helper_functions: Sequence[Callable[..., Any]] | None = None,
        docker: str | None = None,
        docker_args: str | None = None,
        docker_bash_setup_script: str | None = None,
        parents: Sequence[str] | None = None,
        execution_queue: str | None = None,
        monitor_metrics: list[Any] | None = None,
        monitor_artifacts: list[Any] | None = None,
        monitor_models: list[Any] | None = None,
        time_limit: float | None = None,
        continue_on_fail: bool = False,
        pre_execute_callback: Callable[..., bool] | None = None,
        post_execute_callback: Callable[..., None] | None = None,
        cache_executed_step: bool = False,
        retry_on_failure: int | Callable[..., bool] | None = None,
        status_change_callback: Callable[..., None] | None = None,
        tags: Sequence[str] | str | None = None,
        output_uri: str | bool | None = None,
        draft: bool | None = False,
        working_dir: str | None = None,
        continue_behaviour: dict[str, bool] | None = None,
        stage: str | None = None,
    ) -> bool:
        """A step that calls a function, which is stored with its imports as a program of its own.

        Args:
            function_kwargs: values, or references: `${pipeline.x}`, `${step.name}` for what another step returns.
            function_return: names of what the function returns, for the steps behind it.
            packages: requirement lines, or a file of them; None: what the program imports.
            helper_functions: further functions that the program needs.
            repo: URL, or a folder: the program runs inside of a checkout of it.
            draft: make the task, and do not run it.

        Everything else as `add_step`.
        """
        building.check_name(name, self._nodes)
        step = building.FunctionStep(
            name,
            function,
            function_kwargs or {},
            returns=function_return or [],
            nodes=self._nodes,
            store=self._store_argument,
        )
        self._code[name] = step.document(
            project=self._function_project(project_name),
            task_name=task_name,
            task_type=task_type,
            packages=packages,
            docker=(docker, docker_args, docker_bash_setup_script),
            repository=(repo, repo_branch, repo_commit, working_dir),
            tags=tags,
            output_uri=output_uri,
            helpers=helper_functions or (),
            global_imports=not self._skip_global_imports,
            frameworks=auto_connect_frameworks,
            arg_parser=auto_connect_arg_parser,
            serialize=self._serialize,
            deserialize=self._deserialize,
        )
        node = Node(
            name,
            queue=execution_queue,
            parents=list(parents or []),
            timeout=time_limit,
            parameters=step.overrides(),
            clone_task=False,
            job_type=task_type,
            job_code_section=name,
            explicit_docker_image=docker,
            cache_executed_step=cache_executed_step,
            return_artifacts=list(function_return or []),
            monitor_metrics=monitor_metrics,
            monitor_artifacts=monitor_artifacts,
            monitor_models=monitor_models,
            output_uri=output_uri,
            draft=bool(draft),
            continue_behaviour=continue_behaviour,
            continue_on_fail=continue_on_fail,
            stage=stage,
        )
        self._add(node, pre_execute_callback, post_execute_callback, status_change_callback, retry_on_failure)
        return True

    def _add(self, node: Node, before: Any, after: Any, on_status: Any, retry: Any) -> None:
        monitoring.spell_out(node)
        self._nodes[node.name] = node
        for functions, function in (
            (self._callbacks.before, before),
            (self._callbacks.after, after),
            (self._callbacks.on_status, on_status),
        ):
            if function is not None:
                functions[node.name] = function
        policy = retry if retry is not None else self._retry_on_failure
        if policy is not None:
            self._callbacks.retry[node.name] = policy

    def _store_argument(self, name: str, value: Any) -> str:
        self.task.upload_artifact(name, value, wait_on_upload=True, serialization_function=self._serialize)
        return f"{self.task.id}.{name}"

    def _function_project(self, name: str | None) -> str:
        from clearml_sdk.projects import project_id

        return project_id(self.task._record.session, name) if name else self.task.project

    def set_default_execution_queue(self, default_execution_queue: str | None) -> None:
        """The queue of steps that have none of their own."""
        self._default_execution_queue = default_execution_queue

    def set_pipeline_execution_time_limit(self, max_execution_minutes: float | None) -> None:
        """Stop the pipeline after so long; None: never."""
        self._time_limit_s = max_execution_minutes * 60 if max_execution_minutes else None
