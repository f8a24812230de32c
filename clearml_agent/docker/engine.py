"""The calls of the engine's API that the agent needs, with errors in a user's words.

DOCKER_HOST names the engine (`unix:///run/podman/podman.sock`, `tcp://...`), else Docker's own socket counts, or a
rootless one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiodocker
import aiohttp
import msgspec

from clearml_agent.docker.pulling import Progress
from clearml_agent.errors import AgentError, RunFailed

log = logging.getLogger("clearml_agent")

OLDEST_API = (1, 40)
"""Of Docker 19.03, the first with `--gpus`."""
UNREACHABLE = 900
"""aiodocker's status for an engine that does not answer."""
REFUSED = "the engine refused the container"
CALL_S, PULL_S, RESTART_S, AGAIN_S = 60.0, 3600.0, 300.0, 0.5
CONFLICT, GONE = 409, 404


class EngineError(RunFailed):
    """The engine does not do what a run needs."""


class Image(msgspec.Struct, frozen=True):
    """An image that is there. digest: its id, which names its content; environ: its variables; user: its USER."""

    name: str
    digest: str
    environ: dict[str, str]
    user: str
    architecture: str


class State(msgspec.Struct, frozen=True):
    """A container now. pid: of its first process as this machine counts, 0 when it does not run."""

    id: str
    is_running: bool
    exit_code: int
    error: str
    is_out_of_memory: bool
    pid: int


