"""A server that changes nothing by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.conftest import RunningServer, peers, running_server

LONG = {"CLEARML_SERVER_LEASE_S": "3600", "CLEARML_SERVER_LOST_AFTER_S": "3600"}


@pytest.fixture(scope="package")
def server() -> Iterator[RunningServer]:
    """One for this folder, whose leases outlast it: what a test left there is the same in the pictures of another."""
    with running_server(env=LONG) as started, peers(started, int(os.environ.get("CLEARML_TEST_SERVERS", "1"))):
        yield started
