"""Requests as objects: `from clearml.backend_api.services import tasks; session.send(tasks.GetAllRequest(...))`."""


def __getattr__(name):  # type: ignore[no-untyped-def]  # typing would be imported for it
    """The module of a service, imported when it is first used."""
    from importlib import import_module
    from importlib.util import find_spec

    if name.startswith("_") or find_spec(f"{__name__}.{name}") is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
