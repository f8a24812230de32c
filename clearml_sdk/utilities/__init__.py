"""Small things under the paths that scripts import them from."""

from clearml_sdk._submodules import submodule
from clearml_sdk.utilities.dicts import Logs

__all__ = ["Logs"]


def __getattr__(name):  # type: ignore[no-untyped-def]  # typing would be imported for it
    return submodule(__name__, name)
