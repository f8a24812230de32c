"""Callbacks around the recording of model files, under the path that scripts import them from."""

from __future__ import annotations

from clearml_sdk._submodules import submodule
from clearml_sdk.bindings.weights_callbacks import WeightsFileHandler

__all__ = ["WeightsFileHandler"]


def __getattr__(name):  # type: ignore[no-untyped-def]  # typing would be imported for it
    return submodule(__name__, name)
