"""The session of a process that records offline: answers from the session's folder where the server would."""

from __future__ import annotations

import json
import os
import uuid

from clearml_sdk import reporters
from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.errors import NotFound, UsageError
from clearml_sdk.notices import announce, harmless
from clearml_sdk.offline import documents, mode
from clearml_sdk.offline.documents import PROJECT, State
from clearml_sdk.offline.folder import SessionFolder
from clearml_sdk.session import Session, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from clearml_sdk.config import Config


class OfflineSession(Session):
    """Takes the place of `Session`: no call leaves this process."""

    is_offline = True

    def __init__(self, config: Config) -> None:
        super().__init__(ApiSettings("offline://", web_server="offline://", files_server="offline://"))
        self.config, self._root = config, mode.root(config)
        self._latest: str | None = None

    def call(
        self,
        endpoint: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        content_type: str = "",
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        give_up_s: float | None = None,
    ) -> dict[str, Any]:
        """As the server would answer. Raises NotFound, or UsageError for what only a server can do."""
        fields: dict[str, Any] = json.loads(encode(body)) if not isinstance(body, bytes) and body else {}
        if endpoint == "tasks.create":
            return {"id": self._create(fields)}
        if endpoint == "projects.get_all":
            return {"projects": []}
        if endpoint == "projects.create":
            return {"id": PROJECT + str(fields["name"])}
        if endpoint == "projects.get_by_id":
            return documents.READS[endpoint](State({"task": {}, "models": {}}), fields)
        if endpoint == "models.create":
            fields["id"] = f"offline-{uuid.uuid4().hex}"
        ids = fields.get("id")
        named = fields.get("task") or (ids[0] if endpoint == "tasks.get_all" and ids else None)
        if endpoint == "tasks.get_all" and not named:
            return {"tasks": []}
        folder = self.folder_of(str(named)) if named else self._latest_folder(endpoint)
        if endpoint in documents.CHANGES:
            with folder.changing() as state:
                return documents.answer(state, endpoint, fields)[0]
        return documents.answer(folder.read(), endpoint, fields)[0]

    def log_in(self, *, deadline: float | None = None, rejected: str | None = None) -> dict[str, Any]:
        raise UsageError("this process records offline: there is no server to log in to")

    def folder_of(self, task_id: str) -> SessionFolder:
        """The folder of a session of this machine, by its task or by a model in it. Raises NotFound."""
        folder = SessionFolder(os.path.join(self._root, task_id))
        if "/" in task_id or not folder.exists:
            if self._latest is not None and self._latest != task_id:
                latest = self.folder_of(self._latest)
                if task_id in latest.read().models:
                    return latest
            raise NotFound(400, 101, f"no offline session {task_id} in {self._root}", "tasks")
        self._latest = task_id
        return folder

    def storage_of(self, task_id: str) -> str:
        return self.folder_of(task_id).data

    def finish(self, task_id: str) -> None:
        """Put the session into the form that is carried to a server, and say where it is."""
        from clearml_sdk.offline.sealing import pack, seal

        folder = self.folder_of(task_id)
        for model_id in folder.read().models:
            reporters.close(model_id, None)
        with harmless("packing the offline session"):
            seal(folder, whole=False)
            announce(f"ClearML Task: Offline session stored in {pack(folder)}")

    def _create(self, fields: dict[str, Any]) -> str:
        task_id = f"offline-{uuid.uuid4().hex}"
        state = State({"task": documents.new_task(task_id, fields), "models": {}})
        SessionFolder.create(os.path.join(self._root, task_id), state)
        self._latest = task_id
        return task_id

    def _latest_folder(self, endpoint: str) -> SessionFolder:
        """The session that a call about a model belongs to."""
        if self._latest is None:
            raise UsageError(f"{endpoint} offline belongs to a task: call Task.init() first")
        return self.folder_of(self._latest)
