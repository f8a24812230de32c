"""Delivering the journals of processes that are gone."""

from __future__ import annotations

import os
import time

from clearml_sdk.journal.artifacts import deliver_artifacts
from clearml_sdk.journal.calls import CALLS, CallCourier
from clearml_sdk.journal.folder import JournalFolder, left_behind
from clearml_sdk.journal.posting import Outcome, Poster
from clearml_sdk.journal.reports import REPORTS, ReportCourier
from clearml_sdk.journal.segment import Segment
from clearml_sdk.journal.uploads import UPLOADS, UploadCourier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from clearml_sdk.journal.posting import Courier
    from clearml_sdk.session import Session


class Delivery:
    """What `deliver` did. journals: delivered to the end and removed; left: paths of those that still hold something
    (the server did not take it now); events: reports delivered; in_use: journals of processes that live."""

    def __init__(self) -> None:
        self.journals = self.events = self.in_use = 0
        self.left: list[str] = []

    def __repr__(self) -> str:
        return f"Delivery(journals={self.journals}, events={self.events}, left={self.left}, in_use={self.in_use})"


def deliver(
    directory: str | os.PathLike[str],
    session: Session,
    *,
    only_own_server: bool = False,
    task: str | None = None,
    give_up_s: float = 30.0,
    should_stop: Callable[[], bool] = lambda: False,
) -> Delivery:
    """Deliver every journal under `directory` whose process is gone, and remove what was delivered.

    Args:
        directory: the folder that holds the journals' folders (`CLEARML_JOURNAL_DIR` of the dead process).
        only_own_server: leave journals alone that were written for another server than the session's.
        task: deliver only journals of this task.
        give_up_s: how long to try while nothing gets through.

    Waits. Safe to call from many processes at a time: each journal is delivered under its lock, and a batch that the
    dead process had sent is sent again under the same id, with the same records. Raises nothing the server causes.
    """
    done = Delivery()
    for path in left_behind(os.fspath(directory)):
        if should_stop():
            break
        folder = JournalFolder.adopt(path)
        if folder is None:
            done.in_use += os.path.isdir(path)
            continue
        is_delivered = False
        try:
            facts = folder.facts
            foreign = only_own_server and facts.get("api_server") != session.settings.api_server
            if foreign or (task is not None and facts.get("task") != task):
                continue
            is_delivered = _deliver_folder(folder, session, done, time.monotonic, give_up_s, should_stop)
            if is_delivered:
                done.journals += 1
            else:
                done.left.append(path)
        finally:
            folder.release(remove=is_delivered)
    return done


def _deliver_folder(
    folder: JournalFolder,
    session: Session,
    done: Delivery,
    clock: Callable[[], float],
    give_up_s: float,
    should_stop: Callable[[], bool],
) -> bool:
    """Deliver all segments of a folder in order; True when nothing is left."""
    poster = Poster(session)
    task, worker = str(folder.facts.get("task", "")), str(folder.facts.get("worker", ""))
    reports = ReportCourier(poster, folder.id, task, worker)
    couriers: dict[str, Courier] = {
        REPORTS: reports,
        UPLOADS: UploadCourier(session, poster, folder.id, folder.files_folder),
        CALLS: CallCourier(session, folder.files_folder),
    }
    is_all = True
    for lane, number, path in list(folder.segments()):
        segment = Segment.load(number, path)
        if segment is None or lane not in couriers:
            continue
        try:
            if not _deliver_segment(segment, couriers[lane], session, clock, give_up_s, should_stop):
                is_all = False
                break
        finally:
            segment.close()
    done.events += reports.delivered_events
    return is_all and deliver_artifacts(session, task, folder.files_path)


def _deliver_segment(
    segment: Segment,
    courier: Courier,
    session: Session,
    clock: Callable[[], float],
    give_up_s: float,
    should_stop: Callable[[], bool],
) -> bool:
    attempt, deadline = 0, clock() + give_up_s
    while segment.acked < segment.end:
        if should_stop():
            return False
        if courier.deliver(segment) is not Outcome.LATER:
            attempt, deadline = 0, clock() + give_up_s
            continue
        attempt += 1
        delay_s = session.core.retry_delay_s(attempt, 503) or 1.0
        if clock() + delay_s > deadline:
            return False
        time.sleep(delay_s)
    return True
