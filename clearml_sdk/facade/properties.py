"""`Task`: name, tags, comment, project, code, container, progress and user properties."""

from __future__ import annotations

import os

from clearml_sdk import parameters, process_role
from clearml_sdk.facade.base import TaskBase
from clearml_sdk.machine import PROGRESS
from clearml_sdk.projects import find_project, list_projects, project_id
from clearml_sdk.task_types import type_name
from clearml_sdk.web_pages import task_page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any


class TaskProperties(TaskBase):
    """What a task is called, where it belongs, and what it runs."""

    @property
    def name(self) -> str:
        """The task's name."""
        return str(self._record.get("name", ""))

    @name.setter
    def name(self, value: str) -> None:
        self.set_name(value)

    @property
    def comment(self) -> str:
        """The user's comment."""
        return str(self._record.get("comment", ""))

    @comment.setter
    def comment(self, value: str) -> None:
        self.set_comment(value)

    @property
    def task_type(self) -> str:
        """What the task is for, such as "training"."""
        return str(self._record.get("type", ""))

    @property
    def project(self) -> str:
        """Id of the task's project."""
        return str(self._record.get("project", ""))

    @property
    def parent(self) -> str:
        """Id of the parent task; "" without one."""
        return str(self._record.get("parent", ""))

    @property
    def last_worker(self) -> str:
        """The worker that handled the task last; "" when none did."""
        return str(self._record.get("last_worker", ""))

    def set_name(self, name: str) -> None:
        """Rename the task."""
        self._record.edit(name=name)

    def rename(self, new_name: str) -> bool:
        """Rename the task; True when the server took it."""
        self._record.edit(name=new_name)
        return True

    def set_comment(self, comment: str) -> None:
        """Set the comment."""
        self._record.edit(comment=comment)

    def set_task_type(self, task_type: Any) -> None:
        """Set what the task is for: a `TaskTypes` member or its name. Raises ValueError for another."""
        self._record.edit(type=type_name(task_type))

    def set_parent(self, parent: Any) -> None:
        """Set the parent: a task or its id; None: none."""
        self._record.edit(parent=getattr(parent, "id", parent) or "")

    def get_tags(self) -> Sequence[str]:
        """The user's tags."""
        return list(self._record.read_fields("tags").get("tags") or [])

    def set_tags(self, tags: Sequence[str]) -> None:
        """Replace all tags. In a remote run nothing happens: the tags are those of the task that was enqueued."""
        if not self._is_fixed():
            self._record.edit(tags=list(tags))

    def add_tags(self, tags: Sequence[str] | str) -> None:
        """Add tags (one text: one tag). In a remote run nothing happens."""
        if not self._is_fixed():
            new = [tags] if isinstance(tags, str) else list(tags)
            self._record.edit(tags=list(dict.fromkeys([*self.get_tags(), *new])))

    def remove_tags(self, tags: Sequence[str] | str) -> None:
        """Remove tags."""
        gone = {tags} if isinstance(tags, str) else set(tags)
        self._record.edit(tags=[tag for tag in self.get_tags() if tag not in gone])

    def get_system_tags(self) -> Sequence[str]:
        """The tags by which the system marks tasks."""
        return list(self._record.read_fields("system_tags").get("system_tags") or [])

    def set_system_tags(self, tags: Sequence[str]) -> None:
        """Replace the system's tags."""
        self._record.edit(system_tags=list(tags))

    def get_archived(self) -> bool:
        """Whether the task is archived."""
        return self.archived_tag in self.get_system_tags()

    def set_archived(self, archive: bool) -> None:
        """Archive the task, or bring it back."""
        others = [tag for tag in self.get_system_tags() if tag != self.archived_tag]
        self.set_system_tags([*others, self.archived_tag] if archive else others)

    def get_project_name(self) -> str | None:
        """Full name of the task's project."""
        found = self.get_project_object() if self.project else None
        return None if found is None else str(found["name"])

    def get_project_object(self) -> Any:
        """The task's project, fields as attributes."""
        from clearml_sdk.documents import Document

        return Document(self._record.session.call("projects.get_by_id", {"project": self.project})["project"])

    @classmethod
    def get_project_id(cls, project_name: str, search_hidden: bool = True) -> str | None:
        """Id of the project with this full name (the last updated one); None when there is none."""
        found = find_project(cls._session(), project_name, search_hidden=search_hidden)
        return None if found is None else str(found["id"])

    @classmethod
    def get_projects(cls, **kwargs: Any) -> list[Any]:
        """All projects, the last updated first; keywords go to `projects.get_all`."""
        from clearml_sdk.documents import Document

        return [Document(found) for found in list_projects(cls._session(), **kwargs)]

    def set_project(self, project_id: str | None = None, project_name: str | None = None) -> bool | None:
        """Move the task to a project, which must exist when it is given by id."""
        return self.move_to_project(project_id, project_name)

    def move_to_project(
        self,
        new_project_id: str | None = None,
        new_project_name: str | None = None,
        system_tags: Sequence[str] | None = None,
    ) -> bool:
        """Move the task to a project by id, or by name (created when new); `system_tags` are set on that project."""
        if not new_project_id and not new_project_name:
            raise ValueError("name the project: its id or its name")
        target = new_project_id or project_id(self._record.session, str(new_project_name))
        if system_tags is not None:
            self._record.session.call("projects.update", {"project": target, "system_tags": list(system_tags)})
        self._record.edit(project=target)
        return True

    def get_script(self) -> Mapping[str, str | None]:
        """What the task runs: working_dir, entry_point, branch, repository, version_num, tag, binary, diff."""
        self._wait_for_capture()
        script = self._record.read_fields("script").get("script") or {}
        return {key: value for key, value in script.items() if key != "requirements"}

    def set_script(
        self,
        repository: str | None = None,
        branch: str | None = None,
        commit: str | None = None,
        diff: str | None = None,
        working_dir: str | None = None,
        entry_point: str | None = None,
        binary: str | None = None,
    ) -> None:
        """Set what the task runs; None leaves a part as it is, "" clears it."""
        given = {
            "repository": repository,
            "branch": branch,
            "version_num": commit,
            "diff": diff,
            "working_dir": working_dir,
            "entry_point": entry_point,
            "binary": binary,
        }
        self._wait_for_capture()
        self._record.edit(script={key: value for key, value in given.items() if value is not None})

    def set_repo(self, repo: str | None = None, branch: str | None = None, commit: str | None = None) -> None:
        """Set the repository, branch and commit of the task's code; None leaves a part as it is."""
        self.set_script(repository=repo, branch=branch, commit=commit)

    def get_requirements(self) -> dict[str, Any]:
        """The recorded packages: `pip` and, after a remote run, what was asked for before."""
        self._wait_for_capture()
        script = self._record.read_fields("script.requirements").get("script") or {}
        return dict(script.get("requirements") or {})

    def set_packages(self, packages: Any) -> None:
        """Set the packages to install: a list of requirement lines, or the path of a requirements file; "": none."""
        self._wait_for_capture()
        requirements = {key: value for key, value in self.get_requirements().items() if key == "sdk"}
        if packages and isinstance(packages, str | os.PathLike):
            with open(packages, encoding="utf-8") as file:
                requirements["pip"] = file.read()
        else:
            requirements["pip"] = "\n".join(str(line) for line in packages or [])
        self._record.call("tasks.set_requirements", {"requirements": requirements})
        self._record.forget()

    def get_base_docker(self) -> str:
        """The container's image and arguments, as one text."""
        container = self._record.read_fields("container").get("container") or {}
        return " ".join(part for part in (container.get("image"), container.get("arguments")) if part)

    def set_base_docker(
        self,
        docker_cmd: str | None = None,
        docker_image: str | None = None,
        docker_arguments: Any = None,
        docker_setup_bash_script: Any = None,
    ) -> None:
        """Set the container for remote runs. `docker_cmd` is an image and its arguments in one text."""
        if docker_cmd and docker_image:
            raise ValueError("give docker_cmd or docker_image, not both")
        if docker_cmd:
            docker_image, _, rest = docker_cmd.strip().partition(" ")
            docker_arguments = docker_arguments or rest
        self._record.edit(container=container(docker_image, docker_arguments, docker_setup_bash_script))

    def set_progress(self, progress: int) -> None:
        """Set the progress, 0 to 100. Raises ValueError for anything else."""
        if not isinstance(progress, int | float) or not 0 <= progress <= 100:
            raise ValueError(f"progress is a number from 0 to 100, not {progress!r}")
        self._record.change("runtime", {PROGRESS: str(int(progress))})

    def get_progress(self) -> int | None:
        """The progress, 0 to 100; None when there is none."""
        found = (self._record.read_fields("runtime").get("runtime") or {}).get(PROGRESS)
        try:
            return None if found is None else int(float(found))
        except ValueError:
            return None

    def set_user_properties(self, *iterables: Any, **properties: Any) -> bool:
        """Set user properties: `{name: value}`, `{name: {"value": ..., "description": ...}}`, or dicts with a name."""
        items = [_property(name, value) for name, value in _named(iterables, properties)]
        body = {"hyperparams": items, "replace_hyperparams": "none", "force": True}
        self._record.call("tasks.edit_hyper_params", body)
        self._record.forget()
        return True

    def get_user_properties(self, value_only: bool = False) -> dict[str, Any]:
        """The user properties by name: details, or with `value_only` their texts."""
        found = parameters.read(self._record).get(parameters.PROPERTIES) or {}
        return {name: entry.get("value") if value_only else dict(entry) for name, entry in found.items()}

    def delete_user_properties(self, *iterables: Iterable[Any]) -> bool:
        """Delete parameters or properties given as dicts with `section` and `name`, or as (section, name) pairs."""
        given: list[Any] = [entry for iterable in iterables for entry in _entries(iterable)]
        items = [
            {"section": e["section"], "name": e["name"]} if isinstance(e, dict) else {"section": e[0], "name": e[1]}
            for e in given
        ]
        answer = self._record.call("tasks.delete_hyper_params", {"hyperparams": items, "force": True})
        self._record.forget()
        return bool(answer.get("deleted"))

    def get_output_log_web_page(self) -> str:
        """Address of the task's page."""
        return task_page(self._record.session, self.id, self.project)

    @classmethod
    def get_task_output_log_web_page(
        cls, task_id: str, project_id: str | None = None, app_server_host: str | None = None
    ) -> str:
        """Address of a task's page."""
        return task_page(cls._session(), task_id, project_id, web_server=app_server_host)

    def _is_fixed(self) -> bool:
        """Whether this is the task of a remote run, whose tags are its own."""
        return self._run is not None and process_role.running_remotely()

    def _wait_for_capture(self) -> None:
        run = self._run
        if run is not None:
            run.settle()


