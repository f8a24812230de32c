"""A store of the tests' own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from control_plane.store import Store
from tests.redis_servers import store_url

from .places import Place


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with store_url(tmp_path / "store") as url:
        opened = await Store.open(url)
        try:
            yield opened
        finally:
            await opened.close()


@pytest.fixture
def place(store: Store, tmp_path: Path) -> Place:
    return Place(store, tmp_path / "segments")
