"""The last words about a run: what its own SDK could not send, then its status, or its return to the queue.

All of it may be repeated after a crash.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from clearml_agent.api import Api
from clearml_agent.execution.outcome import RELEASED
from clearml_agent.runs import Outcome, Record
from clearml_sdk.errors import ApiError

log = logging.getLogger("clearml_agent")

JOURNAL_WAIT_S = 3.0
MESSAGE_CHARACTERS = 2000


async def deliver_journal(record: Record, folder: Path, api: Api) -> None:
    """Send what the task's own SDK recorded and could not send before its end; returns when the server has it."""
    while folder.is_dir() and any(folder.iterdir()):
        if await asyncio.to_thread(_deliver, folder, api):
            return
        log.warning("the reports of task %s wait for the server", record.task)
        await asyncio.sleep(JOURNAL_WAIT_S)  # the delivery has waited for the server itself


def _deliver(folder: Path, api: Api) -> bool:
    """Blocking: send the journals of the dead process, under the claim's token. False when the server took not all."""
    from clearml_sdk.journal import deliver
    from clearml_sdk.session import Session

    session = Session(api.for_claim(api.core.token or "").settings)
    try:
        return not deliver(folder, session).left
    finally:
        session.close()


async def set_status(record: Record, outcome: Outcome, *, api: Api, agent_api: Api) -> None:
    """Give the task its final status, or give it back.

    Args:
        api: speaks under the run's claim; agent_api: as the agent.

    Raises ApiError for a fault of the server: the run is not over then, it is reported again.
    """
    endpoint = outcome.endpoint
    if endpoint == RELEASED:
        if await _release(record, outcome, agent_api):
            log.info("task %s is back in its queue (%s)", record.task, outcome.reason)
            return
        endpoint = outcome.otherwise
    if not endpoint:
        return
    body = {
        "task": record.task,
        "force": False,
        "status_reason": outcome.reason,
        "status_message": outcome.message[:MESSAGE_CHARACTERS],
    }
    try:
        await api.call(endpoint, body)
    except ApiError as error:
        if error.code >= 500:
            raise
        log.warning("the status of task %s stays as it is: %s", record.task, error)
    else:
        log.info("task %s: %s (%s)", record.task, endpoint.partition(".")[2], outcome.reason)


async def _release(record: Record, outcome: Outcome, api: Api) -> bool:
    """Give the task back to its queue; False when it cannot go there, or is somebody else's already."""
    body = {
        "worker": record.worker,
        "task": record.task,
        "claim": record.claim,
        "reason": outcome.message[:MESSAGE_CHARACTERS],
        "is_lost": outcome.is_lost,
    }
    return bool((await api.call("agents.release", body)).get("released"))
