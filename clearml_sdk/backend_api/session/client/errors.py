"""What a call of `APIClient` raises when the server refuses it."""

from __future__ import annotations

from clearml_sdk.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from clearml_sdk.backend_api.session.callresult import CallResult


class APIError(ApiError):
    """The server refused a call.

    Args:
        response: the refusal.
        extra_info: more to say about it.

    code, subcode, message: of the answer; codes: the first two; meta: its envelope; data: what came with it.
    """

    def __init__(self, response: CallResult, extra_info: Any = None) -> None:
        meta = response.meta
        super().__init__(meta.result_code, meta.result_subcode, meta.result_msg, meta.endpoint)
        self._response, self.extra_info = response, extra_info
        self.meta, self.data = meta, response.response_data
        self.codes = (self.code, self.subcode)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._response, self.extra_info)

    def get_traceback(self) -> list[str] | None:
        """Where in the server it went wrong, line by line; None where the server does not say."""
        stack = self.meta.error_stack
        return stack.splitlines() if stack else None

    def __str__(self) -> str:
        more = f" ({self.extra_info})" if self.extra_info else ""
        return f"APIError: code {self.code}/{self.subcode}: {self.message}{more}"


def api_error(error: ApiError) -> APIError:
    """The same refusal as scripts know it."""
    from clearml_sdk.backend_api.session.callresult import CallResult, Meta

    if isinstance(error, APIError):
        return error
    return APIError(CallResult(Meta(error.endpoint, error.code, error.subcode, error.message, error.stack)))
