"""Requests of `tasks.*` about single items of a task: hyperparameters, configuration texts, artifacts, models."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from control_plane.schema.base import Request
from control_plane.schema.tasks import TaskRequest, TasksRequest


class ParamItem(Request, kw_only=True):
    """A hyperparameter in a flat list."""

    section: str
    name: str
    value: str | None = None
    type: str | None = None
    description: str | None = None


class ParamKey(Request, kw_only=True):
    """A hyperparameter, or with `name` null a whole section."""

    section: str
    name: str | None = None


class EditParamsRequest(TaskRequest, kw_only=True):
    """Set hyperparameters; the rest stays, or the sections named or all are replaced."""

    hyperparams: Annotated[list[ParamItem], Meta(min_length=1)]
    replace_hyperparams: Literal["none", "section", "all"] = "none"
    force: bool = False


class DeleteParamsRequest(TaskRequest, kw_only=True):
    """Remove hyperparameters or sections."""

    hyperparams: Annotated[list[ParamKey], Meta(min_length=1)]
    force: bool = False


class ConfigurationItem(Request, kw_only=True):
    """One configuration text."""

    name: str
    value: str
    type: str | None = None
    description: str | None = None


class EditConfigurationRequest(TaskRequest, kw_only=True):
    """Set configuration texts; the rest stays or is replaced."""

    configuration: Annotated[list[ConfigurationItem], Meta(min_length=1)]
    replace_configuration: bool = False
    force: bool = False


class DeleteConfigurationRequest(TaskRequest, kw_only=True):
    """Remove configuration texts by name."""

    configuration: Annotated[list[str], Meta(min_length=1)]
    force: bool = False


class ConfigurationNamesRequest(TasksRequest, kw_only=True):
    """The names of the configuration texts of some tasks."""

    skip_empty: bool = True


class ConfigurationsRequest(TasksRequest, kw_only=True):
    """The configuration texts of some tasks."""

    names: list[str] | None = None


Mode = Literal["input", "output"]


class Artifact(Request, omit_defaults=True, kw_only=True):
    """One artifact; identity is key and mode."""

    key: str
    type: str
    mode: Mode = "output"
    uri: str | None = None
    content_size: int | None = None
    hash: str | None = None
    timestamp: int | None = None
    type_data: dict[str, Any] | None = None
    display_data: list[list[str]] | None = None


class ArtifactId(Request, kw_only=True):
    """What names an artifact."""

    key: str
    mode: Mode = "output"


class AddArtifactsRequest(TaskRequest, kw_only=True):
    """Add artifacts, or replace those with the same key and mode."""

    artifacts: Annotated[list[Artifact], Meta(min_length=1)]
    force: bool = False


class DeleteArtifactsRequest(TaskRequest, kw_only=True):
    """Remove artifacts."""

    artifacts: Annotated[list[ArtifactId], Meta(min_length=1)]
    force: bool = False


class AddModelRequest(TaskRequest, kw_only=True):
    """Attach a model under a name."""

    name: str
    model: str
    type: Mode
    iteration: int | None = None


class ModelName(Request, kw_only=True):
    """A model of a task, by its name there."""

    name: str
    type: Mode


class DeleteModelsRequest(TaskRequest, kw_only=True):
    """Detach models."""

    models: Annotated[list[ModelName], Meta(min_length=1)]
