"""A real embedded store for each test."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from control_plane.store import EmbeddedStore, Store


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """A folder whose path is short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
async def embedded(short_tmp: Path) -> AsyncIterator[EmbeddedStore]:
    async with EmbeddedStore(short_tmp / "store") as running:
        yield running


@pytest.fixture
async def store(embedded: EmbeddedStore) -> AsyncIterator[Store]:
    opened = await Store.open(embedded.url)
    yield opened
    await opened.close()
