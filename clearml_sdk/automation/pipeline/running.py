"""The controller's task: made, prepared, handed over to an agent, gone on with, ended, found again."""

from __future__ import annotations

import json
import secrets
import time

from clearml_sdk import process_role, queueing
from clearml_sdk.automation.pipeline import graph, project, state, task_settings
from clearml_sdk.automation.pipeline import node as states
from clearml_sdk.automation.pipeline.engine import Engine
from clearml_sdk.automation.pipeline.launching import Launcher
from clearml_sdk.automation.pipeline.node import Node
from clearml_sdk.automation.pipeline.references import steps_named
from clearml_sdk.ending import Ending
from clearml_sdk.errors import UsageError
from clearml_sdk.notices import announce, harmless
from clearml_sdk.paging import tasks_by_id
from clearml_sdk.projects import find_project
from clearml_sdk.session import Session
from clearml_sdk.starting import DEVELOPMENT
from clearml_sdk.status_watch import LONG_S, TERMINAL, changed
from clearml_sdk.task import Task
from clearml_sdk.values import from_text
from clearml_sdk.web_pages import pipeline_page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clearml_sdk.automation.pipeline.asking import Asking
    from clearml_sdk.automation.pipeline.base import ControllerBase
    from clearml_sdk.automation.pipeline.output import Output


def controller_task(project_: str, name: str, *, add_run_number: bool) -> Task:
    """The task of this process as a pipeline's controller; a new one where the process has none."""
    full_name = project.project_name(project_, name)
    task = Task.current_task()
    if task is None:
        project.mark_projects(Session.default(), full_name)
        task = Task.init(
            project_name=full_name,
            task_name=name,
            task_type=Task.TaskTypes.controller,
            reuse_last_task_id=False,
            auto_resource_monitoring=False,
        )
    mark_as_pipeline(task, full_name, add_run_number=add_run_number and not process_role.running_remotely())
    announce(f"ClearML pipeline page: {page(task)}")
    return task


def mark_as_pipeline(task: Task, full_name: str, *, add_run_number: bool) -> None:
    """Give the task the tag, and the number among the runs, by which pipelines are found."""
    session = task._record.session
    found = task._record.read_fields("system_tags", "project", "name")
    if found.get("project"):
        actual = session.call("projects.get_by_id", {"project": found["project"]})["project"]
        tags = actual.get("system_tags") or []
        if actual["name"] == full_name and not {project.HIDDEN, project.TAG} <= set(tags):
            project.mark_projects(session, full_name)
    tags = found.get("system_tags") or []
    if project.TAG not in tags:
        task._record.edit(system_tags=[*tags, project.TAG])
    if add_run_number and found.get("project"):
        others = project.runs(session, str(found["project"]), str(found["name"]), [])
        name = project.next_name(str(found["name"]), [run["name"] for run in others if run["id"] != task.id])
        if name != found["name"]:
            task.set_name(name)


def mark_clone(task: Task, source: str, version: str | None) -> None:
    """Give a copy of a pipeline what copying leaves out: the tag, and what its runtime says of the pipeline."""
    tags = task.get_system_tags()
    if project.TAG not in tags:
        task.set_system_tags([*tags, project.TAG])
    runtime = Task.get_task(task_id=source)._record.read_fields("runtime").get("runtime") or {}
    hash_, _, old_version = str(runtime.get(state.PIPELINE_HASH) or "").partition(":")
    task_settings.store_version(task, version or old_version or project.FIRST_VERSION, hash_, "")


def page(task: Task) -> str:
    """The page that shows the pipeline."""
    return pipeline_page(task._record.session, task.id, task.project)


def remember_steps(pipeline: ControllerBase) -> None:
    """Check the steps, and store what the pipeline is on its task.

    In a remote run the task's own values go before those of the code: people change them there. Raises UsageError.
    """
    task, nodes = pipeline.task, pipeline._nodes
    graph.add_named_parents(nodes)
    graph.in_order(nodes)
    settings = {
        "default_queue": pipeline._default_execution_queue,
        "add_pipeline_tags": pipeline._add_pipeline_tags,
        "target_project": pipeline._target_project,
    }
    chosen = task_settings.connect_settings(task, settings)
    pipeline._default_execution_queue = chosen["default_queue"] or None
    pipeline._add_pipeline_tags = bool(chosen["add_pipeline_tags"])
    target = chosen["target_project"]
    pipeline._target_project = from_text(str(target), "bool") if str(target) in ("True", "False") else target
    pipeline._values = task_settings.connect_parameters(task, pipeline._parameters)
    stored = _stored(task)
    if process_role.running_remotely() and stored:
        _take_over_edits(pipeline, stored)
    graph.check_references(nodes, pipeline._values)
    _check_base_tasks(task._record.session, nodes)
    store_code(pipeline, pipeline._code)
    version = task_settings.choose_version(task, pipeline._version, _plain_name(task))
    runtime = task._record.read_fields("runtime").get("runtime") or {}
    run = str(runtime.get(state.RUN) or "") or secrets.token_hex(8)
    pipeline._run_id, pipeline._is_resumed = run, bool(runtime.get(state.RUN)) and bool(stored)
    pipeline._has_ended_before = bool(runtime.get(state.ENDED))
    hash_ = state.pipeline_hash(nodes, pipeline._code)
    task_settings.store_version(task, version, hash_, run if process_role.running_remotely() else "")
    if not pipeline._is_resumed:
        state.save(task._record, state.dumped(nodes))


