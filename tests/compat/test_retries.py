"""The official SDK over a network that loses its answers: its own retries, our one effect."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.faults import FaultProxy, Moment

from .official import WITHOUT_FORK, official_environment
from .session import OfficialSession


@pytest.fixture(scope="module")
def proxy(server: RunningServer) -> Iterator[FaultProxy]:
    with FaultProxy(server.api) as running:
        yield running


@pytest.fixture(scope="module")
def session(
    server: RunningServer, proxy: FaultProxy, official_sdk: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OfficialSession]:
    home = tmp_path_factory.mktemp("official-retries")
    env = official_environment(server, home, official_sdk) | WITHOUT_FORK | {"CLEARML_API_HOST": proxy.url}
    made = OfficialSession(official_sdk / "python", env, home)
    yield made
    made.close()


@pytest.mark.parametrize("moment", ["after", "half", "before"])
def test_the_official_client_retries_and_each_write_is_done_once(
    server: RunningServer, proxy: FaultProxy, session: OfficialSession, moment: Moment, unique: str
) -> None:
    proxy.cuts.clear()
    for name in ("queues.create", "tasks.enqueue", "queues.get_next_task", "models.delete", "tasks.delete"):
        proxy.cut(name, moment)
    queue = session.raw("queues.create", {"name": unique})["id"]
    task = server.call("tasks.create", {"name": unique, "type": "training"})["id"]
    assert session.raw("tasks.enqueue", {"task": task, "queue": queue})["queued"] == 1
    assert session.raw("queues.get_next_task", {"queue": queue})["entry"]["task"] == task
    assert session.raw("queues.get_next_task", {"queue": queue}) == {}
    model = server.call("models.create", {"name": unique, "uri": "file:///m", "ready": False})["id"]
    assert session.raw("models.delete", {"model": model})["deleted"] is True
    assert session.raw("tasks.delete", {"task": task, "force": True})["deleted"] is True
    assert proxy.cuts == ["queues.create", "tasks.enqueue", "queues.get_next_task", "models.delete", "tasks.delete"]
    assert len(server.call("queues.get_all", {"name": f"^{unique}$"})["queues"]) == 1


def test_what_the_official_client_does_twice_is_refused_twice(session: OfficialSession, unique: str) -> None:
    session.raw("queues.create", {"name": unique})
    with pytest.raises(Exception, match="Value combination already exists"):
        session.raw("queues.create", {"name": unique})
