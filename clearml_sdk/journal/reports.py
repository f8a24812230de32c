"""The lane of reports: scalars, console texts and ready-made events, delivered in batches."""

from __future__ import annotations

from clearml_sdk.journal.batches import BatchBuilder
from clearml_sdk.journal.posting import Outcome, Poster
from clearml_sdk.journal.segment import HEADER_BYTES, Segment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

REPORTS = "reports"


class ReportCourier:
    """Delivers the segments of the lane of reports, batch by batch. pause, patience_s: see `BatchBuilder`."""

    def __init__(
        self,
        poster: Poster,
        journal_id: str,
        task: str,
        worker: str,
        *,
        pause: Callable[[], object] = lambda: None,
        patience_s: float = 0.0,
    ) -> None:
        self._poster, self._journal_id, self._task, self._worker = poster, journal_id, task, worker
        self._segment: Segment | None = None
        self._pause, self._patience_s = pause, patience_s
        self._builder = BatchBuilder(task, worker)
        self.delivered_events = 0

    def deliver(self, segment: Segment) -> Outcome:
        if segment is not self._segment:
            self._segment = segment
            self._builder = BatchBuilder(self._task, self._worker, pause=self._pause, patience_s=self._patience_s)
            self._builder.skip(segment.map, HEADER_BYTES, segment.acked)
        start, is_on_its_way = segment.acked, segment.sending > segment.acked
        end = segment.sending if is_on_its_way else segment.end
        packs = self._poster.takes_packed
        batch = self._builder.build(segment.map, start, end, exactly=is_on_its_way, packs=packs)
        if batch.events:
            segment.announce(batch.end)
            batch_id = f"{self._journal_id}.{REPORTS}.{segment.number}.{start}-{batch.end}"
            outcome = self._poster.post(batch.body, batch_id, is_packed=batch.is_packed)
            if outcome is Outcome.UNREADABLE:
                batch = self._builder.build(segment.map, start, batch.end, exactly=True)
                outcome = self._poster.post(batch.body, batch_id)
            if outcome is Outcome.LATER:
                return outcome
            if outcome is Outcome.DELIVERED:
                self.delivered_events += batch.events
        segment.acknowledge(batch.end)
        return Outcome.DELIVERED
