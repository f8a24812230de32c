"""`from clearml.backend_api.session.client import APIClient`."""

from __future__ import annotations

from clearml_sdk.backend_api.session.client.client import APIClient, APIError, Entity, Response, TableResponse
from clearml_sdk.backend_api.session.client.strict import StrictSession

__all__ = ["APIClient", "APIError", "Entity", "Response", "StrictSession", "TableResponse"]
