"""Layers of an image, made through the engine's API: packages installed in a container, and files added to it.

Each is made once: packages by a key over everything that they depend on, which is the tag of the image; files by the
engine's own build cache, for the same files are sent as the same bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiodocker
import aiohttp

from clearml_agent.building.context import context
from clearml_agent.building.installing import CACHE, FILES, UV
from clearml_agent.docker.engine import GONE, Engine, EngineError, translated
from clearml_agent.environments.installer import explain
from clearml_agent.errors import EnvironmentFailed
from clearml_agent.runner import start_ticks
from clearml_agent.vcs.addresses import without_secrets
from clearml_agent.watch import is_same_process

NAME = "clearml-build"
VOLUME = "clearml-build-cache"
"""The engine's volume with uv's cache."""
UNPINNED = timedelta(hours=24)
KEPT_LINES = 200


class Layers:
    """One engine, and who hears what it says."""

    def __init__(self, engine: Engine, say: Callable[[str], None]) -> None:
        self._engine, self._client, self._say = engine, engine.client, say
        self._numbers = itertools.count()

    async def known(self, key: str, *, is_pinned: bool) -> str | None:
        """The image made of this key before; of what was not pinned only within a day."""
        try:
            image = await self._client.images.inspect(f"{NAME}:{key}")
        except aiodocker.DockerError as error:
            if error.status == GONE:
                return None
            raise translated(error) from None
        made_at = datetime.fromisoformat(str(image["Created"])[:19] + "+00:00")
        return str(image["Id"]) if is_pinned or datetime.now(UTC) - made_at < UNPINNED else None

    async def config(self, image: str) -> dict[str, Any]:
        """What an image says about its containers: Entrypoint, Cmd, User, Env, ..."""
        return dict((await self._client.images.inspect(image)).get("Config") or {})

    async def installed(self, base: str, folder: Path, uv: Path, *, key: str, what: str, mounts: Sequence[Path]) -> str:
        """The image `base` with what `install.sh` of `folder` installs; its entry point, command and user are not kept.

        Raises EnvironmentFailed with what it said.

        Args:
            what: for the image's history. mounts: folders of this machine that are read, under their own paths.
        """
        is_root = not (await self.config(base)).get("User")
        binds = [
            f"{folder}:{FILES}:ro",
            f"{uv}:{UV}:ro",
            f"{VOLUME}:{CACHE}",
            *(f"{path}:{path}:ro" for path in mounts),
        ]
        async with self._container(
            base, ["/bin/sh", f"{FILES}/install.sh"], binds=binds, user="" if is_root else "0"
        ) as id:
            code, said = await self._followed(id, self._say)
            if code:
                raise EnvironmentFailed(explain("\n".join(said)) or f"the installation ended with exit code {code}")
            container = self._client.containers.container(id)
            made = await container.commit(repository=NAME, tag=key, message=what)
        return str(made["Id"])

    async def added(self, dockerfile: str, files: Mapping[str, Path | bytes], *, tag: str = "") -> str:
        """What the engine builds of a Dockerfile and these files. Raises EngineError."""
        sent = await asyncio.to_thread(context, dockerfile, files)
        found = ""
        try:
            with sent:
                async for line in self._client.images.build(
                    fileobj=sent, encoding="gzip", tag=tag or None, stream=True, forcerm=True
                ):
                    if "error" in line:
                        raise EngineError(f"the engine cannot build the image: {line['error']}")
                    if text := str(line.get("stream") or "").strip():
                        self._say(text)
                    found = str((line.get("aux") or {}).get("ID") or found)
        except aiodocker.DockerError as error:
            raise translated(error) from None
        return found

    async def said(self, image: str, argv: Sequence[str]) -> tuple[int, str]:
        """Exit code and the whole output of a program in a container of the image."""
        lines: list[str] = []
        async with self._container(image, argv) as id:
            code, _ = await self._followed(id, lines.append)
        return code, "\n".join(lines)

    async def sweep(self) -> None:
        """Remove the containers of builds that were killed."""
        for container in await self._client.containers.list(all=True, filters={"name": [f"^/{NAME}-"]}):
            for name in container["Names"]:
                pid, _, ticks = name.removeprefix(f"/{NAME}-").rpartition(".")[0].partition("-")
                if pid.isdigit() and not is_same_process(int(pid), int(ticks) if ticks.isdigit() else None):
                    await self._engine.remove(str(container.id))

    @contextlib.asynccontextmanager
    async def _container(
        self, image: str, argv: Sequence[str], *, binds: Sequence[str] = (), user: str = ""
    ) -> AsyncIterator[str]:
        """A started container that is gone at the end; on the host's network, which reaches what this machine does."""
        body: dict[str, Any] = {
            "Image": image,
            "Entrypoint": [argv[0]],
            "Cmd": list(argv[1:]),
            "HostConfig": {"Binds": list(binds), "NetworkMode": "host"},
        }
        if user:
            body["User"] = user
        name = f"{NAME}-{os.getpid()}-{start_ticks(os.getpid()) or 0}.{next(self._numbers)}"
        id = await self._engine.create(body, name)
        try:
            await self._engine.start(id)
            yield id
        finally:
            await asyncio.shield(self._engine.remove(id))

    async def _followed(self, id: str, say: Callable[[str], None]) -> tuple[int, list[str]]:
        """Exit code and the last lines of a container, each told as it comes."""
        lines: list[str] = []

        def heard(line: str) -> None:
            line = without_secrets(line).rstrip()
            say(line)
            lines.append(line)
            del lines[:-KEPT_LINES]

        rest = ""
        try:
            async for text in self._client.containers.container(id).log(stdout=True, stderr=True, follow=True):
                *whole, rest = (rest + text).split("\n")
                for line in whole:
                    heard(line)
        except (aiohttp.ClientError, OSError) as error:
            raise EngineError(f"the engine does not answer: {error}") from None
        await self._engine.wait(id)
        state = await self._engine.state(id)
        if state is None:
            raise EngineError(f"the container {id[:12]} was removed while it was at work")
        if rest:
            heard(rest)
        return state.exit_code, lines
