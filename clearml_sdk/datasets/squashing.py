"""Several versions merged down into one that stands on nothing."""

from __future__ import annotations

import os

from clearml_sdk.datasets.copies import CopyWish, local_copy
from clearml_sdk.datasets.entries import FileEntry, LinkEntry
from clearml_sdk.datasets.stored import StoredDataset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def merge(sources: Sequence[StoredDataset], target: StoredDataset) -> None:
    """Have `target` hold what the sources hold, later ones over earlier ones; the files are to be uploaded for it.

    A path that a source has removed of the source before it, which it stands on, is removed here too.
    """
    state = target.state
    for source in sources:
        for known in (one for one in sources if one is not source and one.id in source.state.graph):
            for path in known.state.paths():
                if path not in source.state.files and path not in source.state.links:
                    state.files.pop(path, None)
                    state.links.pop(path, None)
        folder = local_copy(source, CopyWish()) if source.state.files else ""
        for entry in source.state.files.values():
            path = os.path.join(folder, entry.relative_path)
            state.put(FileEntry(entry.relative_path, entry.hash, target.id, entry.size, None, path))
        for link in source.state.links.values():
            state.put(LinkEntry(link.link, link.relative_path, target.id, link.size, link.hash))
