"""What official clients sent while they were recorded is answered as they were answered."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .replay import Replay

TRACES = Path(__file__).parent / "traces"
ORDER = (
    "a_init",
    "b_ops",
    "d1_agent_daemon",
    "d2_agent_execute",
    "d3_agent_abort",
    "h1_submit",
    "h2_agent",
)
"""As they were recorded: the later ones use what the earlier ones made."""


@pytest.fixture(scope="module")
def replay(new_server_once: Any) -> Iterator[Replay]:
    server = new_server_once
    yield Replay(server.api, server.files, server.access_key, server.secret_key)


@pytest.fixture(scope="module")
def new_server_once() -> Iterator[Any]:
    from tests.conftest import running_server

    with running_server() as server:
        yield server


@pytest.mark.parametrize("name", ORDER)
def test_recorded_calls_are_answered_alike(replay: Replay, name: str) -> None:
    differences = replay.run(TRACES / f"{name}.jsonl")
    assert not differences, "\n".join(differences)
