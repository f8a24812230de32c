"""`Task.create`: a task made of explicit facts, for code that this process does not run."""

from __future__ import annotations

import os
import posixpath

from clearml_sdk.errors import UsageError
from clearml_sdk.facade.properties import container
from clearml_sdk.parameters import ARGUMENTS, write_flat
from clearml_sdk.projects import project_id
from clearml_sdk.record import TaskRecord
from clearml_sdk.script.capture import capture_script
from clearml_sdk.script.entry_point import EntryPoint
from clearml_sdk.script.injection import (
    calls_init,
    insert_init_call,
    patch_requirements,
    patch_unseen,
    patch_working_copy,
)
from clearml_sdk.script.packages import listed_requirements, read_requirements, record_requirements, with_sdk
from clearml_sdk.script.repository import GitFailed, git
from clearml_sdk.session import Session
from clearml_sdk.starting import DEVELOPMENT, auto_comment
from clearml_sdk.task_types import type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class CodeWish:
    """What `Task.create` was told about the code, see there."""

    def __init__(
        self,
        *,
        repo: str | None = None,
        branch: str | None = None,
        commit: str | None = None,
        script: str | None = None,
        working_directory: str | None = None,
        packages: bool | Sequence[str] | None = None,
        requirements_file: str | None = None,
        add_task_init_call: bool = True,
        force_single_script_file: bool = False,
        binary: str | None = None,
        module: str | None = None,
        detect_repository: bool = True,
    ) -> None:
        self.repo, self.branch, self.commit, self.script = repo, branch, commit, script
        self.working_directory, self.packages = working_directory, packages
        self.requirements_file, self.add_task_init_call = requirements_file, add_task_init_call
        self.force_single_script_file, self.binary, self.module = force_single_script_file, binary, module
        self.detect_repository = detect_repository


def script_section(wish: CodeWish) -> tuple[dict[str, str], dict[str, str] | None]:
    """(`script` section, `script.requirements` or None for "what the repository says"). Runs git. Raises ValueError."""
    if wish.repo and not _is_local(wish.repo):
        section, requirements = _remote_section(wish), None
    else:
        section, requirements = _local_section(wish)
    if wish.module:
        section["entry_point"] = f"-m {wish.module}"
    if wish.binary:
        section["binary"] = wish.binary
    return section, _named_requirements(wish) or requirements


def _named_requirements(wish: CodeWish) -> dict[str, str] | None:
    """The lines of the requirements file, then the packages; None where neither is given. Raises ValueError."""
    packages = wish.packages if isinstance(wish.packages, list | tuple) else None
    if not wish.requirements_file:
        return None if packages is None else with_sdk(listed_requirements(packages))
    path = os.path.expanduser(str(wish.requirements_file))
    if not os.path.isfile(path):
        raise ValueError(f"there is no requirements file {str(wish.requirements_file)!r}")
    lines = read_requirements(path)["pip"].splitlines()
    return with_sdk(listed_requirements([*lines, *(packages or ())]))


def create_task(
    session: Session,
    *,
    project_name: str | None,
    task_name: str | None,
    task_type: object,
    code: CodeWish,
    docker: tuple[str | None, Any, Any] = (None, None, None),
    arguments: Sequence[tuple[str, str]] = (),
    base_task_id: str | None = None,
) -> TaskRecord:
    """Create the task; from `base_task_id`, as its clone with the given facts in place of its own."""
    if base_task_id is None and not (project_name and task_name):
        raise UsageError("a new task needs project_name and task_name (or base_task_id, the task to start from)")
    fields: dict[str, Any] = {}
    if base_task_id is None or code.repo or code.script or code.module:
        section, requirements = script_section(code)  # first: code that is not there must leave no task behind
        fields["script"] = {**section, **({"requirements": requirements} if requirements is not None else {})}
    elif changed := changed_section(code):
        fields["script"] = changed
    if base_task_id is not None:
        record = _from_base(session, base_task_id, project_name, task_name)
        if task_type:
            fields["type"] = type_name(task_type)
    else:
        body = {
            "name": task_name,
            "type": type_name(task_type or "training"),
            "project": project_id(session, str(project_name)),
            "system_tags": [DEVELOPMENT],
            "comment": auto_comment(),
        }
        record = TaskRecord(session, str(session.call("tasks.create", body)["id"]))
    if fields:
        record.edit(**fields)
    if any(docker):
        image, _, rest = (docker[0] or "").strip().partition(" ")  # as people write it: the image, and its arguments
        given = container(image, docker[1] or rest.strip(), docker[2])
        record.change("container", {key: value for key, value in given.items() if value or base_task_id is None})
    if arguments:
        values = {f"{ARGUMENTS}/{name.lstrip('-')}": value for name, value in arguments}
        write_flat(record, values, replace_all=False)
    record.forget()
    return record