class Engine:
    """One engine, while it is open; `client` for the calls that are not here."""

    def __init__(self, client: aiodocker.Docker, facts: Mapping[str, Any], *, is_podman: bool = False) -> None:
        self.client = client
        options = facts.get("SecurityOptions") or ()
        self.is_rootless = bool(facts.get("Rootless")) or any("rootless" in str(option) for option in options)
        self.maps_users = any("name=userns" in str(option) for option in options)
        self.has_hosts_network = not self.is_rootless or is_podman
        """Whether its host network is this machine's: a rootless Docker Engine has a network of its own."""
        self.name = f"{facts.get('Name') or 'engine'} {facts.get('ServerVersion') or ''}".strip()

    async def until_it_answers(self, say: Callable[[str], None]) -> None:
        """Wait for an engine that is being restarted: its tasks would fail one after the other. Raises EngineError."""
        loop = asyncio.get_running_loop()
        deadline, is_said = loop.time() + RESTART_S, False
        while True:
            try:
                await self._timed(self.client.version())
                return
            except (EngineError, aiodocker.DockerError) as error:
                if loop.time() > deadline:
                    raise EngineError(
                        f"the Docker Engine has not answered for {RESTART_S:.0f} s: {error}. Start it (systemctl start "
                        "docker), then reset and enqueue the task",
                        reason="container engine does not answer",
                    ) from None
                if not is_said:
                    is_said = True
                    say(f"The Docker Engine does not answer: waiting for it, up to {RESTART_S:.0f} s ({error})")
            await asyncio.sleep(AGAIN_S)

    # ------------------------------------------------------------------------------------------------- images

    async def image(self, name: str, *, force_pull: bool, say: Callable[[str], None]) -> Image:
        """The image, pulled where it is not there. Raises EngineError."""
        found = None if force_pull else await self._inspect_image(name)
        if found is None:
            say(f"Pulling image {name}")
            failure = await self._pull(name, say)
            found = await self._inspect_image(name)
            if found is None:
                why = failure or "the engine ended"
                raise EngineError(
                    f"there is no image {name!r}: {why}. Correct the task's container image (Execution > "
                    "Container), or log this machine's engine in to its registry",
                    reason="container image not found",
                )
            if failure:
                say(f"WARNING: {name} could not be pulled ({failure}): the one that is here is used")
        config = found.get("Config") or {}
        pairs = (entry.partition("=") for entry in config.get("Env") or ())
        return Image(
            name=name,
            digest=str(found["Id"]),
            environ={key: value for key, _, value in pairs},
            user=str(config.get("User") or ""),
            architecture=str(found.get("Architecture") or ""),
        )

    async def _inspect_image(self, name: str) -> dict[str, Any] | None:
        try:
            return dict(await self._timed(self.client.images.inspect(name)))
        except aiodocker.DockerError as error:
            if error.status == GONE:
                return None
            raise translated(error) from None

    async def _pull(self, name: str, say: Callable[[str], None]) -> str:
        """Why it could not be pulled; "" when it was."""
        progress = Progress()
        try:
            async with asyncio.timeout(PULL_S):
                async for message in self.client.images.pull(name, stream=True):
                    if message.get("error"):
                        return str(message["error"])
                    if line := progress.told(message, asyncio.get_running_loop().time()):
                        say(line)
        except aiodocker.DockerError as error:
            return error.message
        except (aiohttp.ClientError, ConnectionError, ValueError) as error:  # a line may have been cut
            return f"the engine broke off: {error}"
        except TimeoutError:
            return f"it was not pulled within {PULL_S:.0f} s"
        return ""

    # --------------------------------------------------------------------------------------------- containers

    async def create(self, body: Mapping[str, Any], name: str = "") -> str:
        """Create a container and answer its id. Raises EngineError."""
        try:
            made = await self._timed(self.client.containers.create(dict(body), name=name or None))
        except aiodocker.DockerError as error:
            raise translated(error) from None
        return str(made.id)

    async def start(self, id: str) -> None:
        """Raises EngineError with what the engine says: a device that is missing, a mount that cannot be made."""
        try:
            await self._timed(self.client.containers.container(id).start())
        except aiodocker.DockerError as error:
            raise translated(error) from None

    async def state(self, id: str) -> State | None:
        """None when there is no such container (any more)."""
        try:
            found = await self._timed(self.client.containers.container(id).show())
        except aiodocker.DockerError as error:
            if error.status == GONE:
                return None
            raise translated(error) from None
        state = found.get("State") or {}
        return State(
            id=str(found["Id"]),
            is_running=bool(state.get("Running")),
            exit_code=int(state.get("ExitCode") or 0),
            error=str(state.get("Error") or ""),
            is_out_of_memory=bool(state.get("OOMKilled")),
            pid=int(state.get("Pid") or 0),
        )

    async def wait(self, id: str) -> None:
        """Until the container has ended, or is gone. Raises EngineError when the engine does not answer."""
        try:
            await self.client.containers.container(id).wait()
        except aiodocker.DockerError as error:
            if error.status != GONE:
                raise translated(error) from None
        except (aiohttp.ClientError, OSError) as error:
            raise EngineError(f"the engine does not answer: {error}") from None

    async def signal(self, id: str, name: str) -> bool:
        """Send a signal to the container's first process; False when it does not run. Raises EngineError."""
        try:
            await self._timed(self.client.containers.container(id).kill(signal=name))
        except aiodocker.DockerError as error:
            if error.status in (CONFLICT, GONE):
                return False
            raise translated(error) from None
        return True

    async def remove(self, id: str) -> None:
        """Kill and remove it with its anonymous volumes; no error when it is gone."""
        try:
            await self._timed(self.client.containers.container(id).delete(force=True, v=True))
        except aiodocker.DockerError as error:
            if error.status not in (GONE, CONFLICT):  # a conflict: it is being removed just now
                raise translated(error) from None

    async def labelled(self, label: str) -> list[tuple[str, dict[str, str]]]:
        """Id and labels of every container, running or not, that has a label `name=value`."""
        try:
            found = await self._timed(self.client.containers.list(all=True, filters={"label": [label]}))
        except aiodocker.DockerError as error:
            raise translated(error) from None
        return [(str(one.id), dict(one["Labels"] or {})) for one in found]

    async def execute(
        self,
        id: str,
        argv: Sequence[str],
        *,
        environ: Mapping[str, str],
        cwd: str = "",
        user: str = "",
        on_output: Callable[[bytes], None],
        on_errors: Callable[[bytes], None],
    ) -> int:
        """Run a program in a running container; its exit code. Cancelled, it leaves the program to the container."""
        container = self.client.containers.container(id)
        try:
            execution = await self._timed(
                container.exec(list(argv), environment=dict(environ), workdir=cwd or None, user=user)
            )
            async with execution.start(detach=False) as stream:
                while (message := await stream.read_out()) is not None:
                    (on_output if message.stream == 1 else on_errors)(message.data)
            return int((await self._timed(execution.inspect())).get("ExitCode") or 0)
        except aiodocker.DockerError as error:
            raise translated(error) from None
        except (aiohttp.ClientError, OSError) as error:
            raise EngineError(f"the engine does not answer: {error}") from None

    async def _timed(self, call: Any) -> Any:
        try:
            async with asyncio.timeout(CALL_S):
                return await call
        except TimeoutError:
            raise EngineError(f"the engine did not answer within {CALL_S:.0f} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise EngineError(f"the engine does not answer: {error}") from None


def translated(error: aiodocker.DockerError) -> EngineError:
    """What the engine said, for a user."""
    if error.status == UNREACHABLE:
        return EngineError(f"the engine does not answer: {error.message}")
    return EngineError(f"{REFUSED}: {error.message.strip()}", reason="container could not be started")


@contextlib.asynccontextmanager
async def opened(environ: Mapping[str, str]) -> AsyncIterator[Engine]:
    """Connect to this machine's engine. Raises AgentError that says what to do when there is none."""
    url = environ.get("DOCKER_HOST") or next((f"unix://{path}" for path in sockets(environ) if path.is_socket()), "")
    advice = (
        "Start it (systemctl start docker), let this user use it (usermod -aG docker USER), or name another one in "
        "DOCKER_HOST"
    )
    if not url:
        raise AgentError(f"no Docker Engine runs on this machine. {advice}")
    client, connector = _client(url)
    try:
        try:
            async with asyncio.timeout(CALL_S):
                version = await client.version()
                facts = await client.system.info()
        except (aiodocker.DockerError, aiohttp.ClientError, OSError, TimeoutError) as error:
            said = error.message if isinstance(error, aiodocker.DockerError) else str(error) or type(error).__name__
            raise AgentError(f"the Docker Engine at {url} does not answer: {said}. {advice}") from None
        api = tuple(int(part) for part in str(version.get("ApiVersion") or "0.0").split("."))
        if api < OLDEST_API:
            raise AgentError(
                f"the Docker Engine at {url} is {version.get('Version')}: docker mode needs 19.03 or newer"
            )
        parts = [str(part.get("Name") or "") for part in version.get("Components") or ()]
        yield Engine(client, facts, is_podman=any("podman" in name.lower() for name in parts))
    finally:
        await client.close()
        if connector is not None:
            await connector.close()


def _client(url: str) -> tuple[aiodocker.Docker, aiohttp.BaseConnector | None]:
    """The client, and its connections where it does not own them: each container that runs keeps one waiting."""
    scheme, _, path = url.partition("://")
    if scheme != "unix":
        return aiodocker.Docker(url=url), None
    connector = aiohttp.UnixConnector(path, limit=0)
    return aiodocker.Docker(url="unix://localhost", connector=connector), connector


def sockets(environ: Mapping[str, str]) -> list[Path]:
    """Where an engine listens by default: Docker's own, a rootless one's, podman's."""
    runtime = Path(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    return [
        Path("/run/docker.sock"),
        Path("/var/run/docker.sock"),
        runtime / "docker.sock",
        runtime / "podman" / "podman.sock",
        Path("/run/podman/podman.sock"),
    ]
