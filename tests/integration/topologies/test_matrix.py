"""The whole integration suite over each kind of store, and over two servers at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.redis_servers import needs_redis

pytestmark = [needs_redis, pytest.mark.full]
INTEGRATION = Path(__file__).resolve().parents[1]
LIMIT_S = 1500
SIDE_BY_SIDE = ("-n", "3", "--dist", "loadfile")
"""As `scripts/test` does."""


@pytest.mark.timeout(LIMIT_S + 60)
@pytest.mark.parametrize(("store", "servers"), [("redis7", 1), ("cluster", 1), ("redis7", 2), ("cluster", 2)])
def test_the_integration_suite_passes_over(store: str, servers: int) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *SIDE_BY_SIDE, str(INTEGRATION), f"--ignore={Path(__file__).parent}"],
        env={**kept, "CLEARML_TEST_STORE": store, "CLEARML_TEST_SERVERS": str(servers)},
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-6000:]
