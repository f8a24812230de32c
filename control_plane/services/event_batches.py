"""From the lines of a batch to one part an owner. Pure.

An event without a task, of an unknown type, or of an owner that does not take it, is counted with its reason; the
rest of the batch is stored.
"""

import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from control_plane.schema.events import Event
from control_plane.services.errors import bad_request, validation
from control_plane.store.blocks import Family, Record
from control_plane.store.events import Part, Run

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

_decode_lines = msgspec.json.Decoder(Event).decode_lines
_decode_one = msgspec.json.Decoder(Event).decode


@dataclass
class OwnerPart:
    """What a batch holds of one owner, and what it does to its document."""

    part: Part
    count: int = 0
    last_iteration: int | None = None
    allow_locked: bool | None = None


@dataclass
class Batch:
    """A batch, sorted by owner: ("task" | "model", id) -> its part."""

    owners: dict[tuple[str, str], OwnerPart] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)


def decode(body: bytes) -> list[Event]:
    """The events of an NDJSON body; raise 400 for what is no event."""
    try:
        return _decode_lines(body)
    except msgspec.DecodeError:
        return [_lenient(line) for line in body.split(b"\n") if line.strip()]


def _lenient(line: bytes) -> Event:
    """One event whose line msgspec refuses: NaN and Infinity, which Python clients write, are no JSON."""
    try:
        return _decode_one(line)
    except msgspec.DecodeError as refusal:
        try:
            return msgspec.convert(json.loads(line), Event)
        except msgspec.ValidationError as wrong:
            raise validation(f"event: {wrong}") from None
        except ValueError:
            raise bad_request(f"an event of the batch is not valid JSON: {refusal}") from None


def sort(events: Iterable[Event], *, part_id: str, now_ms: int, worker: str) -> Batch:
    """Group events by owner. `worker` and `now_ms` stand in for what an event does not say."""
    batch = Batch()
    for event in events:
        if not event.task:
            batch.errors["Event must have a 'task' field"] += 1
            continue
        family = FAMILY_OF.get(event.type)
        if family is None:
            batch.errors[f"Invalid event type {event.type}"] += 1
            continue
        wrong = _wrong(event)
        if wrong:
            batch.errors[f"Invalid {wrong}"] += 1
            continue
        kind = "model" if event.model_event else "task"
        owner = batch.owners.get((kind, event.task))
        if owner is None:
            owner = batch.owners[kind, event.task] = OwnerPart(Part(part_id, now_ms))
        allow_locked = bool(event.allow_locked)
        if owner.allow_locked not in (None, allow_locked):
            raise validation(f"Inconsistent allow_locked setting in the passed events for {event.task}")
        owner.allow_locked = allow_locked
        _add(owner, family, event, now_ms, worker)
    return batch


def _wrong(event: Event) -> str | None:
    """The field with a number that no clock, counter or measurement gives; None when there is none."""
    at, step, value = event.timestamp, event.iter, event.value
    if at is not None and not FIRST_MS <= at <= LAST_MS and not _is_special(at):
        return "timestamp"
    if step is not None and not -(2**63) <= step < 2**63 and not _is_special(step):
        return "iter"
    if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
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
    if family == "scalar":
        name = (metric, variant)
        run = owner.part.runs.get(name)
        if run is None:
            run = owner.part.runs[name] = Run(metric, variant, event.worker or worker, event.x_axis_label or "")
        run.steps.append(iteration)
        run.times_ms.append(at_ms)
        run.values.append(math.nan if event.value is None else float(event.value))
    else:
        record = Record(at_ms, iteration, metric, variant, event.worker or worker, _text(family, event))
        if family == "log":
            record.level = event.level or "info"
        elif family == "image":
            record.key = event.key or ""
        elif family == "vector":
            record.values = event.values or []
        owner.part.records.setdefault(family, []).append(record)
    if family != "log" and metric not in NOT_PROGRESS:
        owner.last_iteration = max(iteration, owner.last_iteration if owner.last_iteration is not None else iteration)


def _text(family: Family, event: Event) -> str:
    text = {"log": event.msg, "plot": event.plot_str, "image": event.url}.get(family)
    return text or ""


def _integer(value: float | None, default: int) -> int:
    if value is None or not math.isfinite(value):
        return default
    return int(value)
