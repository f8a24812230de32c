"""Requests of `storage.*`: how the server reaches object storage."""

from typing import Any, Literal

from control_plane.schema.base import Request


class SetStorageRequest(Request, kw_only=True):
    """Settings by provider; one that is absent stays as it is."""

    aws: dict[str, Any] | None = None
    google: dict[str, Any] | None = None
    azure: dict[str, Any] | None = None


class ResetStorageRequest(Request, kw_only=True):
    """Forget the settings of some providers."""

    keys: list[Literal["aws", "google", "azure"]]