def _check_base_tasks(session: Session, nodes: Mapping[str, Node]) -> None:
    """Raise UsageError where a step is to run a task that there is not."""
    bases = {name: node.base_task_id for name, node in nodes.items() if node.base_task_id}
    ids = sorted({base for base in bases.values() if not steps_named(base)})
    known = tasks_by_id(session, ids, ["id"])
    for name, base in bases.items():
        if base in ids and base not in known:
            raise UsageError(f"step {name!r}: there is no task {base}")


def engine_of(pipeline: Output, *, locally: bool) -> Engine:
    """The engine that runs the prepared pipeline, told what another process has done of this run before."""
    task = pipeline.task
    launcher = Launcher(
        task._record.session,
        pipeline._nodes,
        task=task.id,
        run=pipeline._run_id,
        parameters=pipeline._values,
        code=pipeline._code,
        project=_target(pipeline),
        tags=[f"pipe: {task.id}"] if pipeline._add_pipeline_tags else [],
        output_uri=pipeline._output_uri,
        locally=locally,
        local_imports=pipeline._local_imports,
    )
    engine = Engine(pipeline, launcher, locally=locally)
    if pipeline._is_resumed:
        anew = BAD_ENDS if pipeline._has_ended_before else frozenset()
        engine.inherit(_stored(task), state.children(task._record, pipeline._run_id), anew=anew)
    task._record.change("runtime", {state.RUN: pipeline._run_id}, removed=[state.ENDED])
    run = task._run
    if run is not None and locally:
        from clearml_sdk.automation.jobs.local import end_all

        run.parts.insert(0, ("ending the steps that run here", lambda limit_s: end_all()))
    return engine


BAD_ENDS = frozenset({states.FAILED, states.ABORTED, states.SKIPPED})
"""Ends of steps that another start of a pipeline that came to its end begins anew."""


def note_end(pipeline: ControllerBase) -> None:
    """Store that the pipeline came to its end, and its final status if that is no good one."""
    engine, task = pipeline._engine, pipeline.task
    assert engine is not None
    with harmless("noting the end of the pipeline"):
        task._record.change("runtime", {state.ENDED: str(int(time.time()))})
        task.get_logger().flush()
    nodes = pipeline._nodes.values()
    failed = [node.name for node in nodes if node.stops_pipeline]
    if engine.failure is None and not failed:
        return
    reason = engine.failure or f"steps that did not end well: {', '.join(failed)}"
    announce(f"ClearML pipeline failed: {reason}")
    run = task._run

    def mark() -> None:
        task.mark_failed(status_reason=reason[:1000], status_message=reason[:1000], force=True)

    if run is None or not run.is_remote:
        if run is not None and run.watcher is not None:
            run.watcher.stop()  # it would take this for a stop from outside
        mark()
    else:
        run.parts.append(("telling that the pipeline failed", lambda limit_s: mark()))  # the agent ends what failed


def end_task(task: Task, ending: Ending) -> None:
    """Give the pipeline's task its final status; this process's run of it ends."""
    run = task._run
    if run is None:
        task._record.call(f"tasks.{ending.status}", {"force": True, "status_reason": ending.reason})
    elif run.is_remote and ending.status != "completed":
        run.parts.append(
            (
                "setting the pipeline's final status",
                lambda limit_s: task._record.call(
                    f"tasks.{ending.status}", {"force": True, "status_reason": ending.reason}
                ),
            )
        )
        run.close(None)
    else:
        run.close(ending)


def hand_over(task: Task, queue: str | None) -> None:
    """End this process's run of the task, and put it into a queue, or (None) leave it as a draft."""
    session = task._record.session
    identifier = queueing.queue_id(session, queue) if queue else None
    run = task._run
    if run is not None:
        run.settle()
        run.close(None)
    task._record.call("tasks.stopped", {"force": True, "status_reason": "waits for an agent"})
    task.set_system_tags([tag for tag in task.get_system_tags() if tag != DEVELOPMENT])
    if identifier:
        queueing.enqueue(session, task.id, queue=identifier, force=False)
    else:
        runtime = task._record.read_fields("runtime").get("runtime") or {}
        task._record.call("tasks.reset", {"force": True})
        kept = {key: runtime[key] for key in (state.PIPELINE_HASH, state.VERSION) if key in runtime}
        task._record.change("runtime", kept)
    task._record.forget()


