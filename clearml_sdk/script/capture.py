"""The `script` section of a task, made of the entry point and its repository."""

from __future__ import annotations

import base64
import os
import sys

from clearml_sdk.config import environment
from clearml_sdk.script.entry_point import EntryPoint
from clearml_sdk.script.repository import (
    GitFailed,
    Repository,
    diff_of_new_file,
    read_repository,
    untracked,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_DIFF_BYTES = 8 * 1024 * 1024
"""A larger diff does not fit a request; it is left out, and the notice says so."""


class CapturedScript:
    """`section`: what to send as `script`; `root`: where the project's own code is; `notices`: for the user."""

    def __init__(self, section: dict[str, str], root: str, notices: list[str]) -> None:
        self.section, self.root, self.notices = section, root, notices


def capture_script(
    entry: EntryPoint,
    *,
    detect_repository: bool = True,
    standalone: bool = False,
    store_diff: bool = True,
    environ: Mapping[str, str] | None = None,
) -> CapturedScript:
    """Record the program: by repository and commit, or whole when it is in none (or `standalone`). Runs git; waits."""
    environ = os.environ if environ is None else environ
    notices: list[str] = []
    repository = None
    folder = os.path.dirname(entry.path) if entry.path else entry.directory
    if detect_repository and not standalone and entry.cells is None:
        try:
            repository = read_repository(folder)
        except GitFailed as failure:
            notices.append(f"the git repository of {folder} could not be read: {failure}")
    if repository is not None and entry.path and not is_tracked_place(repository, entry.path):
        repository = None
    if repository is not None and entry.path and store_diff:
        notices += _add_untracked(repository, entry.path)
    section = _in_repository(entry, repository) if repository else _standalone(entry)
    if not store_diff and repository:
        section["diff"] = ""
    if len(section["diff"].encode("utf-8", "replace")) > MAX_DIFF_BYTES:
        notices.append(f"the uncommitted changes are larger than {MAX_DIFF_BYTES >> 20} MiB and were not recorded")
        section["diff"] = ""
    _override(section, environ)
    return CapturedScript(section, repository.root if repository else folder, notices)


def binary_name() -> str:
    """The interpreter as the server records it, such as `python3.11`."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def is_tracked_place(repository: Repository, path: str) -> bool:
    """Whether a clone would have the place of `path`: inside the working copy, and not in an environment within it."""
    root, place, environment_ = map(os.path.realpath, (repository.root, path, sys.prefix))
    if environment_.startswith(root + os.sep) and place.startswith(environment_ + os.sep):
        return False  # an installed command, such as .venv/bin/clearml-param-search
    relative = os.path.relpath(place, root)
    return not relative.startswith("..") and "site-packages" not in relative.split(os.sep)


def _add_untracked(repository: Repository, path: str) -> list[str]:
    """Put the script, and what it imports of the project, into the diff where git does not know them yet.

    A clone without them could not run. Returns what to tell the user.
    """
    from clearml_sdk.script.packages import own_files

    try:
        new = untracked(repository.root, own_files(path, repository.root))
        for name in new:
            repository.diff += diff_of_new_file(repository.root, name)
    except GitFailed as failure:
        return [f"files that git does not know were not recorded: {failure}"]
    return [f"recorded with the uncommitted changes, as git does not know them: {', '.join(new)}"] if new else []


def _in_repository(entry: EntryPoint, repository: Repository) -> dict[str, str]:
    root = os.path.realpath(repository.root)
    directory = os.path.realpath(entry.directory)
    inside = directory == root or directory.startswith(root + os.sep)
    working_dir = directory if inside else root
    if entry.module:
        entry_point = f"-m {entry.module}"
    elif entry.path:
        entry_point = os.path.relpath(os.path.realpath(entry.path), working_dir)
    else:
        entry_point = ""
    return {
        "binary": binary_name(),
        "repository": repository.url,
        "branch": repository.branch,
        "version_num": repository.commit,
        "entry_point": entry_point.replace(os.sep, "/"),
        "working_dir": os.path.relpath(working_dir, root).replace(os.sep, "/"),
        "diff": repository.diff,
    }


def _standalone(entry: EntryPoint) -> dict[str, str]:
    text, name = "", os.path.basename(entry.path) if entry.path else ""
    if entry.cells is not None:
        text, name = entry.cells.code(), f"{entry.cells.name}.py"
    if entry.path:
        with open(entry.path, encoding="utf-8", errors="replace", newline="") as file:
            text = file.read()
    return {
        "binary": binary_name(),
        "repository": "",
        "branch": "",
        "version_num": "",
        "entry_point": name,
        "working_dir": ".",
        "diff": text,
    }


_OVERRIDES = {
    "VCS_REPO_URL": "repository",
    "VCS_BRANCH": "branch",
    "VCS_COMMIT_ID": "version_num",
    "VCS_WORK_DIR": "working_dir",
    "VCS_ENTRY_POINT": "entry_point",
}


def _override(section: dict[str, str], environ: Mapping[str, str]) -> None:
    """Apply the `CLEARML_VCS_*` variables, by which a build system says what it knows better than git here."""
    for name, key in _OVERRIDES.items():
        if value := environment.read(name, environ):
            section[key] = value
    diff = environ.get("CLEARML_VCS_DIFF", environ.get("TRAINS_VCS_DIFF"))
    if diff is not None:
        try:
            section["diff"] = base64.b64decode(diff, validate=True).decode()
        except ValueError:
            section["diff"] = diff
