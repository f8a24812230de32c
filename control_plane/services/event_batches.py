"""From the lines of a batch to one part an owner. Pure.

An event without a task, of an unknown type, or of an owner that does not take it, is counted with its reason; the
rest of the batch is stored.
"""

import json
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from control_plane.schema.events import Event
from control_plane.services.errors import bad_request, validation
from control_plane.store.blocks import Family, Record
from control_plane.store.event_parts import Part, Run

FAMILY_OF: Mapping[str, Family] = {
    "training_stats_scalar": "scalar",
    "training_stats_vector": "vector",
    "training_debug_image": "image",
    "plot": "plot",
    "log": "log",
}
TYPE_OF = {family: name for name, family in FAMILY_OF.items()}

NOT_PROGRESS = frozenset({":monitor:machine", ":monitor:gpu"})
"""Metrics whose iterations do not move the task's `last_iteration`."""

FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999
"""The years 1 to 9999, in ms since the epoch: what can be shown as a date."""
LARGEST = sys.float_info.max

SCALAR, LOG = "training_stats_scalar", "log"
PIECE_BYTES = 64 * 1024
"""So much is decoded and sorted at once, in about a millisecond; then others get their turns."""

_decode_lines = msgspec.json.Decoder(Event).decode_lines
_decode_one = msgspec.json.Decoder(Event).decode


@dataclass
class OwnerPart:
    """What a batch holds of one owner, and what it does to its document."""

    part: Part
    count: int = 0
    last_iteration: int | None = None
    allow_locked: bool = False

    def reach(self, iteration: int) -> None:
        """Note progress of the owner."""
        if self.last_iteration is None or iteration > self.last_iteration:
            self.last_iteration = iteration


@dataclass
class Batch:
    """A batch, sorted by owner: ("task" | "model", id) -> its part."""

    part_id: str
    now_ms: int
    """Stands in for the times that events do not say."""
    owners: dict[tuple[str, str], OwnerPart] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)

    def identify(self, part_id: str) -> None:
        """Give the batch, and the parts that it has by now, its id."""
        self.part_id = part_id
        for owner in self.owners.values():
            owner.part.id = part_id

    def owner(self, kind: str, id: str, *, allow_locked: bool) -> OwnerPart:
        """The part of one owner, made with its first event; raise 400 when it is said to be locked and not."""
        owner = self.owners.get((kind, id))
        if owner is None:
            part = Part(self.part_id, self.now_ms)
            owner = self.owners[kind, id] = OwnerPart(part, allow_locked=allow_locked)
        elif owner.allow_locked != allow_locked:
            raise validation(f"Inconsistent allow_locked setting in the passed events for {id}")
        return owner


def pieces(body: bytes) -> Iterator[bytes]:
    """An NDJSON body cut at its lines' ends, so that none of its pieces takes long."""
    start = 0
    while start < len(body):
        end = len(body) if len(body) - start <= PIECE_BYTES else body.find(b"\n", start + PIECE_BYTES) + 1
        yield body[start : end or len(body)]
        start = end or len(body)


