"""The journal of this process for one task: its folder, its lanes and the threads that deliver them."""

from __future__ import annotations

import os
import threading
import time

from clearml_sdk.journal.artifacts import waiting
from clearml_sdk.journal.calls import CALLS, CallCourier
from clearml_sdk.journal.folder import JournalFolder, default_root
from clearml_sdk.journal.lane import Lane
from clearml_sdk.journal.posting import Poster
from clearml_sdk.journal.reports import REPORTS, ReportCourier
from clearml_sdk.journal.uploads import UPLOADS, UploadCourier
from clearml_sdk.notices import say, warn_once
from clearml_sdk.reporting.sender import Sender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from clearml_sdk.journal.posting import Courier
    from clearml_sdk.session import Session

GIVE_UP_S = 10.0
PAUSE_S = 50e-6
PATIENCE_S = 5.0
"""So long an appending thread may be stopped in the middle before its point is left out."""
BESIDE_MAX_BYTES = 64 << 20


class LiveJournal:
    """The journal of this process, for one reporter: its folder, its lanes and their threads."""

    def __init__(self, session: Session, task_id: str, *, root: str | None, period_s: float, max_bytes: int) -> None:
        facts = {
            "version": 1,
            "task": task_id,
            "api_server": session.settings.api_server,
            "worker": session.settings.worker,
            "pid": os.getpid(),
        }
        self._session, self._period_s = session, period_s
        self._folder: JournalFolder | None = None
        self.root = root or ""
        try:
            self.root = self.root or default_root()
            self._folder = JournalFolder.create(self.root, facts)
        except OSError as error:
            warn_once("no-journal", f"no journal on disk ({error}): reports not sent when the process dies are lost")
        self.path = self._folder.path if self._folder else None
        self.id = self._folder.id if self._folder else os.urandom(16).hex()
        self._poster = Poster(session)
        self.reports = self._lane(REPORTS, max_bytes, self._wake_reports)
        courier = ReportCourier(
            self._poster, self.id, task_id, session.settings.worker, pause=self._pause, patience_s=PATIENCE_S
        )
        self._sender = Sender(
            self.reports, courier, name="clearml-reports", period_s=period_s, delay_s=self._delay_s, pause=self._pause
        )
        self._starting = threading.Lock()
        self._beside: dict[str, tuple[Lane, Sender]] = {}
        """The lanes of uploads and of calls, made with the first of them."""
        self._uploading: UploadCourier | None = None
        self._spool: str | None = None
        _start(self._sender)

    def append_upload(self, record: bytes) -> None:
        """Append to the lane of uploads."""
        lane, sender = self._lane_beside(UPLOADS, self._upload_courier)
        lane.append(record)
        sender.wake()

    def _upload_courier(self) -> UploadCourier:
        self._uploading = UploadCourier(self._session, Poster(self._session), self.id, self.files_folder)
        return self._uploading

    def append_call(self, record: bytes) -> bool:
        """Append to the lane of calls; False when there is no room for it."""
        lane, sender = self._lane_beside(CALLS, lambda: CallCourier(self._session, self.files_folder))
        is_kept = lane.append(record)
        sender.wake()
        return is_kept

    @property
    def calls_wait(self) -> bool:
        """Whether calls wait to be made."""
        if CALLS not in self._beside:
            return False
        lane = self._beside[CALLS][0]
        return lane.delivered_position() < lane.position()

    def _lane_beside(self, name: str, courier: Callable[[], Courier]) -> tuple[Lane, Sender]:
        with self._starting:
            if name not in self._beside:
                lane = self._lane(name, BESIDE_MAX_BYTES, lambda: None)
                label = f"clearml-{name}"
                sender = Sender(lane, courier(), name=label, period_s=self._period_s, delay_s=self._delay_s)
                _start(sender)
                self._beside[name] = lane, sender
            return self._beside[name]

    def set_period(self, period_s: float) -> None:
        """Send at least so often from now on."""
        self._period_s = self._sender.period_s = period_s
        self._sender.wake()

    def files_folder(self) -> str:
        if self._folder is not None:
            return self._folder.files_folder()
        if self._spool is None:
            import tempfile

            self._spool = tempfile.mkdtemp(prefix="clearml-uploads-")
        return self._spool

    def flush(self, timeout_s: float | None) -> bool:
        """Wait until everything is stored by the server; whether it is. Without a limit: while something gets through.

        What is on disk can be delivered later, so nobody waits for a server that is not there.
        """
        started_at, give_up_s = time.monotonic(), None if timeout_s is not None else GIVE_UP_S
        is_all = self._sender.flush(timeout_s, give_up_s=give_up_s, is_vain=self._is_vain)
        for name, (_, sender) in list(self._beside.items()):
            left_s = None if timeout_s is None else max(0.0, timeout_s - (time.monotonic() - started_at))
            give_up_s = None if timeout_s is not None else GIVE_UP_S * (6 if name == UPLOADS else 1)
            is_vain = self._is_upload_vain if name == UPLOADS else self._is_vain
            is_all = sender.flush(left_s, give_up_s=give_up_s, is_vain=is_vain) and is_all
        return is_all

    def _is_vain(self) -> bool:
        return self._folder is not None and self._session.is_down

    def _is_upload_vain(self) -> bool:
        is_refused = self._uploading is not None and self._uploading.is_refused
        return self._is_vain() or (self._folder is not None and is_refused)

    def close(self, timeout_s: float | None) -> bool:
        is_all = self.flush(timeout_s)
        has_ended = self._sender.stop(2.0)
        lanes = [self.reports]
        for lane, sender in self._beside.values():
            has_ended = sender.stop(2.0) and has_ended
            lanes.append(lane)
        dropped = sum(lane.dropped for lane in lanes)
        if dropped:
            say(f"Task: {dropped} reports found no room in the journal while the server was away")
        is_all = is_all and all(lane.delivered_position() >= lane.position() for lane in lanes)
        if self._folder is not None:
            is_all = is_all and not waiting(self._folder.files_path)
        if has_ended:  # else a thread still waits for an answer: it holds the files, and the journal keeps its state
            for lane in lanes:
                lane.close(remove=is_all)
            if self._folder is not None:
                self._folder.release(remove=is_all)
        if is_all and self._spool is not None:
            os.rmdir(self._spool)
        return is_all

    def forget(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        if self._folder is not None:
            self._folder.forget()

    def _lane(self, name: str, max_bytes: int, wake: Callable[[], object]) -> Lane:
        """A lane on disk; in memory where the disk is full."""
        try:
            return Lane(self.path, name, max_bytes=max_bytes, wake=wake)
        except OSError as error:
            warn_once("no-journal", f"no journal on disk ({error}): reports not sent when the process dies are lost")
            return Lane(None, name, max_bytes=max_bytes, wake=wake)

    def _pause(self) -> None:
        """Let the script's threads in, unless one of them waits for the reports."""
        if not self._sender.is_awaited:
            time.sleep(PAUSE_S)

    def _wake_reports(self) -> None:
        self._sender.wake()

    def _delay_s(self, attempt: int) -> float:
        return self._session.core.retry_delay_s(attempt, 503) or 1.0


def _start(sender: Sender) -> None:
    try:
        sender.start()
    except RuntimeError as error:  # the interpreter is ending: the next start delivers
        warn_once("no-thread", f"reports stay in the journal: {error}")
