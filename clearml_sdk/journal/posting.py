"""Sending one batch to `events.add_batch`, and what an answer means for it."""

from __future__ import annotations

from enum import Enum

from clearml_sdk.errors import ApiError, BadAnswer, ServerUnreachable, Unauthorized
from clearml_sdk.journal.packing import CLAIM, CONTENT_TYPE, VERSION
from clearml_sdk.notices import warn_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from clearml_sdk.journal.segment import Segment
    from clearml_sdk.session import Session

    class Courier(Protocol):
        """Delivers the next part of a segment."""

        def deliver(self, segment: Segment) -> Outcome:
            """Deliver one batch and move `segment.acked`, unless the outcome is LATER."""
            ...


MAX_SERVER_ERRORS = 30
SEND_TIMEOUT_S = 60.0
UNREADABLE_SUBCODES = frozenset({0, 12, 17})
"""Of 400: what a server answers that takes a packed batch for lines, an older replica for one."""


class Outcome(Enum):
    """What became of a batch."""

    DELIVERED = "stored by the server"
    REFUSED = "the server will never take it: dropped, with a warning"
    LATER = "not now: kept, to be sent again as it is"
    UNREADABLE = "the server does not read packed batches after all: to be sent again as lines"


class Patience:
    """Decides what an error means for what was to be delivered: it is kept, or the server will never take it."""

    def __init__(self) -> None:
        self._server_errors = 0

    def refusal(self, error: ApiError | ServerUnreachable | BadAnswer, what: str) -> ApiError | None:
        """None when another try may help; too many errors of the server itself are a refusal. what: told to people."""
        if not isinstance(error, ApiError) or isinstance(error, Unauthorized):
            warn_once(f"delivery-{type(error).__name__}", f"{what} wait in the journal: {error}")
            return None
        if error.code == 429 or error.code >= 500:
            self._server_errors += error.code == 500
            if self._server_errors < MAX_SERVER_ERRORS:
                return None
        self._server_errors = 0
        return error

    def reset(self) -> None:
        """Say that the server has taken something."""
        self._server_errors = 0


class Poster:
    """Sends bodies to `events.add_batch`, and decides what an answer means for the batch."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._patience = Patience()
        self._takes_packed = True

    @property
    def takes_packed(self) -> bool:
        """Whether the server has said that it takes packed batches."""
        announced = self._session.core.claims.get(CLAIM)
        return self._takes_packed and isinstance(announced, int) and announced >= VERSION

    def post(self, body: bytes, batch_id: str, *, is_packed: bool = False) -> Outcome:
        """Send one batch, once. `batch_id`: the server stores what comes under one id only once, in either form."""
        from clearml_sdk.session import JSON_LINES

        try:
            answer = self._session.call(
                "events.add_batch",
                body,
                content_type=CONTENT_TYPE if is_packed else JSON_LINES,
                headers={"X-ClearML-Batch": batch_id},
                timeout_s=SEND_TIMEOUT_S,
                give_up_s=0,
            )
        except (ApiError, ServerUnreachable, BadAnswer) as error:
            refusal = self._patience.refusal(error, "reports")
            if refusal is None:
                return Outcome.LATER
            if is_packed and refusal.code == 400 and refusal.subcode in UNREADABLE_SUBCODES:
                self._takes_packed = False
                return Outcome.UNREADABLE
            warn_once(
                f"refused-{refusal.code}-{refusal.subcode}", f"the server does not take a batch of reports: {error}"
            )
            return Outcome.REFUSED
        self._patience.reset()
        if answer.get("errors"):
            warn_once("refused-some", f"the server did not take some reports: {answer.get('errors_info')}")
        return Outcome.DELIVERED
