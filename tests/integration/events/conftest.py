"""A store over an embedded Valkey of the tests' own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from control_plane.store import EmbeddedStore, Store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with EmbeddedStore(tmp_path / "store") as embedded:
        opened = await Store.open(embedded.url)
        try:
            yield opened
        finally:
            await opened.close()
