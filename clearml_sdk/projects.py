"""Projects by name."""

from __future__ import annotations

import re

from clearml_sdk.errors import ApiError, UsageError
from clearml_sdk.paging import all_pages
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

NAME_TAKEN = 801
MIN_NAME = 3
"""Characters that the server wants of the name of a project or a task."""


def find_project(session: Session, name: str, *, search_hidden: bool = True) -> dict[str, Any] | None:
    """The project with exactly this full name, the last updated one if there are several; None when there is none."""
    body = {"name": f"^{re.escape(name)}$", "shallow_search": False, "search_hidden": search_hidden}
    found = session.call("projects.get_all", {**body, "order_by": ["-last_update"]}).get("projects") or []
    return found[0] if found else None


def explain_short(error: ApiError, what: str, name: str) -> None:
    """Raise UsageError where the server refused a name that is too short: its own words do not say which name."""
    if error.code == 400 and len(name.strip()) < MIN_NAME:
        raise UsageError(
            f"the name of the {what}, {name!r}, is too short: a name has {MIN_NAME} characters or more"
        ) from None


def project_id(session: Session, name: str, *, description: str = "") -> str:
    """The id of the project with this full name, which is created (with its parents) when it does not exist."""
    found = find_project(session, name)
    if found is not None:
        return str(found["id"])
    try:
        return str(session.call("projects.create", {"name": name, "description": description})["id"])
    except ApiError as error:
        explain_short(error, "project", name)
        if error.subcode != NAME_TAKEN:
            raise
    found = find_project(session, name)  # another process created it at the same moment
    if found is None:
        raise ValueError(f"project {name!r} exists but cannot be seen by this user")
    return str(found["id"])


def add_system_tags(session: Session, name: str, wanted: Sequence[str]) -> None:
    """Have a project carry these system tags, beside those that it has; nothing where there is none of this name."""
    found = find_project(session, name)
    tags = list((found or {}).get("system_tags") or [])
    if found is not None and not set(wanted) <= set(tags):
        body = {"project": found["id"], "system_tags": list(dict.fromkeys([*tags, *wanted]))}
        session.call("projects.update", body)


def list_projects(session: Session, **filters: Any) -> list[dict[str, Any]]:
    """All projects (those of one page, if `filters` name one), the last updated first; see `projects.get_all`."""
    body = {"order_by": ["-last_update"], **filters}
    if "page" in body or "page_size" in body:
        return session.call("projects.get_all", body).get("projects") or []
    return all_pages(session, "projects.get_all", "projects", body)
