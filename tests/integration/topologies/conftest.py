"""Two servers over one Redis 7, and two over one Cluster of three nodes: the tests here run over each."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer, running_server, start_server
from tests.redis_servers import REDIS, Servers, cluster, single


@dataclass
class Pair:
    """Two server processes over one store."""

    store: Servers
    first: RunningServer
    second: RunningServer

    def call(self, endpoint: str, /, **body: Any) -> Any:
        """Ask the first."""
        return self.first.call(endpoint, body)

    def other(self, endpoint: str, /, **body: Any) -> Any:
        """Ask the second."""
        return self.second.call(endpoint, body)


@pytest.fixture(scope="session", params=["redis7", "cluster"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    if REDIS is None:
        pytest.skip("no redis-server here, and it could not be installed")
    make = {"redis7": single, "cluster": cluster}[request.param]
    with (
        tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True) as name,
        make(Path(name)) as store,
        running_server("--redis", store.url) as first,
    ):
        second = start_server(first.data_dir.parent / "data2", first.data_dir.parent / "run2", "--redis", store.url)
        try:
            yield Pair(store, first, second)
        finally:
            second.stop()
