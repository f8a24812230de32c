"""A real embedded store for each test."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from control_plane.store import EmbeddedStore, Store
from tests.redis_servers import POOL


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """A folder whose path is short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
async def embedded(short_tmp: Path) -> AsyncIterator[EmbeddedStore]:
    if os.environ.get("CLEARML_TEST_STORE"):
        pytest.skip("is about the embedded store")
    async with EmbeddedStore(short_tmp / "store") as running:
        yield running


if os.environ.get("CLEARML_TEST_STORE"):

    @pytest.fixture
    async def store() -> AsyncIterator[Store]:
        with POOL.lent() as url:
            assert url is not None
            async with _opened(url) as opened:
                yield opened

else:

    @pytest.fixture
    async def store(embedded: EmbeddedStore) -> AsyncIterator[Store]:
        async with _opened(embedded.url) as opened:
            yield opened


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Store]:
    opened = await Store.open(url)
    try:
        yield opened
    finally:
        await opened.close()
