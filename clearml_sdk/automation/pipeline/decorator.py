"""`PipelineDecorator`: a function is the pipeline, the functions that it calls are its steps."""

from __future__ import annotations

import functools
import inspect
import sys

from clearml_sdk import process_role
from clearml_sdk.automation.pipeline import node as states
from clearml_sdk.automation.pipeline import running, task_settings
from clearml_sdk.automation.pipeline.building import queue_of_parents
from clearml_sdk.automation.pipeline.controller import PipelineController
from clearml_sdk.automation.pipeline.existing import SERVICES
from clearml_sdk.automation.pipeline.function_code import RETURNED
from clearml_sdk.automation.pipeline.lazy import LazyResult, is_lazy, settled
from clearml_sdk.automation.pipeline.task_settings import Parameter
from clearml_sdk.ending import Ending
from clearml_sdk.errors import UsageError
from clearml_sdk.notices import announce
from clearml_sdk.task import Task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from clearml_sdk.automation.pipeline.node import Node

LOCALLY, DEBUGGING = "locally", "debugging"


class PipelineDecorator(PipelineController):
    """See docs/pipelines.md, "A function as a pipeline"."""

    _mode: str | None = None
    _default_queue: str | None = None
    _current: PipelineDecorator | None = None
    _results: list[Any] = []  # noqa: RUF012 - of this process, as the mode is

    def __init__(
        self,
        name: str,
        project: str,
        version: str | None = None,
        pool_frequency: float = 0.2,
        add_pipeline_tags: bool = False,
        target_project: str | None = None,
        abort_on_failure: bool = False,
        add_run_number: bool = True,
        retry_on_failure: int | Callable[..., bool] | None = None,
        docker: str | None = None,
        docker_args: str | None = None,
        docker_bash_setup_script: str | None = None,
        packages: bool | str | Sequence[str] | None = None,
        repo: str | None = None,
        repo_branch: str | None = None,
        repo_commit: str | None = None,
        artifact_serialization_function: Callable[[Any], bytes | bytearray] | None = None,
        artifact_deserialization_function: Callable[[bytes], Any] | None = None,
        output_uri: str | bool | None = None,
        skip_global_imports: bool = False,
        working_dir: str | None = None,
        enable_local_imports: bool = True,
    ) -> None:
        """As `PipelineController`; made by the decorated function when it is called."""
        super().__init__(
            name=name,
            project=project,
            version=version,
            pool_frequency=pool_frequency,
            add_pipeline_tags=add_pipeline_tags,
            target_project=target_project if target_project is not None else True,
            abort_on_failure=abort_on_failure,
            add_run_number=add_run_number,
            retry_on_failure=retry_on_failure,
            docker=docker,
            docker_args=docker_args,
            docker_bash_setup_script=docker_bash_setup_script,
            packages=packages,
            repo=repo,
            repo_branch=repo_branch,
            repo_commit=repo_commit,
            artifact_serialization_function=artifact_serialization_function,
            artifact_deserialization_function=artifact_deserialization_function,
            output_uri=output_uri,
            skip_global_imports=skip_global_imports,
            working_dir=working_dir,
            enable_local_imports=enable_local_imports,
        )
        self._default_execution_queue = type(self)._default_queue

    # How pipelines of this process run.

    @classmethod
    def run_locally(cls) -> None:
        """Run the pipelines of this process here, each step as a process of this machine."""
        if not process_role.running_remotely():
            PipelineDecorator._mode = LOCALLY

    @classmethod
    def debug_pipeline(cls) -> None:
        """Run the pipelines of this process here, the steps as plain calls of their functions."""
        if not process_role.running_remotely():
            PipelineDecorator._mode = DEBUGGING

    @classmethod
    def set_default_execution_queue(cls, default_execution_queue: str | None) -> None:
        """The queue of components that have none of their own."""
        PipelineDecorator._default_queue = str(default_execution_queue) if default_execution_queue else None

    @classmethod
    def get_current_pipeline(cls) -> PipelineDecorator | None:
        """The pipeline whose function runs; None outside of one."""
        return PipelineDecorator._current

    @classmethod
    def wait_for_multi_pipelines(cls) -> list[Any]:
        """What the pipelines with `multi_instance_support` returned since the last call, in their order."""
        found = list(PipelineDecorator._results)
        PipelineDecorator._results.clear()
        return found

    # The decorators.

    @classmethod
    def component(
        cls,
        _func: Any = None,
        *,
        return_values: str | Sequence[str] = ("return_object",),
        name: str | None = None,
        cache: bool = False,
        packages: bool | str | Sequence[str] | None = None,
        parents: list[str] | None = None,
        execution_queue: str | None = None,
        continue_on_fail: bool = False,
        docker: str | None = None,
        docker_args: str | None = None,
        docker_bash_setup_script: str | None = None,
        task_type: str | None = None,
        auto_connect_frameworks: dict[str, Any] | None = None,
        auto_connect_arg_parser: dict[str, Any] | None = None,
        repo: str | None = None,
        repo_branch: str | None = None,
        repo_commit: str | None = None,
        helper_functions: Sequence[Callable[..., Any]] | None = None,
        monitor_metrics: list[Any] | None = None,
        monitor_artifacts: list[Any] | None = None,
        monitor_models: list[Any] | None = None,
        retry_on_failure: int | Callable[..., bool] | None = None,
        pre_execute_callback: Callable[..., bool] | None = None,
        post_execute_callback: Callable[..., None] | None = None,
        status_change_callback: Callable[..., None] | None = None,
        tags: Sequence[str] | str | None = None,
        output_uri: str | bool | None = None,
        draft: bool | None = False,
        working_dir: str | None = None,
        continue_behaviour: dict[str, bool] | None = None,
        stage: str | None = None,
    ) -> Callable[..., Any]:
        """A function that is a step of the pipelines whose functions call it.

        A call returns at once; what it returns stands for the step's results and waits for them when it is used.

        Args:
            return_values: names of what the function returns.
            name: of the step; None: the function's. Further calls are `name_1` and so on.
            cache: take over a completed step with the same code and inputs.
            parents: names of steps to wait for, beside those whose results are given.

        The others as `PipelineController.add_function_step`.
        """
        given = {key: value for key, value in locals().items() if key not in ("cls", "_func", "given")}
        names = [return_values] if isinstance(return_values, str) else list(return_values or [])

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(function)
            def call(*arguments: Any, **named: Any) -> Any:
                pipeline = PipelineDecorator._current
                if pipeline is None or PipelineDecorator._mode == DEBUGGING:
                    return function(*arguments, **named)
                bound = inspect.signature(function).bind(*arguments, **named).arguments
                return pipeline._call(function, _flat_arguments(function, bound), names, given)

            return call

        return decorate if _func is None else decorate(_func)

    @classmethod
    def pipeline(
        cls,
        _func: Any = None,
        *,
        name: str,
        project: str,
        version: str | None = None,
        return_value: str | None = None,
        default_queue: str | None = None,
        pool_frequency: float = 0.2,
        add_pipeline_tags: bool = False,
        target_project: str | None = None,
        abort_on_failure: bool = False,
        pipeline_execution_queue: str | None = SERVICES,
        multi_instance_support: bool = False,
        add_run_number: bool = True,
        args_map: dict[str, list[str]] | None = None,
        start_controller_locally: bool = False,
        retry_on_failure: int | Callable[..., bool] | None = None,
        docker: str | None = None,
        docker_args: str | None = None,
        docker_bash_setup_script: str | None = None,
        packages: bool | str | Sequence[str] | None = None,
        repo: str | None = None,
        repo_branch: str | None = None,
        repo_commit: str | None = None,
        artifact_serialization_function: Callable[[Any], bytes | bytearray] | None = None,
        artifact_deserialization_function: Callable[[bytes], Any] | None = None,
        output_uri: str | bool | None = None,
        skip_global_imports: bool = False,
        working_dir: str | None = None,
        enable_local_imports: bool = True,
    ) -> Callable[..., Any]:
        """A function that is a pipeline: a call of it is a run.

        A call enqueues the run and ends this process, unless `run_locally`, `debug_pipeline` or
        `start_controller_locally` say otherwise.

        Args:
            return_value: name of the artifact to store what the function returns in.
            default_queue: of the steps; None: as `set_default_execution_queue` said.
            pipeline_execution_queue: of the controller; None: run it here, its steps in their queues.
            multi_instance_support: the process goes on after the call; see `wait_for_multi_pipelines`.
            args_map: section -> names of the function's arguments that are kept there; the others are in `Args`.
            start_controller_locally: run the controller here, its steps in their queues.

        The others as `PipelineController`.
        """
        kept = inspect.signature(cls.__init__).parameters
        settings = {key: value for key, value in locals().items() if key in kept and key != "self"}

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            @functools.wraps(function)
            def call(*arguments: Any, **named: Any) -> Any:
                bound = inspect.signature(function).bind(*arguments, **named)
                bound.apply_defaults()
                if PipelineDecorator._current is not None:
                    return function(*arguments, **named)  # a part of the pipeline whose function calls it
                pipeline = cls(**settings)
                if default_queue:
                    pipeline._default_execution_queue = default_queue
                pipeline._take_arguments(function, bound.arguments, args_map or {})
                here = start_controller_locally or PipelineDecorator._mode is not None
                if process_role.running_remotely() or here or not pipeline_execution_queue:
                    result = pipeline._run_function(function, return_value)
                else:
                    result = None
                    pipeline._prepare()
                    running.hand_over(pipeline.task, pipeline_execution_queue)
                    where = f"was enqueued for execution in {pipeline_execution_queue}"
                    announce(f"ClearML pipeline {pipeline.id} {where}: {running.page(pipeline.task)}")
                    if not multi_instance_support:
                        sys.exit(0)
                if multi_instance_support:
                    PipelineDecorator._results.append(result)
                return result

            return call

        return decorate if _func is None else decorate(_func)

    # What a call does.

    def _take_arguments(
        self, function: Callable[..., Any], arguments: dict[str, Any], args_map: dict[str, list[str]]
    ) -> None:
        sections = {name: section for section, names in args_map.items() for name in names}
        for name, value in _flat_arguments(function, arguments).items():
            section = sections.get(name, task_settings.ARGUMENTS)
            self._parameters[name] = Parameter(value, None, None, section)

    def _run_function(self, function: Callable[..., Any], return_value: str | None) -> Any:
        """Run the pipeline's function here, and its steps as the mode says."""
        self._prepare()
        is_debugging = PipelineDecorator._mode == DEBUGGING
        PipelineDecorator._current = self
        ending = Ending("completed", "completed")
        try:
            if not is_debugging:
                self._begin(locally=PipelineDecorator._mode == LOCALLY)
            result = function(**self._values)
        except BaseException as error:
            ending = Ending("failed", f"{type(error).__name__}: {error}"[:1000])
            if self._engine is not None:
                self._engine.stop(ending.reason)
                self.wait()
            raise
        else:
            if self._engine is not None:
                self._engine.close()
                self.wait()
                if not running.is_successful(self, fail_on_step_fail=True, fail_condition="all"):
                    ending = Ending("failed", self._engine.failure or "a step failed")
            result = settled(result)
            if return_value:
                self.task.upload_artifact(
                    return_value, result, wait_on_upload=True, serialization_function=self._serialize
                )
            return result
        finally:
            PipelineDecorator._current = None
            if not process_role.running_remotely():
                running.end_task(self.task, ending)

    def _begin(self, *, locally: bool) -> None:
        self._leave_open = True
        super()._begin(locally=locally)

    def _call(
        self, function: Callable[..., Any], arguments: dict[str, Any], returns: list[str], given: dict[str, Any]
    ) -> Any:
        """Add the step that this call is, and return what stands for its results."""
        assert self._engine is not None
        name = self._free_name(given["name"] or function.__name__)
        values = {key: _reference(value) if is_lazy(value) else settled(value) for key, value in arguments.items()}
        passed = {
            key: value for key, value in given.items() if key not in ("return_values", "name", "cache", "parents")
        }
        waits = queue_of_parents(given["parents"], list(values.values()))
        self._engine.hold()
        try:
            self.add_function_step(
                name,
                function,
                function_kwargs=values,
                function_return=returns,
                cache_executed_step=given["cache"],
                parents=[one for one in waits if one in self._nodes],
                **passed,
            )
            running.store_code(self, [name])
        finally:
            self._engine.release()
        node = self._nodes[name]
        results = [LazyResult(functools.partial(self._result, node, one), name, one) for one in returns]
        return None if not results else results[0] if len(results) == 1 else tuple(results)

    def _free_name(self, wanted: str) -> str:
        name, number = wanted, 0
        while name in self._nodes:
            number += 1
            name = f"{wanted}_{number}"
        return name

    def _result(self, node: Node, name: str) -> Any:
        """What the step returned under a name; waits for it. Raises RuntimeError where it did not end well."""
        assert self._engine is not None
        self._engine.wait_for(node)
        if node.status not in states.GOOD:
            if node.status in (states.FAILED, states.ABORTED) and not node.stops_pipeline:
                return None
            raise RuntimeError(f"step {node.name!r} {node.status}: it returned no {name!r} (task {node.job_id})")
        task = Task.get_task(task_id=str(node.executed))
        found = task.artifacts.get(name)
        if found is not None:
            return found.get(deserialization_function=self._deserialize)
        return (task.get_parameters(cast=True) or {}).get(f"{RETURNED}/{name}")


def _reference(value: Any) -> str:
    """The reference that a step is given in place of a result that is not read here."""
    step, name = object.__getattribute__(value, "_lazy_step"), object.__getattribute__(value, "_lazy_name")
    return f"${{{step}.{name}}}"


def _flat_arguments(function: Callable[..., Any], bound: dict[str, Any]) -> dict[str, Any]:
    """Arguments by name, those of `**named` among them. Raises UsageError for `*arguments`: they have no names."""
    found: dict[str, Any] = {}
    for name, value in bound.items():
        kind = inspect.signature(function).parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            if value:
                raise UsageError(f"{function.__name__}(): *{name} cannot be kept, give the arguments names")
        elif kind is inspect.Parameter.VAR_KEYWORD:
            found.update(value)
        else:
            found[name] = value
    return found
