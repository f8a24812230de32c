"""Connecting to an engine: what is there is said, and what is too old is refused."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest
from aiohttp import web

from clearml_agent.docker import engine
from clearml_agent.errors import AgentError


async def served(path: Path, api: str) -> web.AppRunner:
    """The beginnings of an engine's API on a socket."""

    async def version(_: web.Request) -> web.Response:
        return web.json_response({"ApiVersion": api, "Version": f"of {api}"})

    async def info(_: web.Request) -> web.Response:
        return web.json_response({"Name": "here", "ServerVersion": "1", "SecurityOptions": ["name=rootless"]})

    async def wait(_: web.Request) -> web.Response:
        await asyncio.sleep(3600)
        raise AssertionError("nobody waits that long")

    async def show(_: web.Request) -> web.Response:
        return web.json_response({"Id": "x", "State": {"Running": True, "Pid": 7}})

    async def pull(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b'{"status":"Pulling fs layer","id":"abc"}\r\n')
        assert request.transport is not None
        request.transport.abort()
        return answer

    async def no_image(_: web.Request) -> web.Response:
        return web.json_response({"message": "no such image"}, status=404)

    app = web.Application()
    app.router.add_post("/{version}/containers/{id}/wait", wait)
    app.router.add_get("/{version}/containers/{id}/json", show)
    app.router.add_post("/{version}/images/create", pull)
    app.router.add_get("/{version}/images/{name:.*}/json", no_image)
    app.router.add_get("/version", version)
    app.router.add_get("/{version}/version", version)
    app.router.add_get("/{version}/info", info)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    return runner


@pytest.mark.rows("S3-083")
async def test_engine_older_than_19_03_is_refused(tmp_path: Path) -> None:
    runner = await served(tmp_path / "old.sock", "1.39")
    try:
        with pytest.raises(AgentError, match=r"is of 1\.39: docker mode needs 19\.03 or newer"):
            async with engine.opened({"DOCKER_HOST": f"unix://{tmp_path}/old.sock"}):
                raise AssertionError("it was opened")
    finally:
        await runner.cleanup()


async def test_rootless_engine_is_known_as_such(tmp_path: Path) -> None:
    runner = await served(tmp_path / "docker.sock", "1.41")
    try:
        async with engine.opened(
            {"XDG_RUNTIME_DIR": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}
        ) as found:
            assert found.is_rootless
    finally:
        await runner.cleanup()


async def test_many_running_containers_do_not_keep_the_engine_from_answering(tmp_path: Path) -> None:
    runner = await served(tmp_path / "docker.sock", "1.41")
    try:
        async with engine.opened({"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}) as found:
            waiting = [asyncio.ensure_future(found.wait(f"container{number}")) for number in range(250)]
            await asyncio.sleep(0)  # all of them begin before the next call
            state = await found.state("another")
            assert state is not None and state.pid == 7
            for job in waiting:
                job.cancel()
            await asyncio.wait(waiting)
    finally:
        await runner.shutdown()
        await runner.cleanup()


# aiodocker leaves the broken connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_engine_that_ends_during_a_pull_fails_the_task_and_not_the_agent(tmp_path: Path) -> None:
    runner = await served(tmp_path / "docker.sock", "1.41")
    said: list[str] = []
    try:
        async with engine.opened({"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}) as found:
            with pytest.raises(engine.EngineError, match="there is no image 'some/thing:1': the engine broke off"):
                await found.image("some/thing:1", force_pull=False, say=said.append)
    finally:
        await runner.cleanup()
    assert said == ["Pulling image some/thing:1", "abc Pulling fs layer"]
    gc.collect()


async def test_no_engine_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"does not answer.*systemctl start docker"):
        async with engine.opened({"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}):
            raise AssertionError("it was opened")
