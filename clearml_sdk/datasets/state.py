"""What a version of a dataset holds: its files, and the versions it stands on. Pure: reads and writes nothing.

The document is that of the official SDK, so that either reads what the other has written.
"""

from __future__ import annotations

import json

from clearml_sdk.datasets.entries import FileEntry, LinkEntry
from clearml_sdk.errors import ClearmlError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Entry = FileEntry | LinkEntry


class BrokenState(ClearmlError, ValueError):
    """The stored state of a dataset cannot be read."""


class Changes:
    """How a version differs from what it stands on; relative paths, in order."""

    def __init__(self, added: list[str], modified: list[str], removed: list[str], size_bytes: int) -> None:
        self.added, self.modified, self.removed, self.size_bytes = added, modified, removed, size_bytes


class DatasetState:
    """The files of one version.

    files, links: by relative path. graph: version -> its parents, of all versions this one stands on, itself included.
    chunks: version -> how many chunks it has stored.
    """

    def __init__(self, dataset_id: str, graph: dict[str, list[str]] | None = None) -> None:
        self.id = dataset_id
        self.files: dict[str, FileEntry] = {}
        self.links: dict[str, LinkEntry] = {}
        self.graph = graph if graph is not None else {dataset_id: []}
        self.chunks: dict[str, int] = {}

    @property
    def pending(self) -> list[FileEntry]:
        """Files that are to be uploaded, by path."""
        found = [
            entry for entry in self.files.values() if entry.parent_dataset_id == self.id and not entry.artifact_name
        ]
        return sorted(found, key=lambda entry: entry.relative_path)

    @property
    def is_dirty(self) -> bool:
        """Whether something is to be uploaded."""
        return any(e.parent_dataset_id == self.id and not e.artifact_name for e in self.files.values())

    @property
    def parents(self) -> list[str]:
        """The versions that this one directly stands on."""
        return self.graph.get(self.id) or []

    @property
    def size_bytes(self) -> int:
        """Of all files and links together."""
        return sum(entry.size or 0 for entry in self.entries())

    def entries(self) -> Iterable[Entry]:
        """Files, then links."""
        yield from self.files.values()
        yield from self.links.values()

    def paths(self) -> list[str]:
        """The relative paths of all files and links, in order."""
        return sorted({*self.files, *self.links})

    def put(self, entry: Entry) -> None:
        """Add a file or a link, over what has its path."""
        path = entry.relative_path
        if isinstance(entry, LinkEntry):
            self.files.pop(path, None)
            self.links[path] = entry
        else:
            self.links.pop(path, None)
            self.files[path] = entry

    def inherit(self, parent: DatasetState) -> None:
        """Stand on another version, over those inherited before."""
        for entry in parent.entries():
            self.put(entry)
        for version, parents in parent.graph.items():
            self.graph.setdefault(version, list(parents))
        self.chunks.update(parent.chunks)
        own = self.graph.pop(self.id, [])
        self.graph[self.id] = [*own, parent.id]

    def fingerprints(self) -> dict[str, tuple[str, int]]:
        """What each path holds, for comparison."""
        found = {path: (entry.hash or "", entry.size or 0) for path, entry in self.files.items()}
        found.update({path: (entry.hash or entry.link, entry.size or 0) for path, entry in self.links.items()})
        return found

    def changes_since(self, bases: Iterable[DatasetState]) -> Changes:
        """What this version changes of the versions `bases`, later ones over earlier ones."""
        before: dict[str, tuple[str, int]] = {}
        for base in bases:
            before.update(base.fingerprints())
        now = self.fingerprints()
        added = sorted(path for path in now if path not in before)
        modified = sorted(path for path in now if path in before and before[path] != now[path])
        removed = sorted(path for path in before if path not in now)
        size = sum(size for _, size in now.values()) - sum(size for _, size in before.values())
        return Changes(added, modified, removed, size)

    def chunk_names(self) -> list[tuple[str, str]]:
        """(version, chunk) of everything that the files are stored in: versions as they stand on each other."""
        order = {version: position for position, version in enumerate(ancestry(self.graph, self.id))}
        found = {(e.parent_dataset_id, e.artifact_name) for e in self.files.values() if e.artifact_name}
        return sorted(found, key=lambda chunk: (order.get(chunk[0], len(order)), chunk[0], chunk[1]))

    def dump(self) -> bytes:
        """The stored document."""
        document = {
            "dataset_file_entries": [entry.as_dict() for entry in self.files.values()],
            "dataset_link_entries": [entry.as_dict() for entry in self.links.values()],
            "dependency_graph": self.graph,
            "dependency_chunk_lookup": self.chunks,
            "id": self.id,
            "dirty": self.is_dirty,
            "file_count": len(self.files) + len(self.links),
            "total_size": self.size_bytes,
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")

    @classmethod
    def load(cls, raw: bytes) -> DatasetState:
        """Read a stored document. Raises BrokenState."""
        try:
            document = json.loads(raw.decode("utf-8", "surrogateescape"))
            state = cls(str(document["id"]), {k: list(v or []) for k, v in document["dependency_graph"].items()})
            for item in document.get("dataset_file_entries") or []:
                state.put(FileEntry(**_known(item, FileEntry.__slots__)))
            for item in document.get("dataset_link_entries") or []:
                state.put(LinkEntry(**_known(item, LinkEntry.__slots__)))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BrokenState(f"the state of the dataset cannot be read: {error!r}") from error
        state.chunks = {str(k): int(v) for k, v in (document.get("dependency_chunk_lookup") or {}).items()}
        state.graph.setdefault(state.id, [])
        return state


def _known(item: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: item[name] for name in names if name in item}


def ancestry(graph: dict[str, list[str]], version: str) -> list[str]:
    """`version` and all it stands on, parents before children, each once."""
    found: dict[str, None] = {}
    stack = [(version, iter(graph.get(version) or []))]
    open_ones = {version}
    while stack:
        current, parents = stack[-1]
        parent = next(parents, None)
        if parent is None:
            found.setdefault(current)
            open_ones.discard(current)
            stack.pop()
        elif parent not in found and parent not in open_ones:
            open_ones.add(parent)
            stack.append((parent, iter(graph.get(parent) or [])))
    return list(found)
