"""The version of this package, as `clearml.version`."""

from clearml_sdk._version import __version__

__all__ = ["__version__"]
