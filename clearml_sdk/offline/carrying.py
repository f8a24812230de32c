"""Bringing the files of a session to where the files of its task lie."""

from __future__ import annotations

import os
import re

from clearml_sdk.notices import warn_once
from clearml_sdk.offline.folder import DATA, SessionFolder
from clearml_sdk.record import TaskRecord
from clearml_sdk.storage import transfer, urls
from clearml_sdk.storage.locations import TaskFolder, join


class Carrier:
    """Uploads each file of a session once, and says where it is then."""

    def __init__(self, record: TaskRecord, folder: SessionFolder) -> None:
        self._record, self._session_folder = record, folder
        self._task_folder = TaskFolder(record)
        self._carried: dict[str, str] = {}
        self.models: dict[str, str] = {}
        """Ids of the session's models -> those that they have on the server."""
        self._in_text = re.compile(rf'[^"\s]*/{re.escape(folder.id)}/{DATA}/[^"]*')

    def carry(self, recorded: str) -> str:
        """The URL of a recorded file after its upload; `recorded` itself for what is no file of the session."""
        if recorded in self._carried:
            return self._carried[recorded]
        if urls.is_remote(recorded):
            return recorded
        path = self._session_folder.file_of(urls.local_path(recorded))
        if path is None:
            return recorded
        if not os.path.isfile(path):
            warn_once(f"offline {path}", f"a file of the session is missing, and named as it was recorded: {path}")
            return recorded
        url = join(self._task_folder.destination(), self._task_folder.path, *self._below(path))
        self._carried[recorded] = transfer.upload(self._record.session, path, url)
        return url

    def carry_in(self, text: str) -> str:
        """A text (a figure) with the files of the session that it names replaced by their URLs."""
        return self._in_text.sub(lambda match: self.carry(match[0]), text)

    def _below(self, path: str) -> list[str]:
        """The place of a file of the session below a task's folder: `artifacts/x/x.json`."""
        relative = os.path.relpath(path, os.path.realpath(self._session_folder.data)).split(os.sep)
        own = next((n for n, part in enumerate(relative) if part.endswith(f".{self._session_folder.id}")), None)
        return relative if own is None else relative[own + 1 :]
