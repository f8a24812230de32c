"""The API of the server for scripts: its client, sessions, and the objects that requests are made of."""

from clearml_sdk.backend_api.session.callresult import CallResult
from clearml_sdk.backend_api.session.datamodel import (
    DataModel,
    NonStrictDataModel,
    Response,
    StringEnum,
    schema_property,
)
from clearml_sdk.backend_api.session.errors import ResultNotReadyError, TimeoutExpiredError
from clearml_sdk.backend_api.session.request import BatchRequest, CompoundRequest, Request
from clearml_sdk.backend_api.session.session import Session
from clearml_sdk.backend_api.session.token_manager import TokenManager
from clearml_sdk.notebook_login import browser_login

__all__ = [
    "BatchRequest",
    "CallResult",
    "CompoundRequest",
    "DataModel",
    "NonStrictDataModel",
    "Request",
    "Response",
    "ResultNotReadyError",
    "Session",
    "StringEnum",
    "TimeoutExpiredError",
    "TokenManager",
    "browser_login",
    "schema_property",
]