def container(image: str | None, arguments: Any, setup_script: Any) -> dict[str, str]:
    """The `container` section: texts; lists are joined (arguments by spaces, script lines by line ends)."""
    if isinstance(arguments, list | tuple):
        arguments = " ".join(str(part) for part in arguments)
    if isinstance(setup_script, list | tuple):
        setup_script = "\n".join(str(line) for line in setup_script)
    return {"image": image or "", "arguments": arguments or "", "setup_shell_script": setup_script or ""}


def _named(iterables: Sequence[Any], properties: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for iterable in iterables:
        if isinstance(iterable, dict) and "name" not in iterable:
            found += iterable.items()
        else:
            for entry in [iterable] if isinstance(iterable, dict) else iterable:
                found.append((entry["name"], {key: value for key, value in entry.items() if key != "name"}))
    return [*found, *properties.items()]


def _property(name: str, value: Any) -> dict[str, Any]:
    details = value if isinstance(value, dict) else {"value": value}
    if "value" not in details:
        raise ValueError(f"the user property {name!r} has no value")
    kind = details.get("type")
    kind = getattr(kind, "__name__", kind)
    description = details.get("description")
    found = parameters.item(parameters.PROPERTIES, str(name), details["value"], kind=kind, description=description)
    for detail, given in (("type", kind), ("description", description)):
        if not given:
            found.pop(detail, None)
    return found


def _entries(iterable: Any) -> list[Any]:
    is_one = isinstance(iterable, dict) or (len(iterable) == 2 and all(isinstance(part, str) for part in iterable))
    return [iterable] if is_one else list(iterable)
