"""What an aborted task is given before its SIGTERM: a sign, the time of its abort callback, the worker's own command.

The callback is the task's own (`Task.register_abort_callback`): its SDK says in the task's runtime properties how long
it may take and when it is over. Source: contract/agent_behaviour.md 13.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from clearml_agent.api import Api
from clearml_agent.config import AgentConfig
from clearml_agent.execution.process import Launch
from clearml_agent.process import HelperTimeout, run_process
from clearml_agent.runs import RunDirectory, read_struct
from clearml_sdk.errors import ApiError, BadAnswer, ServerUnreachable

log = logging.getLogger("clearml_agent")

SIGN = "stopping"
"""File in the run's directory: the task's SDK sees it at once, without asking the server."""
COMMAND, COMMAND_LIMIT = "CLEARML_AGENT_ABORT_CALLBACK_CMD", "CLEARML_AGENT_ABORT_CALLBACK_TIMEOUT"
COMMAND_LIMIT_S = 180.0
LONGEST_CALLBACK_S = 1800.0
LOOK_S = 0.25
ANSWER_LIMIT_S = 0.7
"""How long the question for a callback may keep the abort from the process."""


def callback_limit_s(runtime: Mapping[str, Any], longest_s: float) -> float:
    """How long to wait for a task's abort callback; 0: it has none, or it is over. Pure."""
    limit_s = _number(runtime.get("_abort_callback_timeout"))
    if limit_s <= 0 or _number(runtime.get("_abort_callback_completed")):
        return 0.0
    return min(limit_s + _number(runtime.get("_abort_poll_freq")), longest_s)


def _number(value: Any) -> float:
    try:
        return float(value or 0)
    except (TypeError, ValueError):
        return 0.0


async def before_the_signal(
    directory: RunDirectory, *, api: Api, config: AgentConfig, say: Callable[[str], None]
) -> None:
    """Do all that comes before the SIGTERM of an abort; cancelled when the task has ended meanwhile."""
    (directory.path / SIGN).touch()
    await _callback(api, directory.record.task, config, say)
    await _command(directory, config, say)


async def _callback(api: Api, task: str, config: AgentConfig, say: Callable[[str], None]) -> None:
    longest_s = config.config.number("agent.abort_callback_max_timeout", LONGEST_CALLBACK_S)
    begun_at, said = time.monotonic(), False
    while (limit_s := callback_limit_s(await _runtime(api, task), longest_s)) > time.monotonic() - begun_at:
        if not said:
            said = True
            say(f"Abort: waiting up to {limit_s:.0f} s for the task's abort callback")
        await asyncio.sleep(LOOK_S)  # a runtime property of a task has no notice of its own


async def _runtime(api: Api, task: str) -> Mapping[str, Any]:
    body = {"id": [task], "only_fields": ["runtime"]}
    try:
        found = await api.call("tasks.get_all", body, timeout_s=ANSWER_LIMIT_S, give_up_s=0)
    except (ApiError, BadAnswer, ServerUnreachable) as error:
        log.debug("runtime properties of task %s: %s", task, error)
        return {}
    tasks = found.get("tasks") or [{}]
    return dict(tasks[0].get("runtime") or {})


async def _command(directory: RunDirectory, config: AgentConfig, say: Callable[[str], None]) -> None:
    """Run the command that this worker is configured with, in the folder and the environment of the task."""
    command = config.environ.get(COMMAND)
    if not command:
        return
    limit_s = _number(config.environ.get(COMMAND_LIMIT)) or COMMAND_LIMIT_S
    try:
        launch = read_struct(directory.path / "launch.json", Launch)
        ended = await run_process(
            ["/bin/sh", "-c", command], timeout_s=limit_s, cwd=Path(launch.cwd), env=launch.env, log=say
        )
    except (OSError, HelperTimeout) as error:
        say(f"Abort command: {error}")
        return
    say(ended.output.decode("utf-8", "replace") + f"Abort command: exit code {ended.code}")
