"""Configuration: defaults < `clearml.conf` < environment; the local server's file when none of these names a server."""

from clearml_sdk.config.settings import Config, cache_base, load_settings

__all__ = ["Config", "cache_base", "load_settings"]


def __getattr__(name):  # type: ignore[no-untyped-def]  # typing would be imported for it
    """What scripts import from here, see `asked`."""
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    asked = import_module("clearml_sdk.config.asked")
    try:
        return getattr(asked, name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
