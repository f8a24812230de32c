"""Datasets under another name or in another project: all their versions, and the hidden project that holds them."""

from __future__ import annotations

from clearml_sdk.datasets.creating import hidden_project
from clearml_sdk.datasets.lookup import find_versions
from clearml_sdk.datasets.removing import drop_empty_project
from clearml_sdk.datasets.stored import FOLDER
from clearml_sdk.errors import UsageError
from clearml_sdk.projects import MIN_NAME, find_project
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def rename(session: Session, *, project: str, name: str, new_name: str) -> int:
    """Give a dataset another name; returns how many versions it has. Raises UsageError."""
    if len(new_name) < MIN_NAME:
        raise UsageError(f"the name of a dataset has at least {MIN_NAME} characters, {new_name!r} has not")
    return _carry(session, (project, name), (project, new_name))


def move(session: Session, *, project: str, name: str, new_project: str) -> int:
    """Bring a dataset into another project; returns how many versions it has. Raises UsageError."""
    return _carry(session, (project, name), (new_project, name))


def _carry(session: Session, source: tuple[str, str], target: tuple[str, str]) -> int:
    if source == target:
        return 0
    found = _kept(session, *source)
    if not found:
        raise UsageError(f"there is no dataset {source[1]!r} in project {source[0]!r}")
    if find_versions(session, project=target[0], name=target[1]):
        raise UsageError(f"there is a dataset {target[1]!r} in project {target[0]!r} already")
    into = hidden_project(session, *target)
    # The names first: where this process dies in between, the same call finds what is left, and goes on.
    for task in found:
        if task["name"] != target[1]:
            session.call("tasks.edit", {"task": task["id"], "name": target[1], "force": True})
    session.call("tasks.move", {"ids": [str(task["id"]) for task in found], "project": into})
    old = find_project(session, f"{source[0]}/{FOLDER}/{source[1]}")
    if old is not None:
        drop_empty_project(session, str(old["id"]))
    return len(found)


def _kept(session: Session, project: str, name: str) -> list[dict[str, Any]]:
    """The versions in the hidden project of a dataset, whatever they are called; else those of this name."""
    hidden = f"{project}/{FOLDER}/{name}"
    return find_versions(session, project=hidden, recursive=False) or find_versions(session, project=project, name=name)
