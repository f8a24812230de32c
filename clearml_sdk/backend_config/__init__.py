"""Configuration as objects, under the paths that scripts import it from."""

from __future__ import annotations

from clearml_sdk.config.asked import Section as Config

__all__ = ["Config"]
