"""`Task.init`: begin the run of this process and connect everything that records it.

The caller waits for the few calls that make the task; code, packages and machine are recorded by a thread meanwhile.
"""

from __future__ import annotations

import os
import sys

from clearml_sdk import process_role, reporters, seeding
from clearml_sdk import run as runs
from clearml_sdk.bindings import arguments, command_lines, frameworks
from clearml_sdk.bindings.switches import Switches
from clearml_sdk.config import environment, load_settings
from clearml_sdk.destinations import default_destination, destination
from clearml_sdk.errors import ServerUnreachable, UsageError
from clearml_sdk.notices import announce, harmless
from clearml_sdk.offline import fallback
from clearml_sdk.projects import MIN_NAME
from clearml_sdk.record import TaskRecord
from clearml_sdk.run import CaptureWishes, Run
from clearml_sdk.session import Session
from clearml_sdk.starting import Start, Wish, attach, start_task
from clearml_sdk.task_types import type_name
from clearml_sdk.web_pages import task_page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from clearml_sdk.config import Config
    from clearml_sdk.script.entry_point import EntryPoint
    from clearml_sdk.task import Task

DEFAULT_PROJECT = "Untitled"


class InitOptions:
    """The arguments of `Task.init`, see there."""

    def __init__(
        self,
        *,
        project_name: str | None,
        task_name: str | None,
        task_type: object,
        tags: Any,
        reuse_last_task_id: bool | str,
        continue_last_task: bool | str | int,
        output_uri: str | bool | None,
        auto_connect_arg_parser: bool | Mapping[str, bool],
        auto_connect_frameworks: bool | Mapping[str, Any],
        auto_resource_monitoring: Any,
        auto_connect_streams: bool | Mapping[str, bool],
    ) -> None:
        self.project_name, self.task_name, self.kind = project_name, task_name, type_name(task_type)
        self.tags = [tags] if isinstance(tags, str) else list(tags or [])
        self.reuse, self.proceed, self.output_uri = reuse_last_task_id, continue_last_task, output_uri
        self.arguments, self.frameworks = auto_connect_arg_parser, auto_connect_frameworks
        self.monitoring, self.streams = auto_resource_monitoring, auto_connect_streams


def begin(task_class: type[Task], options: InitOptions, wishes: CaptureWishes) -> Task:
    """Begin this process's run and return its task; the one that is open already, if any.

    Raises UsageError when another task is open in this process, NotConfigured without a server.
    """
    with runs.exclusively():
        run = runs.current()
        if run is not None and run.task is not None:
            _check_same(run.task, options)
            return run.task
        session = Session.default()
        config = session.config or load_settings()
        parent = process_role.master()
        remote = process_role.remote_task_id()
        if parent is not None and remote in (None, parent[1]):
            return _as_child(task_class, session, config, parent[1], options)
        if remote is not None:
            return _as_remote(task_class, session, config, remote, options)
        return _as_local(task_class, session, config, options, wishes)


def join(task_class: type[Task]) -> Task | None:
    """The task of the process that started this one, for a child process that asks for the current task."""
    parent = process_role.master()
    if parent is None:
        return None
    with runs.exclusively():
        run = runs.current()
        if run is not None:
            return run.task
        session = Session.default()
        return _as_child(task_class, session, session.config or load_settings(), parent[1], None)


def _as_local(
    task_class: type[Task], session: Session, config: Config, options: InitOptions, wishes: CaptureWishes
) -> Task:
    try:
        fallback.find_server(session)
        start = start_task(session, config, _wish(session, config, options))
    except ServerUnreachable as error:
        session = fallback.begin(session, error)
        start = start_task(session, config, _wish(session, config, options))
    task = _open_run(task_class, session, config, start, "local", options)
    fallback.mark(task)
    run = task._record_run
    run.start_capture(wishes, detect_repository=_detects_repository(options))
    _connect_arguments(task, options, takes=False)
    _connect_frameworks(run, task, options)
    if not session.is_offline:
        run.start_watching()
    verb = {"created": "created new", "reused": "overwriting (reusing)", "continued": "continuing"}[start.kind]
    _announce(task, f"ClearML Task: {verb} task id={task.id}")
    return task


