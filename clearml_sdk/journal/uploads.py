"""The lane of uploads: files that wait in the journal's folder, each with the event to report when it is uploaded."""

from __future__ import annotations

import json
import os

from clearml_sdk.journal import framing
from clearml_sdk.journal.posting import Outcome, Poster
from clearml_sdk.notices import warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from clearml_sdk.journal.segment import Segment
    from clearml_sdk.session import Session

UPLOADS = "uploads"
MAX_ATTEMPTS = 5
TRIES = 0
"""Within one attempt: the rest is the sender's, whose waits end with the run."""


def upload_record(file: str, url: str, event: dict[str, Any], *, is_spooled: bool, delete: bool) -> bytes:
    """The record of one upload.

    Args:
        file: path of what to upload. is_spooled: it is the journal's own copy, and goes once it is uploaded. Then its
            name alone is recorded: the journal may be delivered from where its folder has another path.
        url: where to (unquoted). event: what to report then. delete: remove the user's file once it is uploaded.
    """
    order = {
        "file": os.path.basename(file) if is_spooled else os.path.abspath(file),
        "url": url,
        "event": event,
        "remove": is_spooled or delete,
    }
    return framing.event(json.dumps(order, ensure_ascii=False).encode("utf-8", "replace"))


class UploadCourier:
    """Uploads one file at a time, then reports it. files: gives the folder of the journal's own copies."""

    def __init__(self, session: Session, poster: Poster, journal_id: str, files: Callable[[], str]) -> None:
        self._session, self._poster, self._journal_id, self._files = session, poster, journal_id, files
        self._attempts = 0
        self._url = ""

    @property
    def is_refused(self) -> bool:
        """Whether nobody listens where the last file was to be uploaded to."""
        from clearml_sdk.storage import http_files, urls

        return urls.scheme_of(self._url) in ("http", "https") and http_files.is_down(self._url)

    def deliver(self, segment: Segment) -> Outcome:
        from clearml_sdk.storage.errors import StorageError
        from clearml_sdk.storage.transfer import upload

        kind, payload, end = next(framing.records(segment.map, segment.acked, segment.end))
        order = json.loads(segment.map[payload:end]) if kind == framing.EVENT else {}
        if not order:
            segment.acknowledge(end)
            return Outcome.DELIVERED
        path = order["file"] if os.path.isabs(order["file"]) else os.path.join(self._files(), order["file"])
        is_resent = segment.sending == end
        if not is_resent:
            try:
                self._url = order["url"]
                upload(self._session, path, self._url, tries=TRIES)
            except FileNotFoundError as error:
                warn_once("upload-gone", f"a reported file is not there any more: {error}")
                segment.acknowledge(end)
                return Outcome.REFUSED
            except (StorageError, OSError) as error:
                self._attempts += 1
                warn_once("upload", f"uploading a reported file: {error}")
                if self._attempts < MAX_ATTEMPTS or getattr(error, "is_transient", True):
                    return Outcome.LATER
                segment.acknowledge(end)
                self._attempts = 0
                return Outcome.REFUSED
        segment.announce(end)
        body = json.dumps(order["event"], ensure_ascii=False).encode("utf-8", "replace")
        outcome = self._poster.post(body, f"{self._journal_id}.{UPLOADS}.{segment.number}.{segment.acked}-{end}")
        if outcome is Outcome.LATER:
            return outcome
        self._attempts = 0
        segment.acknowledge(end)
        if order["remove"]:
            try:
                os.unlink(path)
            except OSError as error:
                warn_once("upload-remove", f"cannot remove an uploaded file: {error}")
        return outcome
