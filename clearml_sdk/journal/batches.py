"""From the records of a segment to the body of one `events.add_batch` call: deterministic, without I/O.

The same records between the same offsets give the same events, whoever asks and however often: as lines for any
server, or with the points packed (`packing`) for one that says in its tokens that it takes that.
"""

from __future__ import annotations

import json
from itertools import repeat

from clearml_sdk.journal import framing, points
from clearml_sdk.journal.framing import EVENT, LOG, POINTS, PREFIX_BYTES, SERIES, SLOT_BYTES
from clearml_sdk.journal.packing import Columns, packed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from mmap import mmap

MAX_EVENTS = 4000
MAX_EVENT_BYTES = 4 << 20
MAX_LOG_CHARS = 1 << 16
PAUSE_EVERY = 128
"""Records between two pauses: a tenth of a millisecond of work."""


SCALAR_TYPE = b"training_stats_scalar"


class Batch:
    """A body to send, its number of events, the offset behind its last record, and whether its points are packed."""

    __slots__ = ("body", "end", "events", "is_packed")

    def __init__(self, body: bytes, events: int, end: int, is_packed: bool) -> None:
        self.body, self.events, self.end, self.is_packed = body, events, end, is_packed


class BatchBuilder:
    """Builds batches from one segment, from its first record on; it remembers the series it has read.

    Args:
        task: id of the task that the events belong to (unless they say otherwise themselves).
        worker: name of the machine, put into console events.
        pause: called now and then, so that other threads are let in: Python alone makes them wait for up to 5 ms.
        patience_s: how long to wait for a point that is just being appended; see `points.read`.
    """

    def __init__(
        self, task: str, worker: str, *, pause: Callable[[], object] = lambda: None, patience_s: float = 0.0
    ) -> None:
        self._id, self._task, self._worker, self._pause = task, json.dumps(task), json.dumps(worker), pause
        self._patience_s = patience_s
        self._heads: dict[int, int] = {}
        """Where a batch ended among the slots of a block -> where that block begins."""
        self._prefixes: dict[int, str] = {}
        self._names: dict[int, tuple[str, str]] = {}

    def skip(self, data: bytes | mmap, start: int, end: int) -> None:
        """Read the series defined by records that were delivered before."""
        for kind, payload, following in framing.records(data, start, end):
            if kind == SERIES:
                self._define(data[payload:following])
            elif following > end:
                self._heads[end] = payload - PREFIX_BYTES

    def build(self, data: bytes | mmap, start: int, end: int, *, exactly: bool = False, packs: bool = False) -> Batch:
        """The next batch from `start`, up to `end` at most; all of it if `exactly`.

        Args:
            packs: send points as columns.

        Console texts that follow each other on one level become one event, with the time of the first.
        """
        lines: list[str] = []
        texts: list[str] = []
        log_at, log_level, log_chars, event_bytes = 0, "", 0, 0
        columns: dict[int, Columns] = {}
        count = records = 0
        offset, head_at = start, self._heads.get(start, start)
        while offset < end and (exactly or (len(lines) + count < MAX_EVENTS and event_bytes < MAX_EVENT_BYTES)):
            records += 1
            if records % PAUSE_EVERY == 0:
                self._pause()
            _, head = framing.unpack_prefix(data, head_at)
            payload = head_at + PREFIX_BYTES
            following = payload + (head & framing.MAX_PAYLOAD_BYTES)
            kind = head >> 24
            if kind == POINTS:
                first = max(offset, framing.slots_at(head_at))
                room = end if exactly else first + (MAX_EVENTS - len(lines) - count) * SLOT_BYTES
                stop = min(following, room, end)
                found = points.read(data, first, stop, patience_s=self._patience_s)
                if packs:
                    count += len(found)
                    self._add(found, columns)
                else:
                    lines.extend(self._lines(found))
                self._pause()
                if stop < following:
                    self._heads[stop], offset = head_at, stop
                    continue
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
                if (lines or count) and not exactly and event_bytes + size > MAX_EVENT_BYTES:
                    break
                # Packed points are stored before the lines: one that comes after a ready-made one goes behind it.
                packs = packs and SCALAR_TYPE not in data[payload:following]
                lines.append(framing.decode(data[payload:following]))
                event_bytes += size
            else:
                self._define(data[payload:following])
            offset = head_at = following
        if texts:
            lines.append(self._log_line(log_at, log_level, texts))
        body = "\n".join(lines).encode("utf-8", "replace")
        if columns:
            body = packed(self._id, [(*self._names[id], column) for id, column in columns.items()], body)
        return Batch(body, len(lines) + count, offset, bool(columns))

    def _add(self, found: points.Slots, columns: dict[int, Columns]) -> None:
        if not len(found):
            return  # a block of which no slot was taken: it names no series
        if isinstance(found.ids, int):
            column = columns.get(found.ids)
            if column is None:
                column = columns[found.ids] = Columns()
            column.steps.extend(found.steps)
            column.times_ms.extend(found.times_ms)
            column.values.extend(found.values)
            return
        for series_id, step, at_ms, value in zip(found.ids, found.steps, found.times_ms, found.values, strict=True):
            column = columns.get(series_id)
            if column is None:
                column = columns[series_id] = Columns()
            column.steps.append(step)
            column.times_ms.append(at_ms)
            column.values.append(value)

    def _lines(self, found: points.Slots) -> Iterator[str]:
        ids = repeat(found.ids) if isinstance(found.ids, int) else found.ids
        for series_id, step, at_ms, value in zip(ids, found.steps, found.times_ms, found.values, strict=False):
            yield f'{self._prefixes[series_id]}"timestamp":{at_ms},"iter":{step},"value":{value!r}}}'

    def _define(self, payload: bytes) -> None:
        series_id, title, name = framing.read_series(payload)
        self._names[series_id] = title, name
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
