"""Connecting to an engine: what is there is said, and what is too old is refused."""

from __future__ import annotations

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

    app = web.Application()
    app.router.add_get("/version", version)
    app.router.add_get("/{version}/version", version)
    app.router.add_get("/{version}/info", info)
    runner = web.AppRunner(app)
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


async def test_no_engine_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"does not answer.*systemctl start docker"):
        async with engine.opened({"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}):
            raise AssertionError("it was opened")