def decode(body: bytes) -> list[Event]:
    """The events of an NDJSON body; raise 400 for what is no event."""
    try:
        return _decode_lines(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [_lenient(line) for line in body.split(b"\n") if line.strip()]


def _lenient(line: bytes) -> Event:
    """One event whose line msgspec refuses: Python clients write NaN and Infinity, which are no JSON, and halves of
    surrogate pairs, which are no text: what came out of a program was not UTF-8."""
    try:
        return _decode_one(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as refusal:
        try:
            return msgspec.convert(json.loads(line, object_hook=_whole_texts), Event)
        except msgspec.ValidationError as wrong:
            raise validation(f"event: {wrong}") from None
        except (ValueError, RecursionError):
            raise bad_request(f"an event of the batch is not valid JSON: {refusal}") from None


def _whole_texts(found: dict[str, object]) -> dict[str, object]:
    """A JSON object whose texts can be stored: what is half a character there is a replacement character."""
    return {
        name: text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if isinstance(text, str) else text
        for name, text in found.items()
    }


def sort(batch: Batch, events: Sequence[Event], *, worker: str) -> None:
    """Put events into the batch. `worker` stands in for what an event does not say."""
    if events and events[0].type == LOG and _sort_console(batch, events, worker):
        return
    last: tuple[object, ...] = ()
    run: Run | None = None
    lines: list[Record] | None = None
    owner: OwnerPart | None = None
    now_ms = batch.now_ms
    for event in events:
        # The short ways, for what batches are full of: many points of a few series, or lines of a console, one after
        # the other.
        if event.type == SCALAR and not _wrong(event):
            name = (event.task, event.metric, event.variant, event.model_event, event.allow_locked)
            if name != last:
                owner = _owner(batch, event)
                run = _run(owner, event, worker) if owner is not None else None
                last = name
            if owner is None or run is None:
                _count_wrong(batch, event)
                continue
            iteration = event.iter
            if type(iteration) is not int:
                iteration = _integer(iteration, 0)
            at_ms = event.timestamp
            run.steps.append(iteration)
            run.times_ms.append(at_ms if type(at_ms) is int else _integer(at_ms, now_ms))
            value = event.value
            run.values.append(math.nan if value is None else float(value))
            owner.count += 1
            if event.metric not in NOT_PROGRESS:
                owner.reach(iteration)
        elif event.type == LOG:
            at_ms, iteration = event.timestamp, event.iter
            is_usual = iteration is None and type(at_ms) is int and FIRST_MS <= at_ms <= LAST_MS
            if not is_usual and _wrong(event):
                _count_wrong(batch, event)
                continue
            whose = (event.task, event.model_event, event.allow_locked)
            if whose != last:
                owner = _owner(batch, event)
                lines = owner.part.records.setdefault("log", []) if owner is not None else None
                last = whose
            if owner is None or lines is None:
                _count_wrong(batch, event)
                continue
            lines.append(
                Record(
                    at_ms if type(at_ms) is int else _integer(at_ms, now_ms),
                    iteration if type(iteration) is int else _integer(iteration, 0),
                    event.metric or "",
                    event.variant or "",
                    event.worker or worker,
                    event.msg or "",
                    event.level or "info",
                )
            )
            owner.count += 1
        else:
            _sort_other(batch, event, worker)


def _sort_console(batch: Batch, events: Sequence[Event], worker: str) -> bool:
    """Put events that are all usual lines of one console into the batch; False, with nothing done, when they are not.

    In half the time that looking at one after the other takes: somebody else's console may come a line an event.
    """
    task, model, locked = events[0].task, events[0].model_event, events[0].allow_locked
    lines = [
        Record(at_ms, 0, one.metric or "", one.variant or "", one.worker or worker, one.msg or "", one.level or "info")
        for one in events
        if one.type == LOG and one.task == task and one.model_event == model and one.allow_locked == locked
        and one.iter is None and type(at_ms := one.timestamp) is int and FIRST_MS <= at_ms <= LAST_MS
    ]  # fmt: skip
    owner = _owner(batch, events[0]) if len(lines) == len(events) else None
    if owner is None:
        return False
    owner.part.records.setdefault("log", []).extend(lines)
    owner.count += len(lines)
    return True


def _sort_other(batch: Batch, event: Event, worker: str) -> None:
    family = FAMILY_OF.get(event.type)
    owner = _owner(batch, event) if family is not None and not _wrong(event) else None
    if family is None or owner is None:
        _count_wrong(batch, event)
    else:
        _add(owner, family, event, batch.now_ms, worker)


def _owner(batch: Batch, event: Event) -> OwnerPart | None:
    if not event.task:
        return None
    kind = "model" if event.model_event else "task"
    return batch.owner(kind, event.task, allow_locked=bool(event.allow_locked))


def _run(owner: OwnerPart, event: Event, worker: str) -> Run:
    name = (event.metric or "", event.variant or "")
    run = owner.part.runs.get(name)
    if run is None:
        run = owner.part.runs[name] = Run(*name, event.worker or worker, event.x_axis_label or "")
    return run


def _count_wrong(batch: Batch, event: Event) -> None:
    """Count an event that cannot be stored with its reason."""
    if not event.task:
        batch.errors["Event must have a 'task' field"] += 1
    elif event.type not in FAMILY_OF:
        batch.errors[f"Invalid event type {event.type}"] += 1
    else:
        batch.errors[f"Invalid {_wrong(event)}"] += 1


def _wrong(event: Event) -> str | None:
    """The field with a number that no clock, counter or measurement gives; None when there is none."""
    at, step, value = event.timestamp, event.iter, event.value
    if at is not None and not FIRST_MS <= at <= LAST_MS and not _is_special(at):
        return "timestamp"
    if step is not None and not -(2**63) <= step < 2**63 and not _is_special(step):
        return "iter"
    if type(value) is int and not -LARGEST <= value <= LARGEST:
        return "value"
    return None


def _is_special(value: float) -> bool:
    """NaN or an infinity."""
    return isinstance(value, float) and not math.isfinite(value)


def _add(owner: OwnerPart, family: Family, event: Event, now_ms: int, worker: str) -> None:
    owner.count += 1
    at_ms = _integer(event.timestamp, now_ms)
    iteration = _integer(event.iter, 0)
    metric, variant = event.metric or "", event.variant or ""
    record = Record(at_ms, iteration, metric, variant, event.worker or worker, _text(family, event))
    if family == "image":
        record.key = event.key or ""
    elif family == "vector":
        record.values = event.values or []
    owner.part.records.setdefault(family, []).append(record)
    if metric not in NOT_PROGRESS:
        owner.reach(iteration)


def _text(family: Family, event: Event) -> str:
    text = {"plot": event.plot_str, "image": event.url}.get(family)
    return text or ""


def _integer(value: float | None, default: int) -> int:
    if value is None or not math.isfinite(value):
        return default
    return int(value)
