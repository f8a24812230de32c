"""What all tests of the SDK share: nothing that one has started is there in the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.sdk.core.conftest import Script


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    yield
    Script.end_all()
