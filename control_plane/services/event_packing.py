"""The packed form of a batch, which our SDK sends: a line that says what follows, columns of numbers, then lines.

    CLEVENTS1\n
    {"owners": [{"id": TASK, "series": [[METRIC, VARIANT, WORKER, LABEL, N, FIRST_MS, STEPS, TIMES], ...]}]}\n
    for each series in this order: N iterations, N times, N values
    events of any type, as the lines of an ordinary batch

Numbers are little-endian. STEPS is the type of an iteration, `i` (32 bits) or `q` (64); TIMES that of a time, `I` (32
bits, unsigned) or `q`, in ms after FIRST_MS; values are float64. An owner may also say `model` and `allow_locked`.
The header's `lines` is the number of bytes of the lines, so that a body that was cut off is seen. Pure.
"""

from typing import Annotated, Any, Literal

import msgspec

from control_plane.services.errors import ApiError, Subcode, bad_request
from control_plane.services.event_batches import FIRST_MS, LAST_MS, NOT_PROGRESS, Batch
from control_plane.store.blocks import BYTES_OF, Points, integers

MAGIC = b"CLEVENTS1\n"
MAX_HEADER_BYTES = 16 * 1024 * 1024
_UINT32_MAX = 2**32 - 1


class SeriesHead(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    """One series: what its columns are."""

    metric: str
    variant: str
    worker: str
    x_axis_label: str
    count: Annotated[int, msgspec.Meta(ge=1)]
    first_ms: int
    steps_type: Literal["i", "q"]
    times_type: Literal["I", "q"]

    @property
    def size(self) -> int:
        """Bytes of the three columns."""
        return self.count * (BYTES_OF[self.steps_type] + BYTES_OF[self.times_type] + 8)


class OwnerHead(msgspec.Struct, forbid_unknown_fields=True):
    """A task or a model, and its series in the order of their columns."""

    id: Annotated[str, msgspec.Meta(min_length=1)]
    series: list[SeriesHead]
    model: bool = False
    allow_locked: bool = False


class Head(msgspec.Struct, forbid_unknown_fields=True):
    """The line of a packed batch that says what follows."""

    owners: list[OwnerHead]
    lines: Annotated[int, msgspec.Meta(ge=0)] = 0


_decode_head = msgspec.json.Decoder(Head).decode


def is_packed(body: bytes) -> bool:
    """Whether a batch has this form; none of lines begins so."""
    return body.startswith(MAGIC)


def unpack(body: bytes, batch: Batch, *, worker: str) -> bytes:
    """Put the packed series into `batch`; returns the lines that follow them. Raises 400 saying what is wrong."""
    head, at = _head(body)
    size = sum(series.size for owner in head.owners for series in owner.series)
    if len(body) - at != size + head.lines:
        raise _wrong(f"{size} bytes of columns and {head.lines} of lines are announced, {len(body) - at} follow")
    for said in head.owners:
        owner = batch.owner("model" if said.model else "task", said.id, allow_locked=said.allow_locked)
        for series in said.series:
            points = _points(series, body, at, worker)
            at += series.size
            owner.part.packed.append(points)
            owner.count += series.count
            if series.metric not in NOT_PROGRESS:
                owner.reach(max(integers(points.steps_type, points.steps)))
    if not batch.owners and not head.lines:
        raise ApiError(400, Subcode.EMPTY_BATCH, "Batch request contains no items")
    return body[at:]


def _head(body: bytes) -> tuple[Head, int]:
    """The header, and where the columns begin."""
    end = body.find(b"\n", len(MAGIC), len(MAGIC) + MAX_HEADER_BYTES)
    if end < 0:
        raise _wrong("its header does not end")
    try:
        return _decode_head(memoryview(body)[len(MAGIC) : end]), end + 1
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _wrong(f"header: {error}") from None


def _points(series: SeriesHead, body: bytes, at: int, worker: str) -> Points:
    """One series' columns as they will lie in a block, which is as they came."""
    times_at = at + series.count * BYTES_OF[series.steps_type]
    values_at = times_at + series.count * BYTES_OF[series.times_type]
    points = Points(
        series.metric,
        series.variant,
        series.worker or worker,
        series.x_axis_label,
        series.first_ms,
        series.steps_type,
        series.times_type,
        body[at:times_at],
        body[times_at:values_at],
        body[values_at : at + series.size],
    )
    earliest, latest = series.first_ms, series.first_ms + _UINT32_MAX
    if series.times_type == "q" or earliest < FIRST_MS or latest > LAST_MS:
        times: Any = integers(points.times_type, points.times)
        earliest, latest = series.first_ms + min(times), series.first_ms + max(times)
    if earliest < FIRST_MS or latest > LAST_MS:
        raise _wrong(f"a time of {series.metric}/{series.variant} is outside the years 1 to 9999")
    return points


def _wrong(what: str) -> ApiError:
    return bad_request(f"Packed batch: {what}")