def _wish(session: Session, config: Config, options: InitOptions) -> Wish:
    from clearml_sdk.script.entry_point import find_entry_point

    entry = find_entry_point()
    return Wish(
        project=options.project_name or _default_project(entry),
        name=options.task_name or _default_name(entry),
        kind=options.kind,
        tags=options.tags,
        reuse=options.reuse if not session.is_offline else False,  # a session is a run
        proceed=options.proceed if not session.is_offline else False,
        output_uri=_output_destination(session, config, options.output_uri),
    )


def _as_remote(task_class: type[Task], session: Session, config: Config, task_id: str, options: InitOptions) -> Task:
    start = attach(session, task_id)
    wished = _output_destination(session, config, options.output_uri)
    if wished and not start.record.get("output.destination"):
        start.record.edit(output_dest=wished)
    task = _open_run(task_class, session, config, start, "remote", options)
    task._record_run.start_runtime_note()
    _connect_arguments(task, options, takes=True)
    _connect_frameworks(task._record_run, task, options)
    _announce(task, None)
    return task


def _as_child(
    task_class: type[Task], session: Session, config: Config, task_id: str, options: InitOptions | None
) -> Task:
    """A process that the run's process started reports to the same task and leaves its status alone."""
    record = TaskRecord(session, task_id)
    run = Run(session, config, record, "child")
    task = task_class._from_record(record)
    _adopt(task, run)
    with harmless("recording the console"):
        inherited = os.environ.get(process_role.STREAMS, "")
        _connect_streams(run, task_id, dict.fromkeys(inherited.split(","), True) if inherited else {})
    if options is not None and process_role.running_remotely():
        _connect_arguments(task, options, takes=True)
    if options is not None:
        _connect_frameworks(run, task, options)
    _close_with_run(run, task)
    if "multiprocessing.util" in sys.modules:  # its children end without calling what atexit knows
        from multiprocessing.util import Finalize

        Finalize(None, run.close, args=(None,), exitpriority=10)
    return task


def _open_run(
    task_class: type[Task], session: Session, config: Config, start: Start, role: str, options: InitOptions
) -> Task:
    run = Run(session, config, start.record, role)
    task = task_class._from_record(start.record)
    _adopt(task, run)
    process_role.become_master(task.id)
    seeding.apply()
    reporter = reporters.reporter_of(session, task.id)
    if start.iteration_offset:
        reporter.iteration_offset = start.iteration_offset
    with harmless("recording the console"):
        _connect_streams(run, task.id, options.streams)
    with harmless("watching the machine"):
        _connect_monitor(run, reporter, options)
    _close_with_run(run, task)
    return task


def _close_with_run(run: Run, task: Task) -> None:
    """What is to be closed last: stored files, and the reporter that tells of them."""
    run.parts.append(("storing the artifacts", lambda limit_s: task._wait_for_uploads(limit_s, at_end=True)))
    run.parts.append(("sending the last reports", lambda limit_s: reporters.close(task.id, limit_s)))
    run.install_hooks()


def _adopt(task: Task, run: Run) -> None:
    run.task = task
    task._record_run = run
    import clearml_sdk.logger  # noqa: F401  # here, and not by a thread while another forks

    runs.set_current(run)
    if not run.session.is_offline:
        from clearml_sdk.outage import Outage

        run.session.outage = Outage(run.session, task.id, reporters.reporter_of(run.session, task.id))


def _connect_streams(run: Run, task_id: str, wanted: bool | Mapping[str, bool]) -> None:
    """Record the console, unless an agent does (`CLEARML_LOG_TASK_TO_BACKEND=0`) or the script does not want it."""
    streams = {"stdout": True, "stderr": True, "logging": True} if wanted is True else dict(wanted or {})
    if not any(streams.values()) or not process_role.sends_console():
        return
    if not run.config.flag("sdk.development.worker.log_stdout", True):
        return
    os.environ[process_role.STREAMS] = ",".join(name for name, is_on in streams.items() if is_on)
    reporter = reporters.reporter_of(run.session, task_id)
    from clearml_sdk.reporting.console import Console, LoggingCapture

    console = Console(reporter, stdout=bool(streams.get("stdout")), stderr=bool(streams.get("stderr")))
    console.start()
    run.parts.append(("recording the console", lambda limit_s: console.stop()))
    if streams.get("logging") and not streams.get("stderr"):  # logging's own handler writes to stderr
        capture = LoggingCapture(reporter)
        capture.__enter__()
        run.parts.append(("recording the log", lambda limit_s: capture.__exit__(None, None, None)))


