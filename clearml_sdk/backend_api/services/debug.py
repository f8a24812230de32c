"""Requests of the service `debug`."""

from clearml_sdk.backend_api.services._classes import ServiceClasses

_classes = ServiceClasses("debug", __name__)
__getattr__ = _classes.get
__dir__ = _classes.names
