"""Agents that run as the server's children: started after it answers, restarted when they die, stopped with it.

They are ordinary `clearml-agent daemon` processes that find the server by their environment; killing the server with
-9 leaves them running, and they reconnect to the next one.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from control_plane.settings import Settings

if TYPE_CHECKING:
    from control_plane.http.command import Children

log = logging.getLogger(__name__)

STEADY_S = 60.0
"""A child that lived so long is restarted at once; one that died sooner waits longer each time."""
LONGEST_PAUSE_S = 30.0


def commands(children: "Children") -> dict[str, list[str]]:
    """Name -> arguments of each agent that is wanted."""
    wanted: dict[str, list[str]] = {}
    if children.queues is not None:
        wanted["agent"] = ["daemon", "--foreground", "--create-queue", "--queue", *(children.queues or ["default"])]
    if children.services:
        wanted["services"] = ["daemon", "--foreground", "--services-mode", "--create-queue", "--queue", "services"]
    return wanted


def environment(facts: Mapping[str, str | int]) -> dict[str, str]:
    """A child's environment: the server's own, and where the server is."""
    return {
        **os.environ,
        "CLEARML_API_HOST": str(facts["api_server"]),
        "CLEARML_WEB_HOST": str(facts["web_server"]),
        "CLEARML_FILES_HOST": str(facts["files_server"]),
        "CLEARML_API_ACCESS_KEY": str(facts["access_key"]),
        "CLEARML_API_SECRET_KEY": str(facts["secret_key"]),
    }


@asynccontextmanager
async def running(children: "Children", facts: Mapping[str, str | int], settings: Settings) -> AsyncIterator[None]:
    """Run the agents for as long as the block runs."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_supervise(name, arguments, environment(facts), settings.stop_grace_s), name=name)
            for name, arguments in commands(children).items()
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


async def _supervise(name: str, arguments: list[str], env: dict[str, str], grace_s: float) -> None:
    """Keep one agent running until cancelled; never returns otherwise."""
    loop = asyncio.get_running_loop()
    pause_s = 1.0
    while True:
        started = loop.time()
        code = await _run(arguments, env, grace_s)
        lived_s = loop.time() - started
        pause_s = 1.0 if lived_s > STEADY_S else min(pause_s * 2, LONGEST_PAUSE_S)
        log.warning("child ended", extra={"child": name, "exit_code": code, "restart_in_s": pause_s})
        await asyncio.sleep(pause_s)


async def _run(arguments: list[str], env: dict[str, str], grace_s: float) -> int:
    """Run one agent and return its exit code; however this ends, it is stopped.

    A session of its own: Ctrl-C at the terminal reaches the server alone, which stops the agent in order.
    """
    command = (sys.executable, "-m", "clearml_sdk.cli", "clearml-agent", *arguments)
    process = await asyncio.create_subprocess_exec(
        *command, env=env, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
    )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)  # SIGTERM would wait for what it runs
            try:
                async with asyncio.timeout(grace_s):
                    await asyncio.shield(process.wait())
            except TimeoutError:
                log.warning("agent did not stop in time", extra={"pid": process.pid})
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
