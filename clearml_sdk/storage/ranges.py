"""Downloads in parts: several at a time where one is slow, and going on where an earlier process was killed.

Beside the partial file lies its state: what is being downloaded, then the parts that are there. A part counts once it
is written; who dies before that downloads it again.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait

from clearml_sdk.journal import locking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    Read = Callable[[int, int], Iterable[bytes | memoryview]]

PART_BYTES = 8 << 20
THREADS = 4
FAST_S = 0.1
"""A connection that brings a part within this needs no others beside it, which would only be in its way."""
RUN_PARTS = 8
"""So many parts are asked for at once then."""
BLOCK_BYTES = 1 << 20


def download_in_parts(
    url: str,
    path: str,
    size: int,
    tag: str,
    read: Read,
    *,
    progress: Callable[[int], object] | None = None,
    part_bytes: int = PART_BYTES,
) -> str:
    """Store what is at `url` in the file `path`, whole or not at all, and return its sha256.

    Args:
        tag: see `PartialFile`.
        read: gives the bytes between two offsets, in pieces, each good until the next one; called from several threads.

    What was brought stays beside `path` until it is whole. Raises what `read` raises, OSError.
    """
    partial = PartialFile(f"{path}.{hashlib.md5(url.encode()).hexdigest()[:12]}.part", size, tag, part_bytes)
    if not partial.open():
        partial = PartialFile(f"{path}.{os.getpid()}.{os.urandom(4).hex()}.part", size, tag, part_bytes)
        partial.open()
    is_done = False
    try:
        with ThreadPoolExecutor(1, thread_name_prefix="clearml-hash") as beside:
            digest = beside.submit(partial.sha256)
            try:
                partial.fill(read, progress=progress)
            except BaseException:
                partial.give_up()
                raise
            found = digest.result()
        is_done = True
    finally:
        partial.close(remove=is_done)
    os.replace(partial.path, path)
    return found


class PartialFile:
    """The partial file of one download, for this process alone. `open` it before use.

    Args:
        path: of the partial file.
        tag: what tells one version of the stored file from another; a partial file of another one is begun anew.
    """

    def __init__(self, path: str, size: int, tag: str, part_bytes: int = PART_BYTES) -> None:
        self.path, self.size, self.part_bytes = path, size, part_bytes
        self._head = f"{size} {part_bytes} {tag}\n".encode("utf-8", "replace")
        self._done: set[int] = set()
        self._changed = threading.Condition()
        self._is_given_up = False
        self._state = self._file = self._held = -1

    @property
    def state_path(self) -> str:
        return f"{self.path}.state"

    def open(self) -> bool:
        """Take it up; False when another process is at it. Raises OSError."""
        held = locking.try_lock(f"{self.path}.lock")
        if held is None:
            return False
        self._held = held
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        self._file = os.open(self.path, flags, 0o600)
        self._state = os.open(self.state_path, flags, 0o600)
        found = os.read(self._state, 1 << 20)
        if found.startswith(self._head):
            lines = found[len(self._head) :].split(b"\n")[:-1]  # the last is whole only with its line end
            self._done = {int(line) for line in lines if line.isdigit() and int(line) < self._count()}
        else:
            os.ftruncate(self._file, 0)
            os.ftruncate(self._state, 0)
            os.lseek(self._state, 0, os.SEEK_SET)
            os.write(self._state, self._head)
        os.lseek(self._state, 0, os.SEEK_END)
        os.ftruncate(self._file, self.size)
        return True

    @property
    def bytes_there(self) -> int:
        return sum(self._length(number) for number in self._done)

    def fill(self, read: Read, *, threads: int = THREADS, progress: Callable[[int], object] | None = None) -> None:
        """Download what is missing, over one connection as long as that is fast. read: see `download_in_parts`.

        Raises what it raises, and ValueError when it gives less or more than it should.
        """
        if progress is not None and self._done:
            progress(self.bytes_there)
        missing = deque(number for number in range(self._count()) if number not in self._done)

        def bring(run: list[int]) -> None:
            start = run[0] * self.part_bytes
            self._store(run, read(start, run[-1] * self.part_bytes + self._length(run[-1])), progress)

        with ThreadPoolExecutor(threads, thread_name_prefix="clearml-download") as pool:
            jobs: list[Future[None]] = []
            try:
                at_once = 1
                while missing and not jobs:
                    run = _run(missing, at_once)
                    job = pool.submit(bring, run)
                    if not wait([job], FAST_S * len(run)).done:
                        jobs = [job, *(pool.submit(bring, [number]) for number in missing)]
                    else:
                        job.result()
                    at_once = RUN_PARTS
                for job in jobs:
                    job.result()
            finally:
                for job in jobs:
                    job.cancel()

    def put(self, number: int, pieces: Iterable[bytes | memoryview]) -> None:
        """Store a part. Raises ValueError when it has another length than it must."""
        self._store([number], pieces, None)

    def _store(
        self, run: list[int], pieces: Iterable[bytes | memoryview], progress: Callable[[int], object] | None
    ) -> None:
        """Store parts that follow each other; each counts once it is there."""
        at, left = run[0] * self.part_bytes, deque(run)
        for piece in pieces:
            view = memoryview(piece)
            while view:
                if not left:
                    raise ValueError(f"more was brought for {self.path} than was asked for")
                end = left[0] * self.part_bytes + self._length(left[0])
                count = min(len(view), end - at)
                self._write(view[:count], at)
                view, at = view[count:], at + count
                if at == end:
                    self._mark(left.popleft())
                    if progress is not None:
                        progress(self._length((end - 1) // self.part_bytes))
        if left:
            raise ValueError(
                f"part {left[0]} of {self.path} has not the {self._length(left[0])} bytes that it must have"
            )

    def _mark(self, number: int) -> None:
        with self._changed:
            os.write(self._state, b"%d\n" % number)
            self._done.add(number)
            self._changed.notify_all()

    def sha256(self) -> str:
        """The hash of the whole file; waits for its parts. Empty after `give_up`."""
        digest = hashlib.sha256()
        buffer = memoryview(bytearray(min(BLOCK_BYTES, max(1, self.size))))
        with open(self.path, "rb", buffering=0) as file:
            for number in range(self._count()):
                with self._changed:
                    while number not in self._done and not self._is_given_up:
                        self._changed.wait()
                    if self._is_given_up:
                        return ""
                left = self._length(number)
                while left and (count := file.readinto(buffer[:left])):
                    digest.update(buffer[:count])
                    left -= count
        return digest.hexdigest()

    def give_up(self) -> None:
        """Have nobody wait for parts any longer."""
        with self._changed:
            self._is_given_up = True
            self._changed.notify_all()

    def _write(self, view: memoryview, at: int) -> None:
        while view:
            if hasattr(os, "pwrite"):
                count = os.pwrite(self._file, view, at)
            else:
                with self._changed:
                    os.lseek(self._file, at, os.SEEK_SET)
                    count = os.write(self._file, view)
            view, at = view[count:], at + count

    def close(self, *, remove: bool) -> None:
        """Let go of it; `remove`: also of what tells of it (the file itself is the caller's, who renames it)."""
        for descriptor in (self._file, self._state):
            if descriptor >= 0:
                os.close(descriptor)
        if remove:
            for path in (self.state_path, f"{self.path}.lock"):
                if os.path.exists(path):
                    os.unlink(path)
        if self._held >= 0:
            locking.unlock(self._held)
        self._file = self._state = self._held = -1

    def _count(self) -> int:
        return -(-self.size // self.part_bytes)

    def _length(self, number: int) -> int:
        return min(self.part_bytes, self.size - number * self.part_bytes)


def _run(missing: deque[int], limit: int) -> list[int]:
    """Take parts that follow each other off the front, `limit` at most."""
    run = [missing.popleft()]
    while missing and missing[0] == run[-1] + 1 and len(run) < limit:
        run.append(missing.popleft())
    return run
