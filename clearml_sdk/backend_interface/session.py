"""What goes wrong when a request is sent through an object of the SDK."""

from __future__ import annotations

from clearml_sdk.errors import ClearmlError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class SendError(ClearmlError):
    """The server refused a request; `result` is its answer."""

    def __init__(self, result: Any, *args: object) -> None:
        super().__init__(*args)
        self.result = result
