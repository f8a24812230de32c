"""Requests of `projects.*`."""

from typing import Any

from control_plane.schema.base import Request


class CreateProjectRequest(Request, kw_only=True):
    """A new project; parents that are missing are made."""

    name: str | None = None
    description: str | None = None
    tags: Any = None
    system_tags: Any = None
    default_output_destination: str | None = None


class UpdateProjectRequest(Request, kw_only=True):
    """Changes of a project; `name` may change its last part only."""

    project: str
    name: str | None = None
    description: str | None = None
    tags: Any = None
    system_tags: Any = None
    default_output_destination: str | None = None


class ProjectRequest(Request, kw_only=True):
    """One project."""

    project: str


class DeleteProjectRequest(ProjectRequest, kw_only=True):
    """Remove a project and those below it; with `delete_contents` also what is in them."""

    force: bool = False
    delete_contents: bool = False
    delete_external_artifacts: bool = True


class MoveProjectRequest(ProjectRequest, kw_only=True):
    """Put a project below another; the empty location is the top."""

    new_location: str | None = None


class MergeProjectRequest(ProjectRequest, kw_only=True):
    """Move what a project holds into another, and remove it."""

    destination_project: str | None = None


class ProjectsRequest(Request, kw_only=True):
    """Something about some projects; none named means all."""

    projects: list[str] | None = None
    include_subprojects: bool = True
    include_system: bool = False
    filter: dict[str, Any] | None = None
    tasks_state: str | None = None
    task_name: str | None = None
    entity: str = "task"


class ProjectPageRequest(Request, kw_only=True):
    """A page of something about one project."""

    project: str | None = None
    include_subprojects: bool = True
    page: int = 0
    page_size: int = 500


class HyperparamValuesRequest(Request, kw_only=True):
    """The values that a hyperparameter has in some projects."""

    section: str
    name: str
    projects: list[str] | None = None
    include_subprojects: bool = True
    allow_public: bool = True
    pattern: str | None = None
    page: int = 0
    page_size: int = 500


class MetadataValuesRequest(Request, kw_only=True):
    """The values that a metadata key has in some projects' models."""

    key: str
    projects: list[str] | None = None
    include_subprojects: bool = True
    allow_public: bool = True
    page: int = 0
    page_size: int = 500


class MetricVariantsRequest(Request, kw_only=True):
    """The metrics that occur in a project."""

    project: str | None = None
    include_subprojects: bool = True
    model_metrics: bool = False
    ids: list[str] | None = None
