"""The agent's client: what is tried again, for how long, and as whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import jwt
import pytest

from clearml_agent.api import Api, Connection
from clearml_agent.watch import Watcher, process_ended
from clearml_sdk.api_settings import ApiSettings
from clearml_sdk.errors import ApiError, ServerUnreachable

from .fake_server import KEY, FakeServer, serving


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with serving(FakeServer()) as started:
        yield started


@pytest.fixture
async def api(server: FakeServer) -> AsyncIterator[Api]:
    settings = ApiSettings(server.url, access_key="k", secret_key="s")
    async with Connection(settings) as connection:
        yield Api(connection, settings)


async def test_a_call_goes_on_until_the_server_answers(server: FakeServer, api: Api) -> None:
    answers = [503, 502, 503]
    server.hook = lambda endpoint: answers.pop() if answers and endpoint == "tasks.ping" else 0
    assert await api.call("tasks.ping", {"task": "t"}) == {}
    assert answers == []


async def test_a_refusal_is_raised_at_once(server: FakeServer, api: Api) -> None:
    server.hook = lambda endpoint: 400 if endpoint == "tasks.ping" else 0
    with pytest.raises(ApiError, match="chosen"):
        await api.call("tasks.ping", {"task": "t"})


async def test_a_rejected_token_is_replaced_once(server: FakeServer, api: Api) -> None:
    answers = [401]
    server.hook = lambda endpoint: answers.pop() if answers and endpoint == "tasks.ping" else 0
    await api.call("tasks.ping", {"task": "t"})
    assert len(server.called("auth.login")) == 2


async def test_a_silent_server_is_given_up_only_on_request() -> None:
    settings = ApiSettings("http://127.0.0.1:9", access_key="k", secret_key="s")
    async with Connection(settings) as connection:
        api = Api(connection, settings)
        with pytest.raises(ServerUnreachable):
            await api.call("tasks.ping", {}, give_up_s=0.3)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await api.call("tasks.ping", {})


async def test_a_claim_speaks_with_its_own_token(server: FakeServer, api: Api) -> None:
    import jwt

    from .fake_server import KEY

    claim = api.for_claim(jwt.encode({"claim": "t.1", "identity": {}}, KEY))
    await claim.call("tasks.ping", {"task": "t"})
    assert server.calls == [("tasks.ping", {"task": "t"}, "t.1")]


async def test_the_end_of_a_process_is_noticed_at_once() -> None:
    process = await asyncio.create_subprocess_exec("sleep", "600")
    ended = asyncio.create_task(process_ended(process.pid, None))
    done, _ = await asyncio.wait((ended,), timeout=0.1)
    assert not done
    process.kill()
    async with asyncio.timeout(60):
        await ended
    await process.wait()
    await process_ended(process.pid, None)  # gone: returns at once


async def test_a_growing_file_wakes_its_watcher(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    with Watcher() as watcher:
        watched = watcher.watch(folder, frozenset({"log"}))
        (folder / "other").write_text("x")
        assert not await watched.changed(0.05)
        (folder / "log").write_text("x")
        assert await watched.changed(60)  # False when nothing has woken it
        watched.close()


async def test_a_claim_whose_token_nobody_accepts_asks_for_another(server: FakeServer, api: Api) -> None:
    """After an outage that outlasted the token: nothing of the run is lost."""
    logins = []

    def hook(endpoint: str) -> int:
        if endpoint == "auth.login":
            logins.append(endpoint)
        return 401 if endpoint == "auth.login" and len(logins) == 1 else 0

    fresh = jwt.encode({"claim": "t.1", "identity": {}}, KEY)

    async def new_token() -> str:
        return fresh

    kept: list[str] = []
    claim = api.for_claim(jwt.encode({"claim": "t.1", "exp": 1}, KEY), on_token=kept.append, new_token=new_token)
    server.hook = hook
    await claim.call("tasks.ping", {"task": "t"})
    assert kept == [fresh]
    assert server.calls[-1][2] == "t.1"
