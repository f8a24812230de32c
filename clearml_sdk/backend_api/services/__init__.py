"""Requests as objects: `from clearml.backend_api.services import tasks; session.send(tasks.GetAllRequest(...))`."""

from clearml_sdk._submodules import submodule


def __getattr__(name):  # type: ignore[no-untyped-def]  # typing would be imported for it
    """The module of a service, imported when it is first used."""
    return submodule(__name__, name)