def changed_section(wish: CodeWish) -> dict[str, Any]:
    """What replaces parts of the `script` section of a task that is the base of another."""
    given = {"binary": wish.binary, "working_dir": wish.working_directory}
    found: dict[str, Any] = {key: value for key, value in given.items() if value}
    if wish.branch or wish.commit:  # a branch alone means its newest commit, not the one of the base
        found.update(branch=wish.branch or "", version_num=wish.commit or "")
    if requirements := _named_requirements(wish):
        found["requirements"] = requirements
    return found


def _from_base(session: Session, base: str, project_name: str | None, task_name: str | None) -> TaskRecord:
    body: dict[str, Any] = {"task": base, "new_task_parent": base}
    if task_name:
        body["new_task_name"] = task_name
    if project_name:
        body["new_task_project"] = project_id(session, project_name)
    return TaskRecord(session, str(session.call("tasks.clone", body)["id"]))


def _is_local(repo: str) -> bool:
    return os.path.isdir(os.path.expanduser(repo))


def _remote_section(wish: CodeWish) -> dict[str, str]:
    directory = posixpath.normpath(wish.working_directory or ".")
    script = posixpath.normpath(wish.script) if wish.script else ""
    entry = posixpath.relpath(script, directory) if directory != "." and script.startswith(f"{directory}/") else script
    in_repository = posixpath.normpath(posixpath.join(directory, entry))
    is_patched = wish.add_task_init_call and entry.endswith(".py")
    return {
        "binary": wish.binary or "python",  # the agent's: which one the code needs is not known here
        "repository": str(wish.repo),
        "branch": "" if wish.commit and not wish.branch else wish.branch or "",
        "version_num": wish.commit or "",
        "entry_point": entry,  # in the repository, or in the directory where it is not below that: as official takes it
        "working_dir": directory,
        "diff": _needs_sdk(wish, None) + (patch_unseen(in_repository) if is_patched else ""),
    }


def _local_section(wish: CodeWish) -> tuple[dict[str, str], dict[str, str] | None]:
    root = os.path.abspath(os.path.expanduser(wish.repo)) if wish.repo else None
    path = _find_script(wish.script, root, wish.working_directory)
    if path is None and not wish.module:
        if root is None:
            return {}, None
        raise ValueError(f"which script of {root} is to run? Give script= (or module=)")
    base = root or (_checkout_of(path) if path and wish.working_directory else None) or os.getcwd()
    directory = os.path.join(base, wish.working_directory) if wish.working_directory else base
    captured = capture_script(
        EntryPoint(path, None, directory),
        detect_repository=wish.detect_repository,
        standalone=wish.force_single_script_file,
    )
    section = captured.section
    is_current = not section["repository"] or (
        wish.branch in (None, "", section["branch"]) and wish.commit in (None, "", section["version_num"])
    )
    if not is_current:
        # A branch alone means its newest commit; the uncommitted changes are against another one.
        section.update(branch=wish.branch or section["branch"], version_num=wish.commit or "", diff="")
    if wish.add_task_init_call and path:
        _add_init_call(section, path, captured.root, is_current=is_current)
    if section["repository"]:
        section["diff"] += _needs_sdk(wish, captured.root if is_current else None)
    if wish.packages is True or (wish.packages is None and not section["repository"]):
        return section, record_requirements(path, captured.root)
    return section, None


def _needs_sdk(wish: CodeWish, root: str | None) -> str:
    """What has the repository's own requirements name the SDK, where they count and a call of it is added."""
    is_named = wish.packages is not None or wish.requirements_file
    return patch_requirements(root) if wish.add_task_init_call and not is_named else ""


def _add_init_call(section: dict[str, str], path: str, root: str, *, is_current: bool) -> None:
    """is_current: what is checked out here is what is run."""
    if not section["repository"]:
        if path.endswith(".py") and not calls_init(section["diff"]):
            section["diff"] = insert_init_call(section["diff"])
        return
    relative = os.path.relpath(os.path.realpath(path), os.path.realpath(root))
    section["diff"] = patch_working_copy(section["diff"], root, relative) if is_current else patch_unseen(relative)


def _checkout_of(path: str) -> str | None:
    """The root of the working copy that holds the file; None where it is in none."""
    try:
        return git(os.path.dirname(path), "rev-parse", "--show-toplevel").strip()
    except (GitFailed, FileNotFoundError):
        return None


def _find_script(script: str | None, root: str | None, directory: str | None) -> str | None:
    """Its path: relative to the root, or to the directory of the root that it starts in, or as it stands."""
    if not script:
        return None
    given = os.path.expanduser(script)
    for place in (root, os.path.join(root, directory or "")) if root else ():
        if os.path.isfile(path := os.path.join(place, given)):
            return path
    if os.path.isfile(given):
        return os.path.abspath(given)
    raise ValueError(f"there is no script {script!r}{f' in {root}' if root else ''}")
