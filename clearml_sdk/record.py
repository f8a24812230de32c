"""One task on the server as this process knows it: its document, read and changed through the API.

The document is read once and kept; what this process changes is put into the kept copy too. `reload` reads it again.
"""

from __future__ import annotations

from clearml_sdk.fork_lock import ForkLock
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


class TaskRecord:
    """The document of task `id`, and the calls that concern it. Safe in threads."""

    def __init__(self, session: Session, task_id: str, document: dict[str, Any] | None = None) -> None:
        self.session, self.id = session, task_id
        self._document = document
        self.lock = ForkLock()

    @property
    def document(self) -> dict[str, Any]:
        """The task as the server last described it; the first use reads it. Raises NotFound."""
        with self.lock:
            return self.reload() if self._document is None else self._document

    def reload(self) -> dict[str, Any]:
        """Read the whole task again."""
        with self.lock:
            self._document = self.call("tasks.get_by_id")["task"]
            return self._document

    def forget(self) -> None:
        """Have the next use read the document again."""
        with self.lock:
            self._document = None

    def get(self, path: str, default: Any = None) -> Any:
        """The value at dotted `path` of the document; `default` where it is missing or null."""
        node: Any = self.document
        for part in path.split("."):
            node = node.get(part) if isinstance(node, dict) else None
            if node is None:
                return default
        return node

    def call(self, endpoint: str, body: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """Call an endpoint about this task; `body` is sent with `task` added."""
        return self.session.call(endpoint, {"task": self.id, **(body or {})}, **options)

    def edit(self, **fields: Any) -> None:
        """Change fields of the task, in any status. `script`, `execution` and `output` are merged, others replaced."""
        self.call("tasks.edit", {"force": True, **fields})
        with self.lock:
            if self._document is not None:
                for key, value in fields.items():
                    merged = key in ("script", "execution", "output", "models") and isinstance(value, dict)
                    self._document[key] = {**(self._document.get(key) or {}), **value} if merged else value

    def add_artifact(self, entry: Mapping[str, Any]) -> None:
        """List an artifact, over one of its key and mode."""
        self.call("tasks.add_or_update_artifacts", {"artifacts": [entry], "force": True})
        with self.lock:
            if self._document is not None:
                execution = self._document.get("execution") or {}
                listed = [*(execution.get("artifacts") or []), entry]
                found = {(item["key"], item.get("mode", "output")): dict(item) for item in listed}
                self._document["execution"] = {**execution, "artifacts": list(found.values())}

    def change(self, field: str, update: Mapping[str, Any], *, removed: Iterable[str] = ()) -> dict[str, Any]:
        """Merge `update` into a dictionary field that the API replaces whole (`runtime`, `container`), and return it.

        The field is read first, so that what others have put there stays.
        """
        with self.lock:
            found = self.read_fields(field).get(field) or {}
            merged = {**found, **update}
            for key in removed:
                merged.pop(key, None)
            self.edit(**{field: merged})
            return merged

    def read_fields(self, *fields: str, give_up_s: float | None = None) -> dict[str, Any]:
        """These fields as they are on the server now. Raises NotFound when the task is gone."""
        body = {"id": [self.id], "only_fields": list(fields), "search_hidden": True}
        found = self.session.call("tasks.get_all", body, give_up_s=give_up_s).get("tasks") or []
        if not found:
            self.call("tasks.get_by_id")  # says what is wrong
        task: dict[str, Any] = found[0] if found else {}
        with self.lock:
            if self._document is not None:
                self._document.update({key: value for key, value in task.items() if "." not in key and key in fields})
        return task
