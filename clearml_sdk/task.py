"""`Task`: one experiment - its code, parameters, outputs and state - as the script that runs or manages it sees it."""

from __future__ import annotations

import os

from clearml_sdk import process_role, seeding
from clearml_sdk import run as runs
from clearml_sdk.bindings import arguments
from clearml_sdk.errors import UsageError
from clearml_sdk.facade.artifacts import TaskArtifacts
from clearml_sdk.facade.backend import TaskBackend
from clearml_sdk.facade.destinations import TaskDestinations
from clearml_sdk.facade.endpoints import TaskEndpoints
from clearml_sdk.facade.exchange import TaskExchange
from clearml_sdk.facade.lifecycle import TaskLifecycle
from clearml_sdk.facade.modelling import TaskModelling
from clearml_sdk.facade.offline import TaskOffline
from clearml_sdk.facade.parameters import TaskParameters
from clearml_sdk.facade.properties import TaskProperties
from clearml_sdk.facade.remote import TaskRemote
from clearml_sdk.facade.results import TaskResults
from clearml_sdk.record import TaskRecord
from clearml_sdk.run import CaptureWishes, Run
from clearml_sdk.task_types import TaskStatusEnum, TaskTypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Self

__all__ = ["Task", "TaskStatusEnum", "TaskTypes"]

_wishes = CaptureWishes()


