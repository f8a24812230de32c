"""From options to a running daemon, and to a single executed task: connections, signals, start and end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from clearml_agent import instances, memory, placing, queues
from clearml_agent.api import Api, Connection, connected
from clearml_agent.config import AgentConfig
from clearml_agent.daemon import Daemon
from clearml_agent.errors import UsageError
from clearml_agent.execution.run import first_of
from clearml_agent.execution.single import execute, find
from clearml_agent.gpus import dynamic
from clearml_agent.runs import Outcome, has_containers
from clearml_agent.watch import Watcher

if TYPE_CHECKING:
    from clearml_agent.docker.containers import Containers

T = TypeVar("T")
log = logging.getLogger("clearml_agent")


def run_daemon(
    config: AgentConfig,
    *,
    queue_names: Sequence[str],
    create_queue: bool,
    order_fairness: bool,
    echo: bool,
    log_file: str = "",
    on_ready: Callable[[str], None] = lambda worker: None,
) -> None:
    """Serve queues until a signal ends it (`leaving.py`). Raises AgentError, ApiError, AlreadyRunning."""
    memory.keep_freed()
    instance = instances.register(config)

    async def serve() -> None:
        async with contextlib.AsyncExitStack() as stack:
            connection = await stack.enter_async_context(connected(config.api, config.redis_url, config.environ))
            api = connection.api()
            gpus = await stack.enter_async_context(dynamic.opened(config, queue_names)) if config.dynamic_gpus else None
            names, limits = placing.parse_limits(queue_names) if config.services else (list(queue_names), {})
            names = gpus.names if gpus else names
            served = await queues.resolve(api, names, create=create_queue)
            if limits and len(served) != len(names):
                raise UsageError("two of the names after --queue mean the same queue: name each once")
            slots = placing.Slots(config.slots, instance.worker, served, limits)
            instance.describe([queue.name for queue in served], log_file)
            containers = await stack.enter_async_context(contained(config, api))

            def ready() -> None:
                for queue in served:
                    log.info("%s serves queue %s (%s)", instance.worker, queue.name, queue.id)
                on_ready(instance.worker)

            daemon = Daemon(
                config=config,
                api=api,
                worker=instance.worker,
                queues=served,
                order_fairness=order_fairness,
                placing=gpus.pool(served, in_rotation=order_fairness) if gpus else slots,
                beside=gpus.watch.run if gpus else None,
                echo=Written.on_terminal() if echo else None,
                containers=containers,
            )
            with on_signals(lambda name: daemon.on_signal(name, instance.asked_by() if name == "SIGINT" else "")):
                await daemon.run(ready)
        log.info("%s has left", instance.worker)

    try:
        run_loop(serve)
    finally:
        instance.close()


def run_execute(
    config: AgentConfig,
    task: str,
    *,
    clone: bool = False,
    require_queue: bool = False,
    monitoring: bool = True,
    log_file: Path | None = None,
) -> int:
    """Run one task here and return its exit code. Raises AgentError, ApiError."""

    async def serve() -> Outcome:
        async with Connection(config.api) as connection:
            api = Api(connection, config.api)
            async with contextlib.AsyncExitStack() as stack:
                watcher = stack.enter_context(Watcher())
                containers = await stack.enter_async_context(contained(config, api))
                return await execute(
                    task,
                    config=config,
                    api=api,
                    watcher=watcher,
                    clone=clone,
                    require_queue=require_queue,
                    monitoring=monitoring,
                    echo=teed(stack, log_file),
                    on_signals=on_signals,
                    place=containers.place if containers is not None and config.docker is not None else None,
                )

    return run_loop(serve).exit_code


def run_build(config: AgentConfig, task: str, work: Callable[[dict[str, Any], Api], Awaitable[T]]) -> T:
    """Do `work` for the task of this id or name, with the agent's API. Raises AgentError, ApiError, RunFailed."""

    async def serve() -> T:
        async with Connection(config.api) as connection:
            api = Api(connection, config.api)
            return await work(await find(api, task), api)

    return run_loop(serve)


@contextlib.asynccontextmanager
async def contained(config: AgentConfig, api: Api) -> AsyncIterator[Containers | None]:
    """What gives runs their containers; None outside of docker mode, which then costs no import either."""
    if config.docker is None and not has_containers(config.runs):
        yield None
        return
    from clearml_agent.docker import containers

    async with containers.opened(config, api) as found:
        yield found


def run_loop(main: Callable[[], Awaitable[T]]) -> T:
    """Run `main` on uvloop."""
    import uvloop

    async def started() -> T:
        try:
            return await main()
        except BaseExceptionGroup as group:
            raise first_of(group) from group

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(started())


@contextlib.contextmanager
def on_signals(stop: Callable[[str], None]) -> Iterator[None]:
    """Call `stop(name of the signal)` for SIGTERM, SIGINT and, if not under nohup, SIGHUP while the block runs."""
    loop = asyncio.get_running_loop()
    is_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    numbers = (signal.SIGTERM, signal.SIGINT, *(() if is_nohup else (signal.SIGHUP,)))
    for number in numbers:
        loop.add_signal_handler(number, stop, number.name)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


class Written:
    """Console text for a person: on a file descriptor, in an encoding that need not know every character.

    A full disk behind it, or a reader that has gone, is no matter of the task's: it is said once, the text left out.
    """

    def __init__(self, fd: int, name: str, encoding: str = "utf-8") -> None:
        self._fd, self._name, self._encoding = fd, name, encoding
        self._is_broken = False

    @classmethod
    def on_terminal(cls) -> Written:
        """On standard output."""
        sys.stdout.flush()
        return cls(sys.stdout.fileno(), "standard output", sys.stdout.encoding or "utf-8")

    def __call__(self, text: str) -> None:
        data = text.encode(self._encoding, "replace")
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError as error:
            if not self._is_broken:
                log.warning("the console is not shown on %s: %s; the server has it", self._name, error)
            self._is_broken = True
        else:
            self._is_broken = False


def teed(stack: contextlib.AsyncExitStack, path: Path | None) -> Callable[[str], None]:
    """Standard output, and a file as well."""
    out = Written.on_terminal()
    if path is None:
        return out
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    stack.callback(os.close, fd)
    file = Written(fd, str(path))

    def write(text: str) -> None:
        out(text)
        file(text)

    return write
