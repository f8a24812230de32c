"""What a task reports: into the journal when the call returns, to the server soon after."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import weakref

from clearml_sdk import process_role, unsent
from clearml_sdk.journal import framing
from clearml_sdk.journal.delivery import deliver
from clearml_sdk.journal.folder import left_behind
from clearml_sdk.journal.lane import DEFAULT_MAX_BYTES, Lane
from clearml_sdk.journal.uploads import upload_record
from clearml_sdk.notices import harmless, warn_once
from clearml_sdk.offline import fallback
from clearml_sdk.reporting.live_journal import LiveJournal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from clearml_sdk.offline.kept_journal import KeptJournal
    from clearml_sdk.session import Session

SINGLE_VALUE_ITERATION = -(1 << 31)
SINGLE_VALUE_TITLE = "Summary"
PERIOD_S = 2.0


class Reporter:
    """Takes the reports of one task in this process; `Reporter.open` makes one.

    Any thread may report, at any time: in a forked child the first report opens a journal of its own, and after
    `close` a report opens a new one.
    """

    def __init__(
        self,
        session: Session,
        task_id: str,
        *,
        journal_dir: str | None,
        period_s: float,
        max_bytes: int,
        clock: Callable[[], float],
    ) -> None:
        self.session, self.task_id = session, task_id
        self.iteration_offset = 0
        """Added to every reported iteration: where a continued task goes on."""
        self.last_iteration = 0
        """The highest iteration reported by this process, without the offset."""
        self.has_iterations = False
        """Whether any scalar or plot with an iteration was reported."""
        self._journal_dir, self._period_s, self._max_bytes, self._clock = journal_dir, period_s, max_bytes, clock
        self._opening = threading.RLock()
        self._journal: LiveJournal | KeptJournal | None = None
        self._lane: Lane | _FirstReport = _FirstReport(self)
        self._is_orphan = False
        """Whether nobody closes the journal but this process's end: in a forked child, and after `close`."""

    @classmethod
    def open(
        cls,
        session: Session,
        task_id: str,
        *,
        journal_dir: str | None = None,
        period_s: float = PERIOD_S,
        max_bytes: int = DEFAULT_MAX_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> Reporter:
        """A reporter with its journal open and its thread running.

        Args:
            journal_dir: folder of the journals; None: `CLEARML_JOURNAL_DIR`, else `~/.clearml/journal`.
            period_s: reports are sent at least so often.
            max_bytes: limit of the journal's size on disk.
        """
        reporter = cls(session, task_id, journal_dir=journal_dir, period_s=period_s, max_bytes=max_bytes, clock=clock)
        _remember(reporter)
        reporter._open_journal()
        reporter._deliver_left_behind()
        return reporter

    # What is reported.

    def scalar(self, title: str, series: str, value: float, iteration: int) -> None:
        """Report one point; `value` is finite. Raises struct.error when `iteration` is no 64-bit integer."""
        if iteration > self.last_iteration:
            self.last_iteration = iteration
        self.has_iterations = True
        self._lane.append_scalar(title, series, iteration + self.iteration_offset, int(self._clock() * 1000), value)

    def scalar_beside(self, title: str, series: str, value: float, x: int) -> None:
        """Report one point that says nothing about the progress of the task (the machine's statistics, summaries)."""
        self._lane.append_scalar(title, series, x, int(self._clock() * 1000), value)

    def single_value(self, name: str, value: float) -> None:
        """Report one number without iterations."""
        self.scalar_beside(SINGLE_VALUE_TITLE, name, value, SINGLE_VALUE_ITERATION)

    def log(self, level: str, text: str) -> None:
        """Report console text, one or more lines without the last newline."""
        at_ms = int(self._clock() * 1000)
        for start in range(0, len(text), 1 << 20):
            self._lane.append(framing.log(at_ms, level, text[start : start + (1 << 20)]))

    def plot(self, title: str, series: str, iteration: int, figure_json: str) -> None:
        """Report a plotly figure, given as JSON text."""
        self._progress(iteration)
        fields = {"metric": title, "variant": series, "iter": iteration + self.iteration_offset}
        self.event({"type": "plot", **fields, "plot_str": figure_json})

    def image(self, title: str, series: str, iteration: int, url: str) -> None:
        """Report an image (or other media) that is at `url` already."""
        self._progress(iteration)
        self.event(self.image_event(title, series, iteration, url))

    def image_event(self, title: str, series: str, iteration: int, url: str) -> dict[str, Any]:
        """The event of an image at `url`."""
        from urllib.parse import urlsplit

        return {
            "type": "training_debug_image",
            "metric": title,
            "variant": series,
            "iter": iteration + self.iteration_offset,
            "url": url,
            "key": urlsplit(url).path.lstrip("/"),
        }

    def event(self, event: dict[str, Any]) -> None:
        """Report an event as the API defines it; `task` and `timestamp` are filled in where they are missing."""
        text = json.dumps(self._complete(event), ensure_ascii=False, default=str).encode("utf-8", "replace")
        if len(text) > min(framing.MAX_PAYLOAD_BYTES, self.session.settings.max_request_bytes):
            what = f"{event.get('metric')}/{event.get('variant')}"
            warn_once(
                f"too-large-{what}", f"{what} is not reported: {len(text) / 1e6:.1f} MB are too much for one event"
            )
            return
        self._lane.append(framing.event(text))

    def upload(
        self, path: str, url: str, event: dict[str, Any], *, is_spooled: bool = False, delete: bool = False
    ) -> None:
        """Upload the file at `path` to `url`, then report `event`.

        Args:
            is_spooled: the file is in `spool_folder()` and belongs to the journal.
            delete: remove the user's own file once it is uploaded.
        """
        self._progress(int(event.get("iter", 0)) - self.iteration_offset)
        record = upload_record(path, url, self._complete(event), is_spooled=is_spooled, delete=delete)
        self._open_journal().append_upload(record)

    def append_call(self, record: bytes) -> bool:
        """Keep a call for when the server is back (`journal.calls`); False when there is no room for it."""
        journal = self._open_journal()
        return isinstance(journal, LiveJournal) and journal.append_call(record)

    def calls_wait(self) -> bool:
        """Whether calls of this process wait for the server."""
        journal = self._journal
        return isinstance(journal, LiveJournal) and journal.calls_wait

    @property
    def period_s(self) -> float:
        """Reports are sent at least this often."""
        return self._period_s

    def set_period(self, period_s: float) -> None:
        """Send reports at least every `period_s` seconds."""
        self._period_s = period_s
        if self._journal is not None:
            self._journal.set_period(period_s)

    def spool_folder(self) -> str:
        """A folder for files that wait for their upload; it lives as long as the journal."""
        return self._open_journal().files_folder()

    # Until it is at the server.

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until everything reported before this call is at the server; whether it is.

        None waits as long as something gets through, and gives up after 10 s of nothing.
        """
        journal = self._journal
        return True if journal is None else journal.flush(timeout_s)

    def close(self, timeout_s: float | None = None) -> bool:
        """Deliver what is left, end the threads and remove the journal; whether all was delivered.

        What the server did not take by then stays in the journal, and is delivered by the next start of the SDK, by
        `deliver`, or by the agent that runs the task. Safe to call again.
        """
        with self._opening:
            journal, self._journal = self._journal, None
            self._lane = _FirstReport(self)
        if journal is None:
            return True
        is_all = journal.close(timeout_s)
        self._is_orphan = True
        if is_all and not self.session.is_offline and journal.path is not None and left_behind(journal.root):
            # Children that were killed, or left by `os._exit`, could not deliver theirs.
            deliver(journal.root, self.session, task=self.task_id, give_up_s=2.0)
        if not is_all:
            where = journal.path or "memory"
            warn_once(
                "left",
                f"some reports did not reach the server: they wait in {where}, for the next start to deliver them",
            )
        return is_all

    # Inside.

    def _progress(self, iteration: int) -> None:
        self.has_iterations = True
        if iteration > self.last_iteration:
            self.last_iteration = iteration

    def _complete(self, event: dict[str, Any]) -> dict[str, Any]:
        return {"task": self.task_id, "timestamp": int(self._clock() * 1000), **event}

    def _new_journal(self) -> LiveJournal | KeptJournal:
        if self.session.is_offline:
            from clearml_sdk.offline.kept_journal import KeptJournal
            from clearml_sdk.offline.session import OfflineSession

            assert isinstance(self.session, OfflineSession)
            return KeptJournal(self.session, self.task_id)
        return LiveJournal(
            self.session,
            self.task_id,
            root=self._journal_dir,
            period_s=self._period_s,
            max_bytes=self._max_bytes,
        )

    def _open_journal(self) -> LiveJournal | KeptJournal:
        """This process's journal, opened if it is not."""
        with self._opening:
            if self._journal is None:
                self._journal = self._new_journal()
                self._lane = self._journal.reports
                if self._is_orphan:
                    self._close_with_process()
            return self._journal

    def _close_with_process(self) -> None:
        """Close at the end of the process: a child's end, of which the parent's exit handlers know nothing, too."""
        import atexit

        atexit.register(self.close, 10.0)
        if "multiprocessing.util" in sys.modules:
            from multiprocessing.util import Finalize

            Finalize(None, self.close, args=(10.0,), exitpriority=10)

    def _deliver_left_behind(self) -> None:
        """Bring in what processes that died have left, in the background."""
        journal = self._journal
        if journal is None or self.session.is_offline or journal.path is None:
            return
        root, config = journal.root, self.session.config
        has_journals = left_behind(root) != [journal.path]
        # Of other runs only a person's own process tells: a run by an agent speaks for its own task alone.
        is_own = not process_role.running_remotely() and process_role.master() is None
        has_runs = is_own and config is not None and bool(fallback.waiting(config, self.session.settings.api_server))
        has_ends = is_own and unsent.some()

        def bring() -> None:
            if has_journals:
                deliver(root, self.session, only_own_server=True, should_stop=lambda: self._journal is not journal)
            with harmless("telling how earlier runs ended"):  # after their changes: a published task takes none
                if has_ends:
                    unsent.deliver(self.session)
            with harmless("delivering runs that were recorded without their server"):
                if has_runs and config is not None:
                    fallback.deliver(self.session, config)

        if has_journals or has_runs or has_ends:
            threading.Thread(target=bring, name="clearml-left-behind", daemon=True).start()

    def _after_fork_in_child(self) -> None:
        """Forget the parent's journal without touching it; the first report opens one of this process."""
        self._opening = threading.RLock()
        journal, self._journal = self._journal, None
        self._is_orphan = True
        if journal is not None:
            journal.forget()
        self._lane = _FirstReport(self)


class _FirstReport:
    """Stands where the lane will be: the first report opens the journal."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def append_scalar(self, title: str, series: str, iteration: int, at_ms: int, value: float) -> None:
        self._reporter._open_journal().reports.append_scalar(title, series, iteration, at_ms, value)

    def append(self, record: bytes) -> bool:
        return self._reporter._open_journal().reports.append(record)


_reporters: weakref.WeakSet[Reporter] = weakref.WeakSet()
_is_hooked = False


def _remember(reporter: Reporter) -> None:
    """Have `reporter` told of forks."""
    global _is_hooked
    _reporters.add(reporter)
    if not _is_hooked and hasattr(os, "register_at_fork"):
        _is_hooked = True
        os.register_at_fork(after_in_child=_after_fork_in_child)


def _after_fork_in_child() -> None:
    for reporter in list(_reporters):
        reporter._after_fork_in_child()
