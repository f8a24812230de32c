"""Requests of `models.*`."""

from typing import Annotated, Any

from msgspec import Meta

from control_plane.schema.base import Request

Ids = Annotated[list[str], Meta(min_length=1)]


class MetadataItem(Request, kw_only=True):
    """One entry of a model's metadata."""

    key: str
    type: str
    value: str


class ModelFields(Request, kw_only=True):
    """What create and edit share; absent and null mean: leave as it is."""

    comment: str | None = None
    framework: str | None = None
    design: dict[str, Any] | None = None
    labels: dict[str, Any] | None = None
    parent: str | None = None
    project: str | None = None
    task: str | None = None
    tags: list[str] | None = None
    system_tags: list[str] | None = None
    metadata: Any = None
    iteration: int | None = None
    ready: bool | None = None


class CreateModelRequest(ModelFields, kw_only=True):
    """A new model; ready unless it says otherwise."""

    name: str
    uri: str
    public: bool = False


class EditModelRequest(ModelFields, kw_only=True):
    """Changes of a model."""

    model: str
    name: str | None = None
    uri: str | None = None


class UpdateModelRequest(Request, kw_only=True):
    """Changes of what people write about a model."""

    model: str
    name: str | None = None
    comment: str | None = None
    project: str | None = None
    task: str | None = None
    created: str | None = None
    tags: list[str] | None = None
    system_tags: list[str] | None = None
    iteration: int | None = None
    ready: bool | None = None
    """Not applied, as official servers do not: `models.set_ready` and `models.edit` do."""
    ui_cache: dict[str, Any] | None = None


class ModelRequest(Request, kw_only=True):
    """One model."""

    model: str


class DeleteModelRequest(ModelRequest, kw_only=True):
    """Remove a model; one that is in use only with force."""

    force: bool = False


class ReadyRequest(ModelRequest, kw_only=True):
    """Lock a model; `publish_task` also publishes the task that made it."""

    publish_task: bool = True
    force_publish_task: bool = False


class AddMetadataRequest(ModelRequest, kw_only=True):
    """Set metadata entries; the rest stays or is replaced."""

    metadata: Annotated[list[MetadataItem], Meta(min_length=1)]
    replace_metadata: bool = False


class DeleteMetadataRequest(ModelRequest, kw_only=True):
    """Remove metadata entries by key."""

    keys: Annotated[list[str], Meta(min_length=1)]


class ModelIdsRequest(Request, kw_only=True):
    """Several models."""

    ids: Ids


class DeleteModelsRequest(ModelIdsRequest, kw_only=True):
    """Remove several models."""

    force: bool = False


class PublishModelsRequest(ModelIdsRequest, kw_only=True):
    """Lock several models."""

    publish_tasks: bool = True
    force_publish_task: bool = False


class FrameworksRequest(Request, kw_only=True):
    """The frameworks that occur."""

    projects: list[str] | None = None


class UpdateForTaskRequest(Request, kw_only=True):
    """A task's output model, as callers older than 2.13 report it."""

    task: str
    uri: str | None = None
    name: str | None = None
    comment: str | None = None
    tags: list[str] | None = None
    system_tags: list[str] | None = None
    override_model_id: str | None = None
    iteration: int | None = None


class TaskModelRequest(Request, kw_only=True):
    """The model of a task, as callers older than 2.13 ask for it."""

    task: str
