"""One model on the server, read and changed through the API."""

from __future__ import annotations

import threading

from clearml_sdk.journal.calls import current_id
from clearml_sdk.paging import all_pages
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PLACEHOLDER = "uploading_file"
"""What stands for the weights' URL, under the files server, until they are uploaded (so do the official clients)."""

PACKAGE = "package"
"""System tag of a model whose weights are several files in an archive."""

ARCHIVED = "archived"


class ModelRecord:
    """The document of model `id`. Safe in threads."""

    def __init__(self, session: Session, model_id: str, document: dict[str, Any] | None = None) -> None:
        self.session, self._id = session, model_id
        self._document = document
        self._lock = threading.RLock()

    @classmethod
    def create(cls, session: Session, **fields: Any) -> ModelRecord:
        """Register a new model; `uri` and `name` are required."""
        created = session.call("models.create", {"ready": False, "public": False, **fields})
        return cls(session, str(created["id"]))

    @property
    def id(self) -> str:
        """Its id; one of this process's own while it waits for the server to be made (`journal.calls`)."""
        return current_id(self._id)

    @property
    def document(self) -> dict[str, Any]:
        """The model as the server last described it; the first use reads it. Raises NotFound."""
        with self._lock:
            return self.reload() if self._document is None else self._document

    def reload(self) -> dict[str, Any]:
        """Read the model again."""
        with self._lock:
            self._document = self.call("models.get_by_id")["model"]
            return self._document

    def call(self, endpoint: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Call an endpoint about this model."""
        return self.session.call(endpoint, {"model": self.id, **(body or {})})

    def edit(self, **fields: Any) -> None:
        """Change fields of the model."""
        with self._lock:
            self.call("models.edit", fields)
            self._document = None

    @property
    def is_package(self) -> bool:
        return PACKAGE in (self.document.get("system_tags") or [])


def placeholder(session: Session) -> str:
    """The URL of weights that are not there yet."""
    return f"{session.settings.files_server}/{PLACEHOLDER}"


def find_models(session: Session, body: Mapping[str, Any], limit: int | None = None) -> list[dict[str, Any]]:
    """The models that a query gives; at most `limit`, None: all."""
    return all_pages(session, "models.get_all", "models", body, limit=limit)
