"""From the output of a run to log events on the server: every line once, in order, across crashes and outages.

A run's console has four parts, sent in this order: what the agent says before and beside the task (`agent.log`), the
task's own output (`log`), why it was stopped or failed (`error.log`), and the last word (`final.log`); the last two
exist only when `log` is complete. Before a batch is sent its bounds and its time are written down (`console.json`); a
batch sent again after a crash is therefore the same, byte for byte and under the same id, and the server drops it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

log = logging.getLogger("clearml_agent")

BATCH_BYTES = 768 * 1024
"""Of output, in one request: as NDJSON still below 1 MiB, as long as the text is text."""
MESSAGE_BYTES = 64 * 1024
PARTIAL_LINE_S = 1.0
TAIL_BYTES = 64

AGENT, TASK, ERROR, FINAL = "agent.log", "log", "error.log", "final.log"
PARTS = (AGENT, TASK, ERROR, FINAL)
LEVELS = {AGENT: "INFO", TASK: "DEBUG", ERROR: "ERROR", FINAL: "DEBUG"}
POSITION = "console.json"

_TERMINAL_RESET = "\x1b[0m"


class Batch(msgspec.Struct, frozen=True):
    """Bytes `start` to `end` of a part, the last of them, and the time of their first message (ms since epoch)."""

    part: str
    start: int
    end: int
    timestamp: int
    tail: bytes = b""


class Position(msgspec.Struct):
    """How far the server has acknowledged each part, and the batch that is under way."""

    acknowledged: dict[str, int] = msgspec.field(default_factory=dict)
    pending: Batch | None = None
    last_timestamp: int = 0
    refused: str = ""
    tail: bytes = b""
    """The end of what is acknowledged of the task's own output."""
    cuts: int = 0
    """How often the task has emptied its own output, as whoever opens /dev/stdout or /dev/stderr to write does."""


def clean(text: str, *, keeps_returns: bool = False) -> str:
    """Text as a terminal would have left it: nothing under a carriage return or a backspace.

    keeps_returns: what a carriage return ends is a line of its own (`agent.suppress_carriage_return: false`).

    Source: contract/agent_behaviour.md 11.
    """
    if "\b" in text:
        text = "\n".join(_without_backspaces(line) for line in text.split("\n"))
    if keeps_returns and "\r" in text:
        text = "\n".join("\n".join(line.rstrip("\r").split("\r")) for line in text.split("\n"))
    elif "\r" in text:
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return "" if len(text) < 100 and text.strip() == _TERMINAL_RESET else text


def _without_backspaces(line: str) -> str:
    kept: list[str] = []
    for character in line:
        if character != "\b":
            kept.append(character)
        elif kept:
            kept.pop()
    return "".join(kept)


def messages(raw: bytes, *, keeps_returns: bool = False) -> list[str]:
    """The texts of the log events for `raw`: lines joined up to MESSAGE_BYTES, longer ones split. Pure."""
    data = clean(raw.decode("utf-8", "replace"), keeps_returns=keeps_returns).encode()
    found: list[str] = []
    start = 0
    while start < len(data):
        end = start + MESSAGE_BYTES
        if end < len(data):
            end = data.rfind(b"\n", start, end) + 1 or end
            while data[end] & 0xC0 == 0x80:  # inside a character
                end -= 1
        found.append(data[start:end].decode())
        start = end
    return found