class Task(
    TaskParameters,
    TaskProperties,
    TaskModelling,
    TaskArtifacts,
    TaskLifecycle,
    TaskRemote,
    TaskResults,
    TaskExchange,
    TaskOffline,
    TaskDestinations,
    TaskEndpoints,
    TaskBackend,
):
    """An experiment. `Task.init` begins that of this process; `create`, `clone` and `get_task` give others."""

    _record_run: Run

    def __init__(self, private: Any = None, **kwargs: Any) -> None:
        raise UsageError("a Task is not constructed: use Task.init(), Task.get_task(), Task.create() or Task.clone()")

    # The task of this process.

    @classmethod
    def init(
        cls,
        project_name: str | None = None,
        task_name: str | None = None,
        task_type: Any = TaskTypes.training,
        tags: Sequence[str] | None = None,
        reuse_last_task_id: bool | str = True,
        continue_last_task: bool | str | int = False,
        output_uri: str | bool | None = None,
        auto_connect_arg_parser: bool | Mapping[str, bool] = True,
        auto_connect_frameworks: bool | Mapping[str, Any] = True,
        auto_resource_monitoring: Any = True,
        auto_connect_streams: bool | Mapping[str, bool] = True,
        deferred_init: bool = False,
    ) -> Self:
        """Record this process as a task: its code, packages, arguments, console and machine.

        Args:
            project_name: full name, `a/b`; created when new. None: the name of the git repository.
            task_name: None: the name of the script.
            reuse_last_task_id: overwrite the last run of these names on this machine if it left no outputs; a text:
                overwrite the task with this id; False: always a new task.
            continue_last_task: go on with the last run (or the one with this id) instead, its outputs kept and its
                iterations counted on; a number: count on from there.
            output_uri: where models and artifacts are stored; True: on the files server.
            auto_connect_arg_parser: record argparse's arguments; a dictionary chooses by name, `*` for the others.
            auto_connect_streams: record the console; a dictionary with `stdout`, `stderr` and `logging` chooses.
            auto_resource_monitoring: report the machine's load; a class: use it to do so.
            deferred_init: return at once, and wait when the task is first used.

        In a remote run the task is the one that the agent runs, and parameters take their values from it. A second call
        in one process returns the same task. Raises UsageError when it names another one, NotConfigured without a
        server to report to.
        """
        from clearml_sdk.initialising import InitOptions, begin, is_deferred

        options = InitOptions(
            project_name=project_name,
            task_name=task_name,
            task_type=task_type,
            tags=tags,
            reuse_last_task_id=reuse_last_task_id,
            continue_last_task=continue_last_task,
            output_uri=output_uri,
            auto_connect_arg_parser=auto_connect_arg_parser,
            auto_connect_frameworks=auto_connect_frameworks,
            auto_resource_monitoring=auto_resource_monitoring,
            auto_connect_streams=auto_connect_streams,
        )
        if is_deferred(deferred_init):
            from clearml_sdk.deferred import DeferredTask

            return DeferredTask(lambda: begin(cls, options, _wishes))  # type: ignore[return-value]  # stands for it
        return begin(cls, options, _wishes)  # type: ignore[return-value]  # begin makes what it is given

    @classmethod
    def current_task(cls) -> Task | None:
        """The task of this process (or of the process that started this one); None when there is none."""
        run = runs.current()
        if run is not None:
            return run.task
        from clearml_sdk.initialising import join

        return join(cls)

    def is_main_task(self) -> bool:
        """Whether this is the task that `Task.init` began in this process."""
        return self._run is not None

    def is_current_task(self) -> bool:
        """Deprecated: `is_main_task`."""
        return self.is_main_task()

    @staticmethod
    def running_locally() -> bool:
        """Whether no agent runs this process."""
        return not process_role.running_remotely()

    @classmethod
    def debug_simulate_remote_task(cls, task_id: str, reset_task: bool = False) -> None:
        """Behave as if an agent ran this process for `task_id`: values come from there. Call it before `Task.init`."""
        if reset_task:
            cls._session().call("tasks.reset", {"task": task_id, "force": True})
        process_role.simulate(task_id)

    # Other tasks.

    @classmethod
    def get_task(
        cls,
        task_id: str | None = None,
        project_name: str | None = None,
        task_name: str | None = None,
        tags: Sequence[str] | None = None,
        allow_archived: bool = True,
        task_filter: dict[str, Any] | None = None,
    ) -> Self:
        """One task: by its id, or the one of this project and exact name that changed last.

        None when no task has that project and name. Raises ValueError for an unknown id.
        """
        from clearml_sdk.queries import get_one

        session = cls._session()
        found = get_one(
            session,
            task_id=task_id,
            project_name=project_name,
            task_name=task_name,
            tags=tags,
            allow_archived=allow_archived,
            task_filter=task_filter,
        )
        if found is None:
            return None  # type: ignore[return-value]  # as official clients answer
        return cls._from_record(TaskRecord(session, str(found["id"]), found))

    @classmethod
    def get_tasks(
        cls,
        task_ids: Sequence[str] | None = None,
        project_name: str | Sequence[str] | None = None,
        task_name: str | None = None,
        tags: Sequence[str] | None = None,
        allow_archived: bool = True,
        task_filter: dict[str, Any] | None = None,
    ) -> list[Self]:
        """Tasks by their ids, or those that match (at most the 500 that changed last): see `query_tasks`."""
        from clearml_sdk.queries import by_ids, find_tasks

        session = cls._session()
        if task_ids is not None:
            documents = by_ids(session, [task_ids] if isinstance(task_ids, str) else list(task_ids))
        else:
            documents = find_tasks(
                session,
                project_name=project_name,
                task_name=task_name,
                tags=tags,
                allow_archived=allow_archived,
                task_filter=task_filter,
            )
        return [cls._from_record(TaskRecord(session, str(found["id"]), found)) for found in documents]

    @classmethod
    def query_tasks(
        cls,
        project_name: str | Sequence[str] | None = None,
        task_name: str | None = None,
        tags: Sequence[str] | None = None,
        additional_return_fields: Sequence[str] | None = None,
        task_filter: dict[str, Any] | None = None,
    ) -> list[Any]:
        """Ids of all tasks that match; with `additional_return_fields` dictionaries with `id` and these fields.

        Args:
            project_name: name or names; a part of a name matches where no project has it exactly.
            task_name: regular expression found anywhere in the name.
            tags: any of these, or with the operators `__$all`, `__$and`, `__$or`, `__$not` and the prefix `-`.
            task_filter: further conditions and the order, as `tasks.get_all` takes them.
        """
        from clearml_sdk.queries import find_tasks, pick

        extra = list(additional_return_fields or [])
        found = find_tasks(
            cls._session(),
            project_name=project_name,
            task_name=task_name,
            tags=tags,
            task_filter=task_filter,
            fields=["id", *extra],
            limit=None,
        )
        if not extra:
            return [str(task["id"]) for task in found]
        return [{"id": task["id"], **{field: pick(task, field) for field in extra}} for task in found]

    @classmethod
    def get_all(cls, session: Any = None, log: Any = None, **kwargs: Any) -> Any:
        """The answer of `tasks.get_all` to these keywords, fields as attributes."""
        from clearml_sdk.documents import Document

        return Document((session or cls._session()).call("tasks.get_all", kwargs))

    @classmethod
    def get_by_name(cls, task_name: str) -> Self:
        """Deprecated: the newest task of this name in any project."""
        return cls.get_task(task_name=task_name)

    @classmethod
    def create(
        cls,
        project_name: str | None = None,
        task_name: str | None = None,
        task_type: str | None = None,
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
        base_task_id: str | None = None,
        add_task_init_call: bool = True,
        force_single_script_file: bool = False,
        binary: str | None = None,
        module: str | None = None,
        detect_repository: bool = True,
    ) -> Self:
        """A new draft, made of code that this process does not run.

        Args:
            repo: URL of a repository, or the path of a working copy (its commit and changes are recorded).
            script: entry point, relative to the repository; or a path of its own, recorded whole outside a repository.
            working_directory: where the script starts, relative to the repository.
            packages: requirement lines; True: what the script imports, as installed here; None: as the repository says.
            argparse_args: (name, value) pairs for the script's arguments.
            base_task_id: start from a clone of this task.
            add_task_init_call: have a script recorded whole call `Task.init`, where it does not.
        """
        from clearml_sdk.creation import CodeWish, create_task

        session = cls._session()
        if session.is_offline:
            raise UsageError("a draft is made on a server: offline there is Task.init() only")
        code = CodeWish(
            repo=repo,
            branch=branch,
            commit=commit,
            script=script,
            working_directory=working_directory,
            packages=packages,
            requirements_file=requirements_file,
            add_task_init_call=add_task_init_call,
            force_single_script_file=force_single_script_file,
            binary=binary,
            module=module,
            detect_repository=detect_repository,
        )
        record = create_task(
            session,
            project_name=project_name,
            task_name=task_name,
            task_type=task_type,
            code=code,
            docker=(docker, docker_args, docker_bash_setup_script),
            arguments=argparse_args or (),
            base_task_id=base_task_id,
        )
        return cls._from_record(record)

    @classmethod
    def clone(
        cls,
        source_task: Any = None,
        name: str | None = None,
        comment: str | None = None,
        parent: str | None = None,
        project: str | None = None,
    ) -> Self:
        """A draft with the code, parameters and configuration of a task (its id, or None for the current one).

        name: None: `Clone Of` and the source's. parent: id; None: the source's parent, or the source when it has none.
        project: id; None: the source's.
        """
        source = source_task if source_task is not None else cls.current_task()
        if source is None:
            raise UsageError("which task is to be cloned? There is no current one")
        if isinstance(source, Task):
            run = source._run
            if run is not None:
                run.settle()
            record = source._record
        else:
            record = TaskRecord(cls._session(), str(source))
        session, identifier = record.session, record.id
        parent = parent or str(record.get("parent") or identifier)
        given = {
            "new_task_name": name or f"Clone Of {record.get('name', '')}",
            "new_task_comment": comment,
            "new_task_parent": parent,
            "new_task_project": project,
        }
        body = {"task": identifier, **{key: value for key, value in given.items() if value is not None}}
        return cls._from_record(TaskRecord(session, str(session.call("tasks.clone", body)["id"])))

    # What is recorded about the environment: to be called before `Task.init`.

    @classmethod
    def add_requirements(cls, package_name: str, package_version: str | None = None) -> None:
        """Record a package whether or not the script imports it.

        package_version: None: the installed one; "": any; "2.4" or ">=2.4". `package_name` may be the path of a
        requirements file, all of which is added.
        """
        if os.path.isfile(package_name):
            from clearml_sdk.script.packages import parse_requirements

            _wishes.added.update(parse_requirements(package_name))
            return
        _wishes.added[package_name] = package_version

    @classmethod
    def ignore_requirements(cls, package_name: str) -> None:
        """Leave a package out, although the script imports it."""
        _wishes.ignored.append(package_name)

    @classmethod
    def force_requirements_env_freeze(cls, force: bool = True, requirements_file: Any = None) -> None:
        """Record everything that is installed (or a requirements file), not what the script imports."""
        _wishes.freeze = force
        _wishes.requirements_file = str(requirements_file) if force and requirements_file else None

    @classmethod
    def set_random_seed(cls, random_seed: int | bool | None) -> None:
        """Seed the generators of new runs (`random`, numpy, torch, TensorFlow) with this number.

        True: with 1337, as they are unless told otherwise; None or False: not at all.
        """
        seeding.choose(random_seed)

    def get_random_seed(self) -> int | None:
        """The seed of new runs; None when they are not seeded."""
        return seeding.chosen()

    @classmethod
    def set_resource_monitor_iteration_timeout(
        cls,
        seconds_from_start: float = 30.0,
        wait_for_first_iteration_to_start_sec: float = 180.0,
        max_wait_for_first_iteration_to_start_sec: float = 1800.0,
    ) -> bool:
        """Choose by what new runs draw the load of the machine: iterations, or seconds where no iteration comes.

        Args:
            seconds_from_start: how long iterations are waited for at most.
            wait_for_first_iteration_to_start_sec: how long without an explicit `seconds_from_start`.
            max_wait_for_first_iteration_to_start_sec: iterations that come later than this do not replace the seconds.
        """
        from clearml_sdk.reporting.resources import Axis

        Axis.choose(
            seconds_from_start, wait_for_first_iteration_to_start_sec, max_wait_for_first_iteration_to_start_sec
        )
        return True

    @classmethod
    def force_store_standalone_script(cls, force: bool = True) -> None:
        """Record the script itself, not its repository."""
        _wishes.standalone = force

    @classmethod
    def set_credentials(
        cls,
        api_host: str | None = None,
        web_host: str | None = None,
        files_host: str | None = None,
        key: str | None = None,
        secret: str | None = None,
        store_conf_file: bool = False,
    ) -> None:
        """Use this server and these credentials from now on; `store_conf_file` also writes them to clearml.conf."""
        from clearml_sdk.credentials import use_credentials

        use_credentials(api_host, web_host, files_host, key, secret, store_conf_file=store_conf_file)


arguments.watch()
