"""Callbacks around the recording of model files, under the path that scripts import them from."""

from __future__ import annotations

from clearml_sdk.bindings.weights_callbacks import WeightsFileHandler

__all__ = ["WeightsFileHandler"]
