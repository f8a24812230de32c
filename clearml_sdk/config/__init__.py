"""Configuration: defaults < `clearml.conf` < environment; the local server's file when none of these names a server."""

from clearml_sdk.config.settings import Config, load_settings

__all__ = ["Config", "load_settings"]
