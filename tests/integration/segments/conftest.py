"""A store of the tests' own."""

from tests.integration.events.conftest import store

__all__ = ["store"]
