"""Storing what a version adds: chunk by chunk, several at a time, going on where an earlier process broke off."""

from __future__ import annotations

import os
import tempfile
import threading
import time

from clearml_sdk.datasets.chunks import Chunk, pack, plan, read_compression
from clearml_sdk.datasets.entries import FileEntry, LinkEntry
from clearml_sdk.datasets.hashing import default_workers, in_threads
from clearml_sdk.datasets.progress import counting
from clearml_sdk.datasets.stored import DATA, StoredDataset, chunk_name, forget_file, human_size
from clearml_sdk.errors import UsageError
from clearml_sdk.storage import transfer
from clearml_sdk.storage.sources import DigestBeside, FileSource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Progress = Callable[[int], object]

DEFAULT_CHUNK_MB = 512.0
SAVE_EVERY_S = 5.0
"""How much of an interrupted upload has to be looked up again, at most; each chunk is registered when it is stored."""


class UploadWish:
    """How a version's files are to be stored, see `Dataset.upload`."""

    def __init__(
        self,
        *,
        output_url: str | None = None,
        compression: str | int | None = None,
        chunk_mb: float | None = None,
        workers: int | None = None,
        retries: int = 3,
        as_links: bool = False,
        show_progress: bool = True,
        say: Callable[[str], object] = lambda text: None,
        verbose: bool = False,
    ) -> None:
        self.output_url, self.compression = output_url, read_compression(compression)
        self.chunk_mb, self.workers, self.retries = chunk_mb, workers, max(0, int(retries))
        self.as_links, self.show_progress, self.say, self.verbose = as_links, show_progress, say, verbose


class Uploaded:
    """What was stored now: files, chunks, bytes."""

    def __init__(self, files: int, chunks: int, size_bytes: int) -> None:
        self.files, self.chunks, self.size_bytes = files, chunks, size_bytes


def upload(stored: StoredDataset, wish: UploadWish) -> Uploaded:
    """Store the files that are not stored yet. Raises UsageError for a file that has changed or gone, StorageError."""
    if wish.output_url:
        stored.record.edit(output_dest=wish.output_url)
        stored.record.forget()
    pending = stored.state.pending
    if not pending:
        stored.save()
        return Uploaded(0, 0, 0)
    if wish.as_links:
        return _upload_as_links(stored, pending, wish)
    return _Upload(stored, pending, wish).run()


class _Upload:
    """One call of `upload`: the chunks on their way."""

    def __init__(self, stored: StoredDataset, pending: list[FileEntry], wish: UploadWish) -> None:
        self._stored, self._wish = stored, wish
        self._chunks = _pending_chunks(stored, _limit_bytes(stored, wish.chunk_mb))
        self._total = len(pending)
        self._lock = threading.Lock()
        self._saved_at = time.monotonic()
        self._stored_before = _stored_chunks(stored)
        used = {
            entry.artifact_name or "" for entry in stored.state.files.values() if entry.parent_dataset_id == stored.id
        }
        self._names = _name(self._chunks, self._stored_before, used)

    def run(self) -> Uploaded:
        stored, wish = self._stored, self._wish
        sizes: list[int] = []
        workers = wish.workers or default_workers()
        with counting("pack", self._total, "files", show=wish.show_progress) as progress:
            try:
                for size in in_threads(lambda chunk: self._store(chunk, progress), self._chunks, workers):
                    sizes.append(size)
            finally:
                stored.state.chunks[stored.id] = len(stored.data_artifacts())
                stored.save()
        return Uploaded(self._total, len(self._chunks), sum(sizes))

    def _store(self, chunk: Chunk, progress: Progress | None) -> int:
        """Have a chunk stored; bytes sent for it."""
        name = self._names[chunk.identity]
        if chunk.identity in self._stored_before:
            self._mark(chunk, name)
            return 0
        with tempfile.TemporaryDirectory(prefix="clearml-dataset-") as folder:
            path = os.path.join(folder, f"dataset.{self._stored.id}.{chunk.identity}.zip")
            preview = pack(chunk, path, self._wish.compression, progress=progress)
            with self._lock:
                url = self._stored.folder.url("artifacts", DATA, os.path.basename(path))
            if self._wish.verbose:
                for entry in chunk.entries:
                    self._wish.say(f"Compressing {entry.local_path}")
            source = FileSource(path)
            self._wish.say(
                f"Uploading dataset changes ({len(chunk.entries)} files compressed to {human_size(source.length)}) "
                f"to {self._stored.folder.destination()}"
            )
            with DigestBeside(source) as digest:
                transfer.retried(lambda: self._send(source, url), self._wish.retries)
        with self._lock:
            stale = self._stored.data_artifacts().get(name)
            self._stored.register(_entry(name, url, source.length, digest.value, preview))
        if stale is not None and stale.get("uri") != url:  # what it held was changed before the version was finished
            forget_file(self._stored.session, str(stale.get("uri") or ""))
        self._mark(chunk, name)
        return source.length

    def _send(self, source: FileSource, url: str) -> None:
        quiet = None if self._wish.show_progress else lambda count: None
        transfer.upload_source(self._stored.session, source, url, progress=quiet)

    def _mark(self, chunk: Chunk, name: str) -> None:
        with self._lock:
            for entry in chunk.entries:
                entry.artifact_name, entry.local_path = name, None
            if time.monotonic() - self._saved_at > SAVE_EVERY_S:
                self._stored.state.chunks[self._stored.id] = len(self._stored.data_artifacts())
                self._stored.save()
                self._saved_at = time.monotonic()


