"""`clearml-agent execute`: one task, here and now, without a queue.

There is no claim, so the task's process gets a token of the agent's user in place of a claim's, and the task's status
is looked at every second in place of the agent's long call.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from clearml_agent.api import Api
from clearml_agent.config import AgentConfig
from clearml_agent.errors import AgentError
from clearml_agent.execution.run import MakePlace, TaskRun
from clearml_agent.reports import StatusReports, Working
from clearml_agent.runs import Outcome, Record, RunDirectory, Stop, StopKind
from clearml_agent.watch import Watcher
from clearml_sdk.errors import ApiError, BadAnswer, NotFound

log = logging.getLogger("clearml_agent")

STATUS_S = 1.0
SEEN_S = 90
"""Workers report twice in this time."""
RUNNING = {"in_progress", "completed"}


async def execute(
    task: str,
    *,
    config: AgentConfig,
    api: Api,
    watcher: Watcher,
    clone: bool,
    require_queue: bool,
    monitoring: bool,
    echo: Callable[[str], None],
    on_signals: Callable[[Callable[[str], None]], AbstractContextManager[None]],
    place: MakePlace | None = None,
) -> Outcome:
    """Run the task of this id or name to its end and report it. Raises AgentError, ApiError.

    Args:
        place: makes the container that it runs in; None: this machine itself.
    """
    found = await find(api, task)
    if clone:
        made = await api.call("tasks.clone", {"task": found["id"], "new_task_name": f"Clone of {found['name']}"})
        found = await find(api, str(made["id"]))
        log.info("cloned as %s", found["id"])
    elif require_queue and found.get("status") != "queued":
        raise AgentError(f"task {found['id']} is {found.get('status')}, not queued, and --require-queue was given")
    if monitoring and found.get("status") == "in_progress" and (other := await runner_of(api, str(found["id"]))):
        raise AgentError(
            f"task {found['id']} runs on {other}: stop it first (`clearml abort {found['id']}`), or add --clone to run "
            "a copy of it"
        )
    if found.get("status") == "queued":
        await api.call("tasks.dequeue", {"task": found["id"], "new_status": "in_progress"})
    if api.core.token is None:
        await api.log_in()
    worker = config.worker_id or f"{config.names.base}:{os.getpid()}"
    record = Record(
        task=str(found["id"]),
        claim=0,
        token=api.core.token or "",
        worker=worker,
        queue=str((found.get("execution") or {}).get("queue") or ""),
    )
    directory = RunDirectory.create(config.runs, record)
    run = TaskRun(directory, config=config, api=api, watcher=watcher, echo=echo, place=place)
    reports = StatusReports(
        config=config, api=api, working=lambda: [Working(worker, [], run.task, record.queue)], is_daemon=False
    )
    run.on_change = reports.changed
    run.sends_console = monitoring

    def stop(name: str) -> None:
        if record.stop is None:
            run.request_stop(Stop(StopKind.AGENT, name))
        else:
            run.kill()

    with on_signals(stop):
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(watch_status(run, api), name="watch the status")]
            if monitoring:
                beside.append(group.create_task(reports.run(), name="report"))
            outcome = await run.run()
            for job in beside:
                job.cancel()
    await reports.leave()
    return outcome


async def find(api: Api, task: str) -> dict[str, Any]:
    """The task by id, else the newest one of this name."""
    try:
        return dict((await api.call("tasks.get_by_id", {"task": task}))["task"])
    except NotFound:
        body = {"name": f"^{re.escape(task)}$", "order_by": ["-last_update"], "page": 0, "page_size": 1}
        named = (await api.call("tasks.get_all", body)).get("tasks")
    if not named:
        raise AgentError(f"there is no task with id or name {task!r} on {api.settings.api_server}")
    return dict(named[0])


async def runner_of(api: Api, task: str) -> str:
    """The worker that has lately said that it runs this task; "" for none."""
    workers = (await api.call("workers.get_all", {"last_seen": SEEN_S})).get("workers") or []
    return next((str(worker["id"]) for worker in workers if (worker.get("task") or {}).get("id") == task), "")


async def watch_status(run: TaskRun, api: Api) -> None:
    """Stop the run when somebody stops the task or changes its status. Source: agent_behaviour.md 13."""
    body = {"id": [run.task], "only_fields": ["status", "status_message"]}
    while True:
        await asyncio.sleep(STATUS_S)
        try:
            tasks = (await api.call("tasks.get_all", body)).get("tasks") or []
        except (ApiError, BadAnswer) as error:
            log.debug("%s", error)
            continue
        if not tasks:
            run.request_stop(Stop(StopKind.FENCED, "the task is gone"))
        elif tasks[0].get("status") == "in_progress" and "stopping" in (tasks[0].get("status_message") or ""):
            run.request_stop(Stop(StopKind.USER, "stopping"))
        elif run.is_announced and tasks[0].get("status") not in RUNNING:
            run.request_stop(Stop(StopKind.STATUS, f"status changed: {tasks[0].get('status')}"))
