"""Requests of the service `reports`."""

from clearml_sdk.backend_api.services._classes import ServiceClasses

_classes = ServiceClasses("reports", __name__)
__getattr__ = _classes.get
__dir__ = _classes.names
