"""Configuration as objects, under the paths that scripts import it from."""

from __future__ import annotations

from clearml_sdk._submodules import submodule
from clearml_sdk.config.asked import Section as Config

__all__ = ["Config"]


def __getattr__(name):  # type: ignore[no-untyped-def]  # typing would be imported for it
    return submodule(__name__, name)
