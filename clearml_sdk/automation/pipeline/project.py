"""Where a pipeline's runs are kept - a hidden project - and which number and version a run has."""

from __future__ import annotations

import re

from clearml_sdk.projects import add_system_tags, project_id
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

SUBPROJECT = ".pipelines"
TAG, HIDDEN = "pipeline", "hidden"
FIRST_VERSION = "1.0.0"
_VERSION = re.compile(r"^\d+(\.\d+)*$")


def project_name(project: str, pipeline: str) -> str:
    """Full name of the project of a pipeline's runs."""
    return f"{project}/{SUBPROJECT}/{pipeline}"


def mark_projects(session: Session, full_name: str) -> str:
    """Make sure that the project is there and that lists leave it out; returns its id."""
    identifier = project_id(session, full_name)
    add_system_tags(session, full_name.rpartition("/")[0], [HIDDEN])
    add_system_tags(session, full_name, [HIDDEN, TAG])
    return identifier


def runs(session: Session, project: str, name: str, fields: Iterable[str]) -> list[dict[str, Any]]:
    """The runs of a pipeline, newest first: tasks of the project id called `name` or `name #2`."""
    body = {
        "name": f"^{re.escape(name)}(| #\\d+)$",
        "project": [project],
        "system_tags": [TAG],
        "order_by": ["-created"],
        "only_fields": ["id", "name", *fields],
        "search_hidden": True,
        "page": 0,
        "page_size": 500,
    }
    return session.call("tasks.get_all", body).get("tasks") or []


def next_name(name: str, taken: Iterable[str]) -> str:
    """The name of the next run: `name`, then `name #2` and so on. Pure."""
    numbers = [int(match.group(1)) if (match := re.search(r" #(\d+)$", one)) else 1 for one in taken]
    return f"{name} #{max(numbers) + 1}" if numbers else name


def next_version(versions: Sequence[str]) -> str:
    """One more than the highest version there is; the first one where there is none. Pure."""
    known = [tuple(int(part) for part in version.split(".")) for version in versions if _VERSION.match(version)]
    if not known:
        return FIRST_VERSION
    *front, last = max(known)
    return ".".join(str(part) for part in (*front, last + 1))
