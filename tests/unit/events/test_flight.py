"""How many batches may be on their way at once."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest

from control_plane.services.errors import ApiError
from control_plane.services.pressure import FLIGHT_BODIES, MAX_IN_FLIGHT, Pressure
from control_plane.settings import Settings

BATCH, OTHER = "events.add_batch", "tasks.create"


@pytest.fixture
def pressure() -> Pressure:
    """Of a store that nobody has looked at yet."""
    gauges: dict[str, float] = {}
    none: Any = None
    return Pressure(none, Settings(max_body_bytes=1000), gauges, Counter())


def test_so_many_batches_and_no_more(pressure: Pressure) -> None:
    with ExitStack() as stack:
        for _ in range(MAX_IN_FLIGHT):
            stack.enter_context(pressure.admitted(BATCH, 1))
        with pytest.raises(ApiError) as refused, pressure.admitted(BATCH, 1):
            pass
        assert (refused.value.code, refused.value.data["retry_after_s"]) == (429, 1)
        stack.enter_context(pressure.admitted(OTHER, 10**9))
    with pressure.admitted(BATCH, 1):
        pass


def test_so_many_bytes_but_one_batch_always(pressure: Pressure) -> None:
    with pressure.admitted(BATCH, 10**9), pytest.raises(ApiError), ExitStack() as stack:
        for _ in range(FLIGHT_BODIES):
            stack.enter_context(pressure.admitted(BATCH, 1000))
    with ExitStack() as stack:
        for _ in range(FLIGHT_BODIES):
            stack.enter_context(pressure.admitted(BATCH, 1000))
        with pytest.raises(ApiError), pressure.admitted(BATCH, 1):
            pass
