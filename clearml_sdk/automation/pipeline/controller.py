"""`PipelineController`: a pipeline made of tasks and functions, and the task that runs it."""

from __future__ import annotations

import sys
import threading
import time

from clearml_sdk import process_role
from clearml_sdk.automation.jobs.local import ended_with_us
from clearml_sdk.automation.pipeline import graph, running, task_settings
from clearml_sdk.automation.pipeline.adding import Adding
from clearml_sdk.automation.pipeline.existing import SERVICES, Existing
from clearml_sdk.automation.pipeline.output import Output
from clearml_sdk.ending import Ending
from clearml_sdk.notices import announce

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


class PipelineController(Adding, Output, Existing):
    """Steps that depend on one another; see docs/pipelines.md."""

    def __init__(
        self,
        name: str,
        project: str,
        version: str | None = None,
        pool_frequency: float = 0.2,
        add_pipeline_tags: bool = False,
        target_project: str | bool | None = True,
        auto_version_bump: bool | None = None,
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
        always_create_from_code: bool = True,
        artifact_serialization_function: Callable[[Any], bytes | bytearray] | None = None,
        artifact_deserialization_function: Callable[[bytes], Any] | None = None,
        output_uri: str | bool | None = None,
        skip_global_imports: bool = False,
        working_dir: str | None = None,
        enable_local_imports: bool = True,
    ) -> None:
        """Make the controller's task the task of this process (unless it has one: then that is the controller's).

        Args:
            version: None: one more than the newest version of this pipeline.
            pool_frequency: minutes between looks at what running steps report, for `monitor_metrics`.
            add_pipeline_tags: tag each step `pipe: <id of the controller>`.
            target_project: where steps are kept: a name; True: with the pipeline; None: where their base tasks are.
            auto_version_bump: deprecated, nothing depends on it.
            abort_on_failure: a step that fails ends all others; otherwise those that do not wait for it go on.
            add_run_number: call further runs `name #2` and so on.
            retry_on_failure: how often a failed step is tried again, or `(pipeline, node, tries) -> bool`.
            docker, docker_args, docker_bash_setup_script, packages, repo, repo_branch, repo_commit, working_dir: of the
                controller itself, where an agent runs it.
            always_create_from_code: False: an agent runs the steps that its task holds, not those of the code.
            artifact_serialization_function, artifact_deserialization_function: how what steps return is stored.
            output_uri: where steps store their outputs.
            skip_global_imports: leave the imports of the file out of the steps' programs.
            enable_local_imports: steps that run here find the modules that this process finds.
        """
        self._start_values()
        self._name, self._version, self._add_pipeline_tags = name, version, add_pipeline_tags
        self._target_project, self._abort_on_failure = target_project, abort_on_failure
        self._pool_s = max(1.0, pool_frequency * 60)
        self._retry_on_failure = retry_on_failure
        self._always_create_from_code = always_create_from_code
        self._serialize, self._deserialize = artifact_serialization_function, artifact_deserialization_function
        self._output_uri, self._skip_global_imports = output_uri, skip_global_imports
        self._local_imports = enable_local_imports
        self._task = running.controller_task(project, name, add_run_number=add_run_number)
        task_settings.describe_controller(
            self._task,
            docker=(docker, docker_args, docker_bash_setup_script),
            packages=packages,
            repository=(repo, repo_branch, repo_commit, working_dir),
        )

    # Running.

    def start(
        self,
        queue: str | None = SERVICES,
        step_task_created_callback: Callable[..., bool] | None = None,
        step_task_completed_callback: Callable[..., None] | None = None,
        wait: bool = True,
    ) -> bool:
        """Leave the pipeline to an agent: enqueue its task and end this process. There, run it.

        Args:
            queue: None: leave it as a draft; `start_locally` runs it here.
            step_task_created_callback: `(pipeline, node, parameters)` before each step; False skips it.
            step_task_completed_callback: `(pipeline, node)` after each step.
            wait: return when the pipeline is over.
        """
        self._callbacks.created, self._callbacks.completed = step_task_created_callback, step_task_completed_callback
        self._prepare()
        if not process_role.running_remotely():
            running.hand_over(self.task, queue)
            became = f"was enqueued for execution in {queue}" if queue else "is a draft now, and can be enqueued"
            announce(f"ClearML pipeline {self.task.id} {became}: {running.page(self.task)}")
            sys.exit(0)
        self._begin(locally=False)
        if wait:
            self.wait()
        return True

    def start_locally(self, run_pipeline_steps_locally: bool = False) -> None:
        """Run the controller in this process; its steps in their queues, or as processes of this machine."""
        self._prepare()
        self._begin(locally=run_pipeline_steps_locally)
        with ended_with_us():
            self.wait()

    def create_draft(self) -> None:
        """Leave the pipeline as a draft that can be enqueued; this run of it ends."""
        self._prepare()
        running.hand_over(self.task, None)

    def _prepare(self) -> None:
        """Check the steps and store what the pipeline is; in a remote run take over what people changed of it."""
        running.remember_steps(self)

    def _begin(self, *, locally: bool) -> None:
        self._engine = running.engine_of(self, locally=locally)
        if self._leave_open:
            self._engine.leave_open()
        self._started_at = time.time()
        self._thread = threading.Thread(target=self._run, name="clearml-pipeline", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        assert self._engine is not None
        self._engine.run()
        running.note_end(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the pipeline is over; False when `timeout` minutes pass before."""
        if self._engine is None:
            return running.wait_for_task(self.task, timeout)
        limit_s = None if timeout is None else timeout * 60
        if not self._engine.wait(limit_s):
            return False
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        return True

    def stop(self, timeout: float | None = None, mark_failed: bool = False, mark_aborted: bool = False) -> None:
        """End the pipeline: its steps are stopped, its task gets its final status and this process lets go of it.

        Args:
            timeout: minutes to wait for that.
            mark_failed, mark_aborted: as what; otherwise as completed, or failed where a step failed.
        """
        if self._engine is not None:
            self._engine.stop(None)
            self.wait(timeout)
        ending = Ending("failed", "stopped as failed") if mark_failed else None
        if mark_aborted and ending is None:
            ending = Ending("stopped", "stopped")
        if ending is None:
            good = graph.is_successful(self._nodes.values()) if self._engine is not None else True
            ending = Ending("completed", "completed") if good else Ending("failed", "a step failed")
        running.end_task(self.task, ending)
