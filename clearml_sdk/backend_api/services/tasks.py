"""Requests of the service `tasks`."""

from clearml_sdk.backend_api.services._classes import ServiceClasses

_classes = ServiceClasses("tasks", __name__)
__getattr__ = _classes.get
__dir__ = _classes.names
