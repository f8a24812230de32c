"""What is raised when no server is configured, as scripts know it."""

from __future__ import annotations

from clearml_sdk.api_settings import NOT_CONFIGURED
from clearml_sdk.errors import NotConfigured


class MissingConfigError(NotConfigured, ValueError):
    """There is neither a server nor credentials to use."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or NOT_CONFIGURED)
