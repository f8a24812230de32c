"""Requests of the service `projects`."""

from clearml_sdk.backend_api.services._classes import ServiceClasses

_classes = ServiceClasses("projects", __name__)
__getattr__ = _classes.get
__dir__ = _classes.names
