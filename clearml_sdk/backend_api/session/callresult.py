"""What `Session.send` returns: the server's answer, whether it took the request or not."""

from __future__ import annotations

from clearml_sdk.documents import Document
from clearml_sdk.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Meta:
    """The envelope of an answer."""

    def __init__(
        self, endpoint: str, code: int = 200, subcode: int = 0, message: str = "OK", error_stack: str = ""
    ) -> None:
        self.endpoint, self.result_code, self.result_subcode, self.result_msg = endpoint, code, subcode, message
        self.error_stack = error_stack

    def __str__(self) -> str:
        return f"<{self.result_code}/{self.result_subcode}: {self.endpoint} ({self.result_msg})>"


class CallResult:
    """response: the answer's fields as attributes (none after a refusal). meta: how the server took the request."""

    async_accepted = False
    """Whether the answer comes later: it never does."""

    def __init__(
        self,
        meta: Meta,
        response: Any = None,
        response_data: dict[str, Any] | None = None,
        request_cls: type | None = None,
        session: Any = None,
    ) -> None:
        self._meta, self._request_cls, self.session = meta, request_cls, session
        self._response_data = response_data if response_data is not None else {}
        self._response = Document(self._response_data) if response is None else response

    @property
    def meta(self) -> Meta:
        return self._meta

    @property
    def request_cls(self) -> type | None:
        return self._request_cls

    @property
    def response(self) -> Any:
        return self._response

    @property
    def response_data(self) -> dict[str, Any]:
        """The answer as plain data."""
        return self._response_data

    @classmethod
    def answered(cls, request: Any, fields: dict[str, Any]) -> CallResult:
        """The result of a call that the server took."""
        return cls(Meta(request.endpoint), response_data=fields, request_cls=type(request))

    @classmethod
    def refused(cls, request: Any, error: ApiError) -> CallResult:
        """The result of a call that the server refused."""
        meta = Meta(error.endpoint, error.code, error.subcode, error.message, error.stack)
        return cls(meta, request_cls=type(request))

    @classmethod
    def from_result(
        cls,
        res: Any,
        request_cls: type | None = None,
        logger: Any = None,
        service: str | None = None,
        action: str | None = None,
        session: Any = None,
    ) -> CallResult:
        """The result that an answer of `Session.send_request` holds; `service` and `action` say what was called."""
        answer = res.json()
        envelope = answer["meta"]
        meta = Meta(
            f"{service}.{action}" if service else str((envelope.get("endpoint") or {}).get("name") or ""),
            int(envelope["result_code"]),
            int(envelope.get("result_subcode") or 0),
            str(envelope.get("result_msg") or ""),
            str(envelope.get("error_stack") or ""),
        )
        return cls(meta, response_data=answer.get("data") or {}, request_cls=request_cls, session=session)

    def ok(self) -> bool:
        """Whether the server did what was asked."""
        return self.meta.result_code == 200

    def ready(self) -> bool:
        """Whether there is an answer: always."""
        return True

    def result(self) -> CallResult:
        """This result."""
        return self

    def wait(self, timeout: float | None = None, poll_interval: float = 5, verbose: bool = False) -> CallResult:
        """This result: calls are answered at once."""
        return self
