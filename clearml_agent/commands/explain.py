"""`clearml-agent explain`: ask the server about one task, and say what is the matter with it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from clearml_agent.commands.options import as_json, print_json, session
from clearml_agent.errors import AgentError
from clearml_agent.explaining import Explanation, Facts, explain
from clearml_sdk.errors import NotFound
from clearml_sdk.session import Session

CONSOLE_EVENTS = 500


@click.command("explain")
@click.argument("task")
@as_json
@click.pass_context
def explain_task(context: click.Context, task: str, as_json: bool) -> None:
    """Say why TASK (id or name) waits, why it failed, or why its environment was not reused."""
    api = session(context)
    try:
        found = explain(gather(api, task), datetime.now(UTC))
    finally:
        api.close()
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        print_words(found)


def gather(session: Session, wanted: str) -> Facts:
    """The facts about a task. Raises AgentError when there is none of this id or name."""
    task = find(session, wanted)
    id = str(task["id"])
    queue = None
    named = str((task.get("execution") or {}).get("queue") or "")
    if task.get("status") == "queued" and named:
        try:
            found = session.call("queues.get_by_id", {"queue": named})["queue"]
        except NotFound:
            found = {}
        if id in [str(entry.get("task")) for entry in found.get("entries") or ()]:
            queue = found
    workers = session.call("workers.get_all", {"last_seen": 0}).get("workers") or []
    body = {"task": id, "batch_size": CONSOLE_EVENTS, "navigate_earlier": True, "order": "asc"}
    events = session.call("events.get_task_log", body).get("events") or []
    console = "".join(str(event.get("msg") or "") for event in events).splitlines()
    return Facts(task=task, queue=queue, workers=workers, console=console)


def find(session: Session, wanted: str) -> dict[str, Any]:
    """The task of this id, else the newest of this name."""
    try:
        return dict(session.call("tasks.get_by_id", {"task": wanted})["task"])
    except NotFound:
        body = {"name": f"^{re.escape(wanted)}$", "order_by": ["-last_update"], "page": 0, "page_size": 1}
        found = session.call("tasks.get_all", body).get("tasks")
    if not found:
        raise AgentError(f"there is no task with id or name {wanted!r} on {session.core.settings.api_server}")
    return dict(found[0])


def print_words(found: Explanation) -> None:
    """The explanation for a person."""
    click.echo(f"{found.name} ({found.task}), {found.status}: {found.what}.")
    for title, lines in (("", found.why), ("Its environment was built anew", found.environment)):
        if title and lines:
            click.echo(f"{title}:")
        for line in lines:
            click.echo(f"  {line}")
    for line in found.advice:
        click.echo(f"-> {line}")
