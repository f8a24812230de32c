"""Small things under the paths that scripts import them from."""

from clearml_sdk.utilities.dicts import Logs

__all__ = ["Logs"]
