"""What `Session.send` returns: the server's answer, whether it took the request or not."""

from __future__ import annotations

from clearml_sdk.documents import Document
from clearml_sdk.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Meta:
    """The envelope of an answer."""

    def __init__(self, endpoint: str, code: int = 200, subcode: int = 0, message: str = "OK") -> None:
        self.endpoint, self.result_code, self.result_subcode, self.result_msg = endpoint, code, subcode, message

    def __str__(self) -> str:
        return f"<{self.result_code}/{self.result_subcode}: {self.endpoint} ({self.result_msg})>"


class CallResult:
    """response: the answer's fields as attributes (none after a refusal). meta: how the server took the request."""

    def __init__(self, request: Any, fields: dict[str, Any], meta: Meta) -> None:
        self.request, self.response, self.meta = request, Document(fields), meta

    @classmethod
    def refused(cls, request: Any, error: ApiError) -> CallResult:
        """The result of a call that the server refused."""
        return cls(request, {}, Meta(error.endpoint, error.code, error.subcode, error.message))

    @property
    def response_data(self) -> dict[str, Any]:
        """The answer as plain data."""
        return self.response._fields

    def ok(self) -> bool:
        """Whether the server did what was asked."""
        return self.meta.result_code == 200

    def ready(self) -> bool:
        """Whether there is an answer: always."""
        return True

    def wait(self, *arguments: Any, **named: Any) -> CallResult:
        """This result: calls are answered at once."""
        return self
