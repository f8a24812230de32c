"""The API of the server for scripts, see `client`."""

from clearml_sdk.backend_api.session.callresult import CallResult
from clearml_sdk.session import Session

__all__ = ["CallResult", "Session"]
