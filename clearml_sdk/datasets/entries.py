"""One file of a dataset: stored in a chunk of the version that brought it, or a link to where it is."""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@dataclass(slots=True)
class FileEntry:
    """A stored file.

    relative_path: in the dataset, with `/`. hash: sha256 of the content. size: in bytes.
    parent_dataset_id: the version that stores it. artifact_name: the chunk there; None: not uploaded yet.
    local_path: where it is on this machine, until it is uploaded.
    """

    relative_path: str = None  # type: ignore[assignment]  # the documented default
    hash: str = None  # type: ignore[assignment]  # as above
    parent_dataset_id: str = None  # type: ignore[assignment]  # as above
    size: int = None  # type: ignore[assignment]  # as above
    artifact_name: str | None = None
    local_path: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As the state of a dataset has it."""
        found: dict[str, Any] = {
            "relative_path": self.relative_path,
            "hash": self.hash,
            "parent_dataset_id": self.parent_dataset_id,
            "size": self.size,
            "artifact_name": self.artifact_name,
        }
        if self.local_path:
            found["local_path"] = self.local_path
        return found


@dataclass(slots=True)
class LinkEntry:
    """A file that stays where it is. link: its URL; hash: sha256 where it was read, else None; else as `FileEntry`."""

    link: str = None  # type: ignore[assignment]  # the documented default
    relative_path: str = None  # type: ignore[assignment]  # as above
    parent_dataset_id: str = None  # type: ignore[assignment]  # as above
    size: int = None  # type: ignore[assignment]  # as above
    hash: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """As the state of a dataset has it."""
        return {
            "link": self.link,
            "relative_path": self.relative_path,
            "parent_dataset_id": self.parent_dataset_id,
            "size": self.size,
            "hash": self.hash,
        }
