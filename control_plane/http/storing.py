"""From the body of an upload to the files that it holds. Blocks. Source: contract/wire.md, section 12."""

import re
import threading
from pathlib import Path

from control_plane.http.multipart import Event, Scanner
from control_plane.http.new_files import LARGE_BYTES, UPLOADING, NewFile
from control_plane.http.paths import BadName, inside

_FIELD_NAME = re.compile(r';\s*name="((?:[^"\\]|\\.)*)"', re.IGNORECASE)


class Upload:
    """One multipart body on its way into the folder `root`. stored: the names of what is there."""

    def __init__(self, root: Path, boundary: str, size_bytes: int) -> None:
        """size_bytes: of the body; 0 where nobody knows. Raises ValueError for no boundary."""
        self._root, self._scanner = root, Scanner(boundary.encode())
        self._is_large = size_bytes >= LARGE_BYTES
        self._file: NewFile | None = None
        self._lock = threading.Lock()  # a caller that was cancelled discards what a thread still writes
        self.stored: list[str] = []

    def take(self, data: bytes | bytearray, size_bytes: int) -> None:
        """Store what the next `size_bytes` of the body hold. Raises BadName, ValueError for a body that is none."""
        with self._lock:
            for event in self._scanner.feed(data, size_bytes):
                self._do(event)

    def end(self) -> None:
        """Say that the body is over. Raises ValueError for one that ended early."""
        if not self._scanner.is_over:
            raise ValueError("the upload ended early")

    def discard(self) -> None:
        """Let go of what is not whole."""
        with self._lock:
            if self._file is not None:
                self._file.discard()
                self._file = None

    def _do(self, event: Event) -> None:
        if isinstance(event, memoryview):
            assert self._file is not None
            self._file.write(event)
        elif event is not None:
            if event.get("content-type", "").lower().startswith("multipart/"):
                raise BadName("nested multipart bodies are not read")
            name = field_name(event.get("content-disposition", ""))
            self._file = NewFile(target(self._root, name), self._root, is_large=self._is_large)
        else:
            assert self._file is not None
            file, self._file = self._file, None
            file.finish()
            self.stored.append(str(file.target.relative_to(self._root)))


def target(root: Path, name: str) -> Path:
    """Where the file `name` is or will be. Raises BadName."""
    path = inside(root, name)
    if any(part.startswith(UPLOADING) for part in path.relative_to(root).parts):
        raise BadName("the name is reserved")
    return path


def field_name(disposition: str) -> str:
    """The field's name in a part's Content-Disposition, as it was meant; empty when there is none.

    File names may hold backslashes. Clients write a quote as %22 or with a backslash before it.
    """
    found = _FIELD_NAME.search(disposition)
    return found[1].replace('\\"', '"').replace("%22", '"') if found else ""
