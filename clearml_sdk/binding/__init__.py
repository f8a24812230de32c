"""Public names of things that other modules define, where scripts expect them."""

from clearml_sdk._submodules import submodule


def __getattr__(name):  # type: ignore[no-untyped-def]  # typing would be imported for it
    return submodule(__name__, name)
