"""From the records of a segment to the body of one `events.add_batch` call: deterministic, without I/O.

The same records between the same offsets give the same bytes, whoever asks and however often.
"""

from __future__ import annotations

import json

from clearml_sdk.journal import framing
from clearml_sdk.journal.framing import EVENT, LOG, PREFIX_BYTES, SCALAR, SERIES, unpack_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mmap import mmap

MAX_EVENTS = 4000
MAX_EVENT_BYTES = 4 << 20
MAX_LOG_CHARS = 1 << 16


class Batch:
    """A body to send: NDJSON, its number of events, and the offset behind its last record."""

    __slots__ = ("body", "end", "events")

    def __init__(self, body: bytes, events: int, end: int) -> None:
        self.body, self.events, self.end = body, events, end


class BatchBuilder:
    """Builds batches from one segment, from its first record on; it remembers the series it has read.

    Args:
        task: id of the task that the events belong to (unless they say otherwise themselves).
        worker: name of the machine, put into console events.
    """

    def __init__(self, task: str, worker: str) -> None:
        self._task, self._worker = json.dumps(task), json.dumps(worker)
        self._prefixes: dict[int, str] = {}

    def skip(self, data: bytes | mmap, start: int, end: int) -> None:
        """Read the series defined by records that were delivered before."""
        for kind, payload, following in framing.records(data, start, end):
            if kind == SERIES:
                self._define(data[payload:following])

    def build(self, data: bytes | mmap, start: int, end: int, *, exactly: bool = False) -> Batch:
        """The next batch from `start`, up to `end` at most; all of it if `exactly`.

        Console texts that follow each other on one level become one event, with the time of the first.
        """
        lines: list[str] = []
        texts: list[str] = []
        log_at, log_level, log_chars, event_bytes = 0, "", 0, 0
        prefixes = self._prefixes
        offset = start
        while offset < end and (exactly or (len(lines) < MAX_EVENTS and event_bytes < MAX_EVENT_BYTES)):
            _, head = framing.unpack_prefix(data, offset)
            payload = offset + PREFIX_BYTES
            following = payload + (head & framing.MAX_PAYLOAD_BYTES)
            kind = head >> 24
            if kind == SCALAR:
                _, _, series_id, iteration, at_ms, value = unpack_scalar(data, offset)
                lines.append(f'{prefixes[series_id]}"timestamp":{at_ms},"iter":{iteration},"value":{value!r}}}')
            elif kind == LOG:
                at_ms, level, text = framing.read_log(data[payload:following])
                if texts and (level != log_level or log_chars > MAX_LOG_CHARS):
                    lines.append(self._log_line(log_at, log_level, texts))
                    event_bytes += log_chars
                    texts, log_chars = [], 0
                if not texts:
                    log_at, log_level = at_ms, level
                texts.append(text)
                log_chars += len(text)
            elif kind == EVENT:
                size = following - payload
                if lines and not exactly and event_bytes + size > MAX_EVENT_BYTES:
                    break
                lines.append(framing.decode(data[payload:following]))
                event_bytes += size
            else:
                self._define(data[payload:following])
            offset = following
        if texts:
            lines.append(self._log_line(log_at, log_level, texts))
        return Batch("\n".join(lines).encode("utf-8", "replace"), len(lines), offset)

    def _define(self, payload: bytes) -> None:
        series_id, title, name = framing.read_series(payload)
        self._prefixes[series_id] = (
            f'{{"type":"training_stats_scalar","task":{self._task},'
            f'"metric":{json.dumps(title, ensure_ascii=False)},"variant":{json.dumps(name, ensure_ascii=False)},'
        )

    def _log_line(self, at_ms: int, level: str, texts: list[str]) -> str:
        message = json.dumps("\n".join(texts), ensure_ascii=False)
        return (
            f'{{"type":"log","task":{self._task},"timestamp":{at_ms},"level":"{level}",'
            f'"worker":{self._worker},"msg":{message}}}'
        )
