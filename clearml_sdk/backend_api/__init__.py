"""The API of the server for scripts: `Session` and, in `session.client`, `APIClient`."""

from clearml_sdk._submodules import submodule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from clearml_sdk.backend_api.session import CallResult, ResultNotReadyError, Session, TimeoutExpiredError
    from clearml_sdk.config.asked import load_config
    from clearml_sdk.notebook_login import browser_login

__all__ = ["CallResult", "ResultNotReadyError", "Session", "TimeoutExpiredError", "browser_login", "load_config"]
_HOMES = {"browser_login": "clearml_sdk.notebook_login", "load_config": "clearml_sdk.config.asked"}


def __getattr__(name):  # type: ignore[no-untyped-def]  # typing would be imported for it
    if name not in __all__:
        return submodule(__name__, name)
    from importlib import import_module

    home = _HOMES.get(name, "clearml_sdk.backend_api.session")
    value = globals()[name] = getattr(import_module(home), name)
    return value