def _pending_chunks(stored: StoredDataset, limit_bytes: int | None) -> list[Chunk]:
    """What is to be packed together: planned over all that the version brings, as the interrupted upload planned it."""
    own = [entry for entry in stored.state.files.values() if entry.parent_dataset_id == stored.id]
    found = []
    for chunk in plan(own, limit_bytes):
        pending = [entry for entry in chunk.entries if not entry.artifact_name]
        if pending:
            found.append(chunk if len(pending) == len(chunk.entries) else Chunk(pending))
    return found


def _stored_chunks(stored: StoredDataset) -> dict[str, str]:
    """Identity -> name of what an earlier process has stored."""
    found = {}
    for name, item in stored.data_artifacts().items():
        parts = str(item.get("uri", "")).rsplit(".", 2)
        if len(parts) == 3 and parts[2] == "zip":
            found[parts[1]] = name
    return found


def _name(chunks: list[Chunk], stored_before: dict[str, str], taken: set[str]) -> dict[str, str]:
    """Identity -> name: of what is stored its own, of the others the next that no file is in, in order."""
    names = {}
    taken |= {stored_before[chunk.identity] for chunk in chunks if chunk.identity in stored_before}
    number = 0
    for chunk in chunks:
        if chunk.identity in stored_before:
            names[chunk.identity] = stored_before[chunk.identity]
            continue
        while chunk_name(number) in taken:
            number += 1
        names[chunk.identity] = chunk_name(number)
        taken.add(chunk_name(number))
    return names


def _upload_as_links(stored: StoredDataset, pending: list[FileEntry], wish: UploadWish) -> Uploaded:
    """Store each file by itself, and have the dataset link to it."""

    def store(entry: FileEntry) -> LinkEntry:
        path = str(entry.local_path)
        url = stored.folder.url("files", entry.relative_path)
        source = FileSource(path)
        with DigestBeside(source) as digest:
            transfer.retried(lambda: transfer.upload_source(stored.session, source, url), wish.retries)
        if digest.value != entry.hash:
            raise UsageError(f"{path} has changed since it was added to the dataset: add it again")
        return LinkEntry(url, entry.relative_path, stored.id, entry.size, entry.hash)

    stored.folder.path  # noqa: B018  # asked for once, before there are threads
    with counting("upload", len(pending), "files", show=wish.show_progress) as progress:
        try:
            for link in in_threads(store, pending, wish.workers or 2 * default_workers()):
                stored.state.put(link)
                if progress is not None:
                    progress(1)
        finally:
            stored.save()
    return Uploaded(len(pending), 0, sum(entry.size for entry in pending))


def _limit_bytes(stored: StoredDataset, chunk_mb: float | None) -> int | None:
    config = stored.session.config
    configured = config.number("sdk.storage.dataset_chunk_size_mb", DEFAULT_CHUNK_MB) if config is not None else None
    chosen = float(chunk_mb if chunk_mb is not None else configured or DEFAULT_CHUNK_MB)
    return int(chosen * (1 << 20)) if chosen > 0 else None


def _entry(name: str, url: str, size: int, digest: str, preview: str) -> dict[str, Any]:
    return {
        "key": name,
        "type": "custom",
        "mode": "output",
        "uri": url,
        "content_size": size,
        "hash": digest,
        "timestamp": int(time.time()),
        "type_data": {"preview": preview, "content_type": "application/zip"},
    }