def _connect_monitor(run: Run, reporter: Any, options: InitOptions) -> None:
    if not options.monitoring:
        return
    from clearml_sdk.reporting.resources import ResourceMonitor

    kind = options.monitoring if isinstance(options.monitoring, type) else ResourceMonitor
    monitor = run.monitor = kind(run.task if getattr(kind, "takes_task", False) else reporter)
    monitor.start()
    run.parts.append(("watching the machine", lambda limit_s: monitor.stop()))


def _connect_frameworks(run: Run, task: Task, options: InitOptions) -> None:
    """Record what the libraries that the script uses do; it ends before anything else that records the run."""
    with harmless("connecting the frameworks"):
        frameworks.connect(task, options.frameworks)
        run.parts.insert(0, ("leaving the frameworks alone", lambda limit_s: _disconnect()))


def _disconnect() -> None:
    frameworks.disconnect()
    arguments.unbind()


def _connect_arguments(task: Task, options: InitOptions, *, takes: bool) -> None:
    wanted = _argument_filter(options.arguments)
    if wanted is not None:
        arguments.bind(task._argument_binding(wanted, takes))
    with harmless("recording the arguments"):
        command_lines.bind(task, wanted, Switches(options.frameworks))


def _argument_filter(choice: bool | Mapping[str, bool]) -> Callable[[str], bool] | None:
    """Which arguments to record; None for none. Missing names follow `*`, which is true unless given."""
    if choice is True:
        return lambda name: True
    if not choice:
        return None
    others = bool(choice.get("*", True))
    return lambda name: bool(choice.get(name, others))


def _detects_repository(options: InitOptions) -> bool:
    choice = options.frameworks
    return choice if isinstance(choice, bool) else bool(choice.get("detect_repository", True))


def _output_destination(session: Session, config: Config, given: str | bool | None) -> str | None:
    """Where outputs go: the argument, else the configured default; None: neither says anything, "": nowhere."""
    return destination(session, given) if given is not None else default_destination(session, config)


def _default_name(entry: EntryPoint) -> str:
    name = entry.name
    return name if len(name) >= MIN_NAME or not entry.path else os.path.basename(entry.path)


def _default_project(entry: EntryPoint) -> str:
    """The repository's name, where the script is in one."""
    from clearml_sdk.script.repository import GitFailed, git

    folder = os.path.dirname(entry.path) if entry.path else entry.directory
    try:
        root = git(folder, "rev-parse", "--show-toplevel").strip()
    except (GitFailed, FileNotFoundError, NotADirectoryError):
        return DEFAULT_PROJECT
    name = os.path.basename(root)
    return name if len(name) >= MIN_NAME else DEFAULT_PROJECT


def _check_same(task: Task, options: InitOptions) -> None:
    if process_role.running_remotely() or task._record_run.role == "child":
        return
    for what, wanted, actual in (
        ("task", options.task_name, task.name),
        ("project", options.project_name, task.get_project_name() if options.project_name else None),
    ):
        if wanted and wanted != actual:
            raise UsageError(
                f"this process already runs the task {task.name!r} ({task.id}), but another {what} was asked for "
                f"({wanted!r}): call task.close() first, or Task.create() for a task that does not run here"
            )


def _announce(task: Task, line: str | None) -> None:
    if line:
        announce(line)
    folder = task.get_offline_mode_folder()
    if folder is not None:
        announce(f"ClearML running in offline mode, session stored in {folder}")
        return
    announce(f"ClearML results page: {task_page(task._record.session, task.id, task.project)}")


def is_deferred(asked: bool) -> bool:
    """Whether `Task.init` is to return before it is done: asked for here or by the environment; never remotely."""
    return (asked or environment.read_flag("DEFERRED_TASK_INIT", False)) and not process_role.running_remotely()
