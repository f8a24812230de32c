"""Addresses of pages that people open."""

from __future__ import annotations

from clearml_sdk.session import Session

NEW_PATHS_SINCE = (2, 31)


def task_page(session: Session, task_id: str, project: str | None, *, web_server: str | None = None) -> str:
    """The page of a task's results. Source: contract/wire.md 12, "Printed web pages"."""
    web = (web_server or session.settings.web_server).rstrip("/")
    kind = "tasks" if api_version(session) >= NEW_PATHS_SINCE else "experiments"
    return f"{web}/projects/{project or '*'}/{kind}/{task_id}/output/log"


def pipeline_page(session: Session, task_id: str, project: str | None) -> str:
    """The page of a run of a pipeline. Source: as above."""
    return f"{session.settings.web_server.rstrip('/')}/pipelines/{project or '*'}/experiments/{task_id}"


def api_version(session: Session) -> tuple[int, ...]:
    """The API version that the server announced in its token; (0,) before the first login, or for nonsense."""
    try:
        return tuple(int(part) for part in str(session.core.claims.get("api_version", "0")).split("."))
    except ValueError:
        return (0,)


def dataset_page(session: Session, task_id: str, project: str | None) -> str:
    """The page of a version of a dataset. Source: as above."""
    return f"{session.settings.web_server.rstrip('/')}/datasets/simple/{project or '*'}/experiments/{task_id}"