def wait_for_task(task: Task, timeout_min: float | None) -> bool:
    """Wait until the task has ended; False when `timeout_min` pass before."""
    deadline = None if timeout_min is None else time.monotonic() + timeout_min * 60
    status = task.get_status()
    while status not in TERMINAL:
        remaining_s = LONG_S if deadline is None else min(LONG_S, deadline - time.monotonic())
        if remaining_s <= 0:
            return False
        told = changed(task._record.session, {task.id: status}, remaining_s)
        status = str(told.get(task.id, {}).get("status") or status)
    return True


def is_successful(pipeline: Asking, *, fail_on_step_fail: bool, fail_condition: str) -> bool:
    """See `PipelineController.is_successful`."""
    if fail_condition not in ("all", "failed", "aborted"):
        raise ValueError(f'fail_condition is "all", "failed" or "aborted", not {fail_condition!r}')
    bad = {"failed": {"failed"}, "aborted": {"stopped"}, "all": {"failed", "stopped"}}[fail_condition]
    engine = pipeline._engine
    if engine is None or not engine.is_over:
        status = pipeline.task.get_status()
        if status in bad or (engine is None and status not in TERMINAL):
            return False
    elif "failed" in bad and (engine.failure or any(node.stops_pipeline for node in pipeline._nodes.values())):
        return False
    if not fail_on_step_fail:
        return True
    ends = {states.FAILED if "failed" in bad else "", states.ABORTED if "stopped" in bad else ""}
    nodes = pipeline.get_pipeline_dag().values()
    return not any(node.stops_pipeline and node.status in ends for node in nodes)


def pipeline_task() -> Task:
    """The pipeline's task: this process's own, or its parent where this process is a step. Raises UsageError."""
    task = Task.current_task()
    if task is None:
        raise UsageError("this process belongs to no pipeline: it has no task")
    if project.TAG in task.get_system_tags() or not task.parent:
        return task
    parent = Task.get_task(task_id=task.parent)
    return parent if project.TAG in parent.get_system_tags() else task


def find(
    identifier: str | None,
    project_: str | None,
    name: str | None,
    version: str | None,
    tags: Sequence[str] | None,
    *,
    shallow: bool,
) -> Task:
    """See `PipelineController.get`."""
    if identifier:
        return Task.get_task(task_id=identifier)
    if not project_ or not name:
        raise UsageError("name the pipeline: pipeline_id, or pipeline_project and pipeline_name")
    session = Session.default()
    found = find_project(session, project.project_name(project_, name)) or find_project(session, project_)
    runs = project.runs(session, str(found["id"]), name, ["runtime", "tags", "system_tags"]) if found else []
    for run in runs[:100] if shallow else runs:
        if version and str((run.get("runtime") or {}).get(state.VERSION)) != version:
            continue
        if tags and not set(tags) & set(run.get("tags") or []):
            continue
        if "archived" not in (run.get("system_tags") or []):
            return Task.get_task(task_id=str(run["id"]))
    wanted = " ".join(str(part) for part in (name, version and f"version {version}", tags and f"tagged {tags}") if part)
    raise ValueError(f"no run of a pipeline {wanted} in {project_}")


def _target(pipeline: ControllerBase) -> str | None:
    """Full name of the project of the steps; None: that of their base tasks."""
    target = pipeline._target_project
    if target is True:
        return pipeline.task.get_project_name()
    return str(target) if target else None


def _stored(task: Task) -> dict[str, dict[str, object]]:
    return state.loaded(task.get_configuration_object(state.CONFIGURATION) or "")


def _take_over_edits(pipeline: ControllerBase, stored: dict[str, dict[str, object]]) -> None:
    """What people changed of the steps and of their code, in the task that this run is."""
    if not pipeline._always_create_from_code:
        kept = {name: Node.from_stored(name, fields) for name, fields in stored.items()}
        for name, node in kept.items():
            pipeline._nodes.setdefault(name, node)
    state.apply_edits(pipeline._nodes, stored)
    objects = pipeline.task.get_configuration_objects() or {}
    for section in pipeline._code:
        if objects.get(section):
            with harmless(f"reading the code of step {section!r}"):
                json.loads(objects[section])
                pipeline._code[section] = objects[section]


def store_code(pipeline: ControllerBase, names: Iterable[str]) -> None:
    """Store the programs of these function steps: each is a configuration object."""
    entries = [{"name": name, "value": pipeline._code[name], "type": "json"} for name in names]
    if entries:
        pipeline.task._record.call("tasks.edit_configuration", {"configuration": entries, "force": True})
        pipeline.task._record.forget()


def _plain_name(task: Task) -> str:
    """The pipeline's name without the number of the run."""
    front, _, number = task.name.rpartition(" #")
    return front if front and number.isdigit() else task.name
