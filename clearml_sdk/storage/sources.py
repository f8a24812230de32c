"""What is uploaded: a file, or pieces of memory; read in blocks, never copied as a whole."""

from __future__ import annotations

import hashlib
import os
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from http.client import HTTPConnection
    from typing import Protocol

    class Source(Protocol):
        """name: decides about the content type. length: in bytes, fixed."""

        name: str
        length: int

        def send(self, connection: HTTPConnection, progress: Callable[[int], object] | None) -> None:
            """Write all of it to a connection; may be asked again after a failure."""

        def write(self, path: str) -> None:
            """Write all of it to a new file."""

        def sha256(self) -> str:
            """Its hash."""


BLOCK_BYTES = 1 << 20
"""Small enough to be in the processor's cache still when the next step works on it."""
SENT_AT_ONCE_BYTES = 8 << 20


class FileSource:
    """A file as long as it is now, also when it grows meanwhile. Raises FileNotFoundError, ValueError for no file."""

    def __init__(self, path: str) -> None:
        self.name = self._path = path
        self.length = os.stat(path).st_size

    def send(self, connection: HTTPConnection, progress: Callable[[int], object] | None) -> None:
        with open(self._path, "rb") as file:
            sent = 0
            while sent < self.length:
                count = min(SENT_AT_ONCE_BYTES, self.length - sent)
                if connection.sock is None:
                    raise ConnectionResetError("the connection was closed")
                moved = connection.sock.sendfile(file, sent, count)  # inside the kernel where it can be
                if not moved:
                    raise OSError(f"{self._path} became shorter while it was sent")
                sent += moved
                if progress is not None:
                    progress(moved)

    def write(self, path: str) -> None:
        import shutil

        shutil.copyfile(self._path, path)

    def sha256(self) -> str:
        with open(self._path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


class MemorySource:
    """Pieces of memory in a row; they must not change until everything is done."""

    def __init__(self, name: str, pieces: list[bytes | memoryview]) -> None:
        self.name = name
        self._pieces = [memoryview(piece).cast("B") for piece in pieces if len(piece)]
        self.length = sum(piece.nbytes for piece in self._pieces)

    def send(self, connection: HTTPConnection, progress: Callable[[int], object] | None) -> None:
        for block in self.blocks():
            connection.send(block)
            if progress is not None:
                progress(block.nbytes)

    def write(self, path: str) -> None:
        with open(path, "wb") as file:
            for block in self.blocks():
                file.write(block)

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for block in self.blocks():
            digest.update(block)
        return digest.hexdigest()

    def blocks(self) -> Iterator[memoryview]:
        for piece in self._pieces:
            for start in range(0, piece.nbytes, BLOCK_BYTES):
                yield piece[start : start + BLOCK_BYTES]


class DigestBeside:
    """Computes a source's hash in a thread while the block of the `with` uploads it; `value` afterwards."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.value = ""
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="clearml-hash", daemon=True)

    def __enter__(self) -> DigestBeside:
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is ending
            self._run()
        return self

    def __exit__(self, *unused: object) -> None:
        if self._thread.ident is not None:
            self._thread.join()
        if self._error is not None and unused[0] is None:
            raise self._error

    def _run(self) -> None:
        try:
            self.value = self._source.sha256()
        except BaseException as error:  # noqa: BLE001  # raised at the end of the `with`
            self._error = error
