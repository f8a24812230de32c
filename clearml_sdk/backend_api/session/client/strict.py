"""`StrictSession`: a session whose `send` raises what the server refuses."""

from __future__ import annotations

from clearml_sdk.backend_api.session.client.errors import APIError
from clearml_sdk.backend_api.session.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any


class StrictSession(Session):
    """A session of a script's own.

    Args:
        config_file: the configuration file to use; None: the usual one.
        initialize_logging: accepted for compatibility.
        args, kwargs: of `Session`.
    """

    def __init__(
        self,
        config_file: str | os.PathLike[str] | None = None,
        initialize_logging: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if config_file is not None:
            kwargs["config_file"] = config_file
        super().__init__(*args, **kwargs)

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]  # its official form
        """The result of a request. Raises APIError when the server refuses it."""
        result = super().send(request, *args, **kwargs)
        if not result.ok():
            raise APIError(result)
        return result
