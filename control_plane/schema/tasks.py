"""Requests of `tasks.*`. Field lists: contract/endpoints.json."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from control_plane.schema.base import Request

TaskType = Literal[
    "testing",
    "training",
    "data_processing",
    "controller",
    "application",
    "inference",
    "qc",
    "optimizer",
    "service",
    "monitor",
    "custom",
    "dataset_import",
    "annotation",
    "annotation_manual",
]
Section = dict[str, Any]
Ids = Annotated[list[str], Meta(min_length=1)]


class TaskRequest(Request, kw_only=True):
    """A call about one task."""

    task: str


class WaitForTasksRequest(Request, kw_only=True):
    """Wait for a change of status. `known`: task id -> the status that the caller knows, "" for none."""

    known: Annotated[dict[str, str], Meta(max_length=10_000)]
    timeout_s: Annotated[float, Meta(ge=0, le=25)] = 25.0


class TasksRequest(Request, kw_only=True):
    """A call about several tasks."""

    tasks: Ids


class Sections(Request, kw_only=True):
    """The parts of a task that create, edit and validate share; absent and null mean: leave as it is."""

    comment: str | None = None
    parent: str | None = None
    project: str | None = None
    tags: Any = None
    system_tags: Any = None
    output_dest: str | None = None
    execution: Any = None
    script: Any = None
    hyperparams: Any = None
    configuration: Any = None
    container: Any = None
    models: Any = None
    runtime: Any = None
    input: Any = None


class CreateRequest(Sections, kw_only=True):
    """A new task."""

    name: str
    type: TaskType


class EditRequest(Sections, kw_only=True):
    """Changes of a task; `hyperparams`, `configuration`, `runtime`, `tags`, `container` are replaced whole."""

    task: str
    name: str | None = None
    type: str | None = None
    force: bool = False


class UpdateRequest(Request, kw_only=True):
    """Changes that are allowed in any status."""

    task: str
    name: str | None = None
    comment: str | None = None
    project: str | None = None
    tags: list[str] | None = None
    system_tags: list[str] | None = None
    created: str | None = None
    """Not applied, as official servers do not: a task was made when it was made."""
    output__error: str | None = None


class StatusRequest(TaskRequest, kw_only=True):
    """A change of status."""

    status_reason: str | None = None
    status_message: str | None = None
    force: bool = False


class StopRequest(StatusRequest, kw_only=True):
    """An end for the run; of a pipeline's controller, for its steps too where that is asked."""

    include_pipeline_steps: bool = False


class CompletedRequest(StatusRequest, kw_only=True):
    """The end of a run that went well."""

    publish: bool = False


class PublishRequest(StatusRequest, kw_only=True):
    """No further changes."""

    publish_model: bool = True


class EnqueueRequest(TaskRequest, kw_only=True):
    """Into a queue: by id, by name (made if it is missing), or into the default queue."""

    queue: str | None = None
    queue_name: str | None = None
    status_reason: str | None = None
    status_message: str | None = None
    verify_watched_queue: bool = False
    update_execution_queue: bool = True


class DequeueRequest(TaskRequest, kw_only=True):
    """Out of its queue."""

    status_reason: str | None = None
    status_message: str | None = None
    remove_from_all_queues: bool = False
    new_status: str | None = None


class DeletionOptions(Request, kw_only=True):
    """What goes with a task that is reset or deleted."""

    force: bool = False
    return_file_urls: bool = False
    delete_output_models: bool = True
    delete_external_artifacts: bool = True


class ResetOptions(DeletionOptions, kw_only=True):
    """`clear_all` also clears script and execution."""

    clear_all: bool = False
    status_reason: str | None = None
    status_message: str | None = None


class ResetRequest(ResetOptions, kw_only=True):
    """Back to `created`, without what the run left."""

    task: str


class DeleteOptions(DeletionOptions, kw_only=True):
    """The options of a deletion."""

    move_to_trash: bool = False
    """There is no trash here, as nothing ever came back from it: what is deleted is gone."""
    include_pipeline_steps: bool = False
    status_reason: str | None = None
    status_message: str | None = None
    """Said about something that is gone afterwards, its history with it."""


class DeleteRequest(DeleteOptions, kw_only=True):
    """Remove a task."""

    task: str


class CloneRequest(TaskRequest, kw_only=True):
    """A copy of a task that has not run."""

    new_task_name: str | None = None
    new_task_comment: str | None = None
    new_task_tags: list[str] | None = None
    new_task_system_tags: list[str] | None = None
    new_task_parent: str | None = None
    new_task_project: str | None = None
    new_project_name: str | None = None
    new_task_hyperparams: Any = None
    new_task_configuration: Any = None
    new_task_container: Any = None
    new_task_input_models: Any = None
    execution_overrides: Any = None
    validate_references: bool = False


class RequirementsRequest(TaskRequest, kw_only=True):
    """What the task's environment needs."""

    requirements: dict[str, Any]


class MoveRequest(Request, kw_only=True):
    """Several tasks into a project."""

    ids: Ids
    project: str | None = None
    project_name: str | None = None


class UpdateTagsRequest(Request, kw_only=True):
    """Add and remove tags of several tasks."""

    ids: Ids
    add_tags: list[str] | None = None
    remove_tags: list[str] | None = None


class TaskIdsRequest(Request, kw_only=True):
    """Several tasks."""

    ids: Ids


class TypesRequest(Request, kw_only=True):
    """The types of task that occur."""

    projects: list[str] | None = None


class Created(Struct):
    """The id of what was made."""

    id: str


class Updated(Struct, omit_defaults=True):
    """How many tasks changed, and which fields."""

    updated: int
    fields: dict[str, Any] | UnsetType = UNSET


class TaskAnswer(Struct):
    """One task."""

    task: dict[str, Any]


class TasksAnswer(Struct, omit_defaults=True):
    """A page of tasks."""

    tasks: list[dict[str, Any]]
    scroll_id: str | UnsetType = UNSET
