"""The journal of a process that records offline: kept in the session's folder, delivered to nobody."""

from __future__ import annotations

import os
import threading

from clearml_sdk.journal.folder import JournalFolder
from clearml_sdk.journal.lane import Lane
from clearml_sdk.journal.reports import REPORTS
from clearml_sdk.journal.uploads import UPLOADS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from clearml_sdk.offline.session import OfflineSession

NO_LIMIT = 1 << 50
"""Bytes: a session is as large as what is reported in it, and nothing is thinned."""


class KeptJournal:
    """What `LiveJournal` is for a run with a server; a report is done, and safe, when the call returns.

    Raises OSError when the session's folder cannot be written.
    """

    def __init__(self, session: OfflineSession, task_id: str) -> None:
        self.root = session.folder_of(task_id).journal
        facts = {
            "version": 1,
            "task": task_id,
            "api_server": session.settings.api_server,
            "worker": session.settings.worker,
            "pid": os.getpid(),
        }
        self._folder = JournalFolder.create(self.root, facts)
        self.path, self.id = self._folder.path, self._folder.id
        self.reports = Lane(self.path, REPORTS, max_bytes=NO_LIMIT, keeps=True)
        self._starting = threading.Lock()
        self._uploads: Lane | None = None

    def append_upload(self, record: bytes) -> None:
        """Append to the lane of uploads, made with the first of them."""
        with self._starting:
            if self._uploads is None:
                self._uploads = Lane(self.path, UPLOADS, max_bytes=NO_LIMIT, keeps=True)
        self._uploads.append(record)

    def set_period(self, period_s: float) -> None:
        """Nothing is sent."""

    def files_folder(self) -> str:
        return self._folder.files_folder()

    def flush(self, timeout_s: float | None) -> bool:
        """All that was reported is in the folder already."""
        return True

    def close(self, timeout_s: float | None) -> bool:
        for lane in (self.reports, self._uploads):
            if lane is not None:
                lane.close(remove=False)
        self._folder.release(remove=False)
        return True

    def forget(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        self._folder.forget()
