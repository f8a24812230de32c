"""Where the files of a task are stored: the layout that every client of the server knows (contract: wire.md 12)."""

from __future__ import annotations

import re

from clearml_sdk.record import TaskRecord
from clearml_sdk.storage import urls

_UNSAFE = re.compile(r'[\\/:*?"<>|\x00-\x1f]+')


class TaskFolder:
    """The folder of one task under a destination: `<destination>/<project>/<task name>.<task id>`."""

    def __init__(self, record: TaskRecord) -> None:
        self._record = record
        self._path: str | None = None

    @property
    def path(self) -> str:
        """Path under the destination, unquoted; the first use asks the server for the project's name."""
        if self._path is None:
            project = self._record.get("project")
            name = ""
            if project:
                name = str(self._record.session.call("projects.get_by_id", {"project": project})["project"]["name"])
            self._path = task_path(name, str(self._record.get("name", "")), self._record.id)
        return self._path

    def destination(self, chosen: str | None = None) -> str:
        """The base URL or folder: `chosen`, else the task's output destination, else the files server."""
        kept = self._record.session.storage_of(self._record.id)
        if kept is not None:
            return kept
        base = chosen or self._record.get("output.destination") or self._record.session.settings.files_server
        return str(base)

    def url(self, *names: str, destination: str | None = None) -> str:
        """URL of the file `names` (folders, then the file's name) of this task."""
        return join(self.destination(destination), self.path, *names)


def task_path(project: str, name: str, task_id: str) -> str:
    """`<project>/<task name>.<id>` with nothing in it that a server would take for a way out."""
    parts = [part for part in f"{project}/{name}.{task_id}".split("/") if part.strip()]
    return "/".join("_" if part.strip() in (".", "..") else part for part in parts)


def join(destination: str, *names: str) -> str:
    """A URL under `destination`; for a plain folder, a path."""
    if urls.is_remote(destination):
        return urls.join(destination, *names)
    return "/".join([destination.rstrip("/"), *(name.strip("/") for name in names)])


def file_stem(name: str) -> str:
    """`name` as (part of) a file's name; a slash is spelled, as the official clients do."""
    cleaned = _UNSAFE.sub("_", name.replace("/", ".slash.")).strip() or "_"
    return "_" if cleaned in (".", "..") else cleaned[:180]
