"""The API of the server for scripts: `Session` and, in `session.client`, `APIClient`."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from clearml_sdk.backend_api.session import CallResult, ResultNotReadyError, Session, TimeoutExpiredError

__all__ = ["CallResult", "ResultNotReadyError", "Session", "TimeoutExpiredError"]


def __getattr__(name):  # type: ignore[no-untyped-def]  # typing would be imported for it
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module("clearml_sdk.backend_api.session"), name)
    return value
