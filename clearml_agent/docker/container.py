"""One run in a container: created before its task is prepared, started beside it, told to go when all is ready.

The container's first process is the run's setup script and then, in the same process, the runner; it waits at the FIFO
`go` of the run's directory until the agent has written launch.json and closes its end. The directory is mounted, so an
agent that is started again finds there all it needs to know; run.json holds the container's name before it exists.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import msgspec

from clearml_agent import runner
from clearml_agent.config import AgentConfig
from clearml_agent.docker import loopback, musl, plan, pythons, relay
from clearml_agent.docker.engine import Engine, EngineError
from clearml_agent.docker.inside import Inside
from clearml_agent.docker.script import NO_PYTHON
from clearml_agent.environments.interpreters import Interpreter, uv_program
from clearml_agent.environments.present import Present
from clearml_agent.environments.settings import PackageSettings
from clearml_agent.errors import RunFailed
from clearml_agent.execution.process import START_LIMIT_S, Launch
from clearml_agent.process import Finished, Log, helpers_run
from clearml_agent.runs import CONTAINED, OUTSIDE, Phase, Result, RunDirectory, RunnerPid, write_struct

log = logging.getLogger("clearml_agent")

GO = b"go"
NO_SHELL = re.compile(r"/bin/sh\b.*(no such file|not found)", re.IGNORECASE | re.DOTALL)
LOOK_S, CHECK_S, AGAIN_S = 0.003, 1.0, 1.0
REMOVALS = 5
"""How often in one second a container that has ended is looked at, until it is taken to stay."""
LINE_BYTES = 400
SETUP_LIMIT_S = 3600.0
"""How long a container may take until its setup script is over."""


class ContainedRun:
    """The place of one run; see execution/places.py.

    Args:
        designer: decides what the container is made of.
        say: writes to the task's console.
    """

    def __init__(
        self, engine: Engine, directory: RunDirectory, *, config: AgentConfig, designer: plan.Designer, say: Log
    ) -> None:
        self._engine, self._directory, self._config, self._say = engine, directory, config, say
        self._designer = designer
        self._design: plan.Design | None = None
        self._go = -1
        self._gate = loopback.Gate(directory.path / loopback.FOLDER)
        self._ready = asyncio.Event()
        """Set when the container's setup is over, so that helpers can run in it."""
        self._signals: set[asyncio.Task[None]] = set()
        self._replaced: dict[str, str] = {}
        """Programs of this machine -> what helpers run in the container in their place."""

    @property
    def name(self) -> str:
        return self._directory.record.container

    @property
    def design(self) -> plan.Design:
        assert self._design is not None
        return self._design

    # ---------------------------------------------------------------------------------------- before the start

    async def settle(self) -> None:
        """A container whose run has not begun is of no use: its agent, which held the other end of `go`, is dead."""
        if self.name and self._directory.phase()[0] is Phase.NOT_STARTED:
            await self._engine.until_it_answers(self._say)
            await self._engine.remove(self.name)

    async def open(self, task: Mapping[str, Any]) -> ContainedRun:
        await self._engine.until_it_answers(self._say)
        self._design = await self._designer.design(task, self._engine, self._directory, self._say)
        self._replaced[uv_program()] = str(self._designer.uv())
        return self

    async def opened(self) -> None:
        """Create and start the container, and wait until its runner waits for the word."""
        design, path = self.design, self._directory.path
        shutil.copyfile(runner.__file__, path / "runner.py")
        if design.loopback.names:
            shutil.copyfile(relay.__file__, path / loopback.PROGRAM)
            self._gate.open(design.loopback.names)
        (path / "start.sh").write_text(design.script, encoding="utf-8")
        os.chmod(path / "start.sh", 0o600)
        if not (path / CONTAINED).exists():
            os.mkfifo(path / CONTAINED, 0o600)
        (path / "home").mkdir(mode=0o700, exist_ok=True)
        (path / "log").touch(mode=0o600)  # by whom it is to be read: the container may begin as root
        self._directory.record.container = design.name
        self._directory.save()
        self._open_to_others()
        await self._engine.remove(design.name)
        await self._engine.create(design.body, design.name)
        await self._start()
        await self._until_waiting()
        self._ready.set()

    async def _start(self) -> None:
        try:
            await self._engine.start(self.name)
        except EngineError as error:
            if not NO_SHELL.search(str(error)):
                raise
            raise RunFailed(
                f"the image {self.design.image.name} has no shell (/bin/sh), which starts every task: choose an image "
                "that has one",
                reason="container could not be started",
            ) from None

    async def _until_waiting(self) -> None:
        """Open the writing end of `go`, which succeeds when the runner has opened the other one."""
        loop = asyncio.get_running_loop()
        begun_at = checked_at = loop.time()
        while True:
            try:
                self._go = os.open(self._directory.path / CONTAINED, os.O_WRONLY | os.O_NONBLOCK)
                return
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
            await asyncio.sleep(LOOK_S if loop.time() - begun_at < 2.0 else 10 * LOOK_S)
            if loop.time() - checked_at > CHECK_S:
                checked_at = loop.time()
                await self._raise_if_ended("before its runner started")
                if checked_at - begun_at > SETUP_LIMIT_S:
                    raise RunFailed(f"the container's setup script was not over after {SETUP_LIMIT_S:.0f} s")

    async def _raise_if_ended(self, when: str) -> None:
        state = await self._engine.state(self.name)
        if state is None:
            raise RunFailed(f"the task's container {self.name} was removed {when}", reason="container was removed")
        if state.is_running:
            return
        if state.exit_code == NO_PYTHON:
            raise RunFailed(
                f"the image {self.design.image.name} has no Python 3.6 or newer on its PATH, and none could be "
                "installed: choose an image with Python, or install one in the container's setup script"
            )
        raise RunFailed(
            f"the task's container {self.name} ended with exit code {state.exit_code} {when}"
            f"{': ' + state.error if state.error else ''}. Its last line: {self._last_line()}",
            reason="container ended before the task",
        )

    def _last_line(self) -> str:
        """What the container, its setup script or its runner, wrote at the end."""
        with open(self._directory.path / "log", "rb") as file:
            file.seek(max(0, os.stat(file.fileno()).st_size - LINE_BYTES))
            lines = file.read().decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "none")

    def _open_to_others(self) -> None:
        """Let the container's user, where it is another one, write what belongs to the run.

        Nobody else of this machine comes near: the directory above is the agent's alone.
        """
        if not self.design.is_shared:
            return
        for folder, _, files in os.walk(self._directory.path):
            os.chmod(folder, 0o777)
            for name in files:
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    os.chmod(path, os.stat(path).st_mode | 0o666)

    # ----------------------------------------------------------------------------------- what preparing asks for

    @property
    def write_back(self) -> list[tuple[str, dict[str, Any]]]:
        return self.design.write_back

    @property
    def properties(self) -> dict[str, Any]:
        return self.design.properties

    def packages(self, settings: PackageSettings) -> PackageSettings:
        return self.design.packages(settings)

    def helpers(self) -> AbstractContextManager[None]:
        design = self._design
        return helpers_run(
            _WhenReady(
                self._ready,
                Inside(
                    self._engine,
                    self.name or (design.name if design else ""),
                    scratch=self._directory.path,
                    user=self._designer.helpers_user(self._engine),
                    environ=self._designer.helpers_environ(self._directory.path),
                    replaced=self._replaced,
                ),
            )
        )

    async def python(self, wish: str, settings: PackageSettings, say: Log) -> tuple[Interpreter, Present]:
        design = self.design
        found = await pythons.pythons(design.content, settings, cache=self._config.environments)
        interpreter, present = pythons.choose(
            found, wish, settings, design.content, uses_active=self._designer.docker.uses_active, log=say
        )
        if musl.is_musl(interpreter):
            config = self._config
            own = await musl.static_uv(
                interpreter, settings, cache=config.environments, environ=config.environ, log=say
            )
            self._replaced[uv_program()] = str(own)
        return interpreter, present

    def configuration(self, tree: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._designer.configuration(tree)

    def variables(self) -> dict[str, str]:
        return self.design.variables

    # ----------------------------------------------------------------------------------------------- the run

    async def start(self, launch: Launch) -> None:
        write_struct(self._directory.path / "launch.json", msgspec.structs.replace(launch, inherit=True))
        self._open_to_others()
        try:
            os.write(self._go, GO)
        except BrokenPipeError:
            await self._raise_if_ended("before the task started")
        finally:
            os.close(self._go)
            self._go = -1
        started = self._directory.path / "started"
        loop = asyncio.get_running_loop()
        begun_at = checked_at = loop.time()
        while not started.exists():
            await asyncio.sleep(LOOK_S)
            if loop.time() - checked_at > CHECK_S:
                checked_at = loop.time()
                await self._raise_if_ended("before the task started")
                if checked_at - begun_at > START_LIMIT_S:
                    raise RunFailed(
                        f"the runner in container {self.name} did not start the task: see the console",
                        reason="worker failed to start the task",
                    )
        await self._tell_pid()

    async def _tell_pid(self) -> None:
        """Write down the runner's pid outside of its container, for whoever looks at the processes of this machine."""
        try:
            state = await self._engine.state(self.name)
        except EngineError as error:
            log.debug("container %s: %s", self.name, error)
            return
        if state is not None and state.pid:
            outside = RunnerPid(state.pid, runner.start_ticks(state.pid))
            write_struct(self._directory.path / OUTSIDE, outside)

    async def identified(self) -> None:
        """A container is told apart by its name; from now on this agent leads it to the loopback of this machine."""
        try:
            self._gate.open_again()
        except RunFailed as error:
            self._say(f"WARNING: {error}")  # what it has to report waits for the next agent

    async def ended(self) -> Result | None:
        while True:
            phase, _, result = self._directory.phase()
            if phase is not Phase.RUNNING:
                await self._drained()
                return result
            try:
                await self._engine.wait(self.name)
            except EngineError as error:
                log.debug("container %s: %s", self.name, error)
                await asyncio.sleep(AGAIN_S)  # the engine is being restarted; the lock tells the end as well
            else:
                await asyncio.sleep(LOOK_S)  # the kernel closes the files of a process a moment after its end

    async def _drained(self) -> None:
        """The runner has ended, and with it, as the container's first process, everything in it."""
        try:
            async with asyncio.timeout(AGAIN_S):
                await self._engine.wait(self.name)
        except (EngineError, TimeoutError) as error:
            log.debug("container %s: %s", self.name, error)

    def stop(self, *, now: bool = False) -> None:
        if not (self._directory.path / "started").exists():
            return
        signalling = self._signal("SIGQUIT" if now else "SIGTERM")
        job = asyncio.get_running_loop().create_task(signalling, name=f"stop of container {self.name}")
        self._signals.add(job)
        job.add_done_callback(self._signals.discard)

    async def _signal(self, name: str) -> None:
        while True:
            try:
                await self._engine.signal(self.name, name)
                return
            except EngineError as error:
                if self._directory.phase()[0] is not Phase.RUNNING:
                    return  # podman says so in other words when there is nothing left to stop
                log.warning("container %s could not be stopped, trying again: %s", self.name, error)
                await asyncio.sleep(AGAIN_S)

    async def clear_remains(self) -> str:
        """What the engine says of the end of a container that left no result."""
        try:
            state = await self._engine.state(self.name)
            for _ in range(REMOVALS):
                if state is None or state.is_running:
                    break
                await asyncio.sleep(CHECK_S / REMOVALS)  # it is killed first and removed a moment later
                state = await self._engine.state(self.name)
        except EngineError as error:
            return f"{error}"
        if state is None:
            return f"its container {self.name} was removed from outside"
        await self._engine.remove(self.name)
        if state.is_out_of_memory:
            return f"its container {self.name} ran out of the memory that it was given"
        why = f" ({state.error})" if state.error else ""
        return f"its container {self.name} was killed from outside, exit code {state.exit_code}{why}"

    async def close(self) -> None:
        for job in list(self._signals):
            job.cancel()
        self._gate.close()
        if self._go >= 0:
            os.close(self._go)
            self._go = -1
        if not self.name:
            return
        try:
            await self._engine.remove(self.name)
        except EngineError as error:
            log.warning("container %s is left to the next start of an agent here: %s", self.name, error)


class _WhenReady:
    """Helpers wait until the container's setup is over."""

    def __init__(self, ready: asyncio.Event, inside: Inside) -> None:
        self._ready, self._inside = ready, inside

    async def __call__(self, argv: Any, **how: Any) -> Finished:
        await self._ready.wait()
        return await self._inside(argv, **how)