def cut(data: bytes, *, whole: bool) -> int:
    """How many bytes of `data` to send now: up to the last line end; with `whole` all but a begun character. Pure."""
    end = data.rfind(b"\n") + 1
    if not whole and end:
        return end
    if not whole and len(data) < BATCH_BYTES:
        return 0
    if end and len(data) >= BATCH_BYTES:
        return end
    for back in range(1, min(4, len(data)) + 1):  # a character of UTF-8 has at most four bytes
        byte = data[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if length > back and len(data) > back else len(data)
        if byte < 0x80:
            break
    return len(data)


def events(batch: Batch, texts: Sequence[str], *, task: str, worker: str, level: str) -> bytes:
    """The NDJSON body of one batch; the same bytes for the same arguments. Pure."""
    lines = [
        {"type": "log", "level": level, "task": task, "worker": worker, "msg": text, "timestamp": batch.timestamp + i}
        for i, text in enumerate(texts)
    ]
    return b"\n".join(msgspec.json.encode(line) for line in lines)


Send = Callable[[bytes, str], Awaitable[None]]
"""Deliver one body under a batch id; returns when acknowledged, raises ConsoleRefused when it never will be."""


class ConsoleRefused(Exception):
    """The server takes no more lines for this task (deleted, or claimed by somebody else)."""


class Console:
    """The parts of one run's console, and what has been sent of them.

    Args:
        run_id: prefix of the batch ids, unique for this claim of the task.
        echo: also gets each cleaned text, once, for a person to read; may be called again after a crash.
        keeps_returns: as of `clean`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        run_id: str,
        task: str,
        worker: str,
        send: Send,
        echo: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.time,
        keeps_returns: bool = False,
    ) -> None:
        self.directory, self.run_id, self.task, self.worker = directory, run_id, task, worker
        self._keeps_returns = keeps_returns
        self._send, self._echo, self._clock = send, echo, clock
        self._unwritten: dict[str, bytes] = {}
        """Parts for which the disk had no room."""
        self._has_said_so = False
        self._taken = b""
        """The bytes of the pending batch, where this process has just read them."""
        self.position = self._load()

    def write(self, text: str) -> None:
        """Add lines of the agent's own; on disk when this returns."""
        fd = os.open(self.directory / AGENT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(fd, (text if text.endswith("\n") else text + "\n").encode("utf-8", "replace"))
        except OSError as error:
            self._lacks_space(error)
        finally:
            os.close(fd)

    def finish(self, last_line: str, error: str = "") -> None:
        """Set the end of the console, the same after a crash; call it only when the task's output is complete."""
        for part, text in ((ERROR, error), (FINAL, last_line)):
            if not text:
                continue
            path = self.directory / part
            temporary = path.with_suffix(".tmp")
            try:
                temporary.write_text(text + "\n", encoding="utf-8", errors="replace")
                temporary.replace(path)
            except OSError as problem:
                self._lacks_space(problem)
                self._unwritten[part] = (text + "\n").encode("utf-8", "replace")

    def _lacks_space(self, error: OSError) -> None:
        """Say once that the disk takes nothing more; what can be sent without it is sent."""
        if not self._has_said_so:
            self._has_said_so = True
            log.error("console of task %s: %s: %s; free some space", self.task, self.directory, error.strerror or error)

    async def send_available(self, *, whole: bool = False) -> bool:
        """Send what there is, or the next batch of it. True when something was sent and there may be more.

        Args:
            whole: also send a line that has no end yet.
        """
        if self.position.refused:
            return False
        if self.position.pending is None:
            if not self._take(whole=whole):
                return False
            await asyncio.to_thread(self._save)  # waits for the disk
        batch = self.position.pending
        if batch is None:
            return False
        raw = self._taken or self._read(batch.part, batch.start, batch.end - batch.start)
        self._taken = b""
        if batch.tail and not raw.endswith(batch.tail):  # emptied since, while there was no agent
            self._begin_again()
            self.position.pending = None
            return True
        texts = messages(raw, keeps_returns=self._keeps_returns)
        body = events(batch, texts, task=self.task, worker=self.worker, level=LEVELS[batch.part])
        try:
            if body:
                await self._send(body, f"{self.run_id}.{self._name(batch.part)}.{batch.start}-{batch.end}")
        except ConsoleRefused as refused:
            self.position.refused = str(refused) or "refused"
            await asyncio.to_thread(self._save)
            return False
        self.position.acknowledged[batch.part] = batch.end
        if batch.part == TASK:
            self.position.tail = (self.position.tail + raw[-TAIL_BYTES:])[-TAIL_BYTES:]
        self.position.last_timestamp = batch.timestamp + max(0, len(texts) - 1)
        self.position.pending = None
        if self._echo is not None:
            self._echo("".join(texts))
        return True

    def _name(self, part: str) -> str:
        """Of a part in the ids of its batches: what stands where something else stood has another."""
        return f"{part}~{self.position.cuts}" if part == TASK and self.position.cuts else part

    def waiting(self) -> int:
        """Bytes that the server has not acknowledged; after `send_available` found nothing, a line without its end."""
        return sum(max(0, self._size(part) - self.position.acknowledged.get(part, 0)) for part in PARTS)

    def _take(self, *, whole: bool) -> bool:
        """Choose the next batch; it is written down before anything of it is sent."""
        for part in PARTS:
            start = self.position.acknowledged.get(part, 0)
            data = self._read(part, start, BATCH_BYTES)
            if part == TASK and self._was_cut(start):
                self._begin_again()
                start, data = 0, self._read(part, 0, BATCH_BYTES)
            size = cut(data, whole=whole) if data else 0
            if size:
                timestamp = max(int(self._clock() * 1000), self.position.last_timestamp + 1)
                tail = data[max(0, size - TAIL_BYTES) : size] if part == TASK else b""
                self.position.pending = Batch(part, start, start + size, timestamp, tail)
                self._taken = data[:size]
                return True
            if data and part == TASK:
                return False  # a begun line of the task comes before the last word
        return False

    def _begin_again(self) -> None:
        log.info("task %s emptied its own output: it goes on from its beginning", self.task)
        self.position.acknowledged[TASK], self.position.tail = 0, b""
        self.position.cuts += 1

    def _was_cut(self, start: int) -> bool:
        """Whether the task's output is another than the one of which `start` bytes were sent."""
        tail = self.position.tail
        try:
            with (self.directory / TASK).open("rb", buffering=0) as file:
                if not tail:
                    return os.fstat(file.fileno()).st_size < start
                file.seek(start - len(tail))
                return file.read(len(tail)) != tail
        except FileNotFoundError:
            return False

    def _read(self, part: str, start: int, size: int) -> bytes:
        if part in self._unwritten:
            return self._unwritten[part][start : start + size]
        try:
            with (self.directory / part).open("rb", buffering=0) as file:
                file.seek(start)
                return file.read(size)
        except FileNotFoundError:
            return b""

    def _size(self, part: str) -> int:
        if part in self._unwritten:
            return len(self._unwritten[part])
        try:
            return (self.directory / part).stat().st_size
        except FileNotFoundError:
            return 0

    def _load(self) -> Position:
        try:
            return msgspec.json.decode((self.directory / POSITION).read_bytes(), type=Position)
        except (FileNotFoundError, msgspec.DecodeError):
            return Position()  # lines sent twice are better than none

    def _save(self) -> None:
        """Write the position down, durably; on a full disk it is known to this process alone."""
        path = self.directory / POSITION
        temporary = path.with_suffix(".tmp")
        try:
            with temporary.open("wb") as file:
                file.write(msgspec.json.encode(self.position))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            self._lacks_space(error)
