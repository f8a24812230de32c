"""`clearml retry`: a pipeline that ended runs again, from where it failed or from one of its steps."""

from __future__ import annotations

import json
import time

from clearml_sdk import queueing
from clearml_sdk.automation.pipeline import state
from clearml_sdk.automation.pipeline.existing import SERVICES
from clearml_sdk.automation.pipeline.node import PENDING, Node
from clearml_sdk.command_line import Parser
from clearml_sdk.errors import ClearmlError, UsageError
from clearml_sdk.record import TaskRecord
from clearml_sdk.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FAILED, START = "failed", "start"


def retry(session: Session, pipeline: str, *, begin: str = FAILED, queue: str | None = None) -> list[str]:
    """Enqueue a pipeline that has ended, so that its steps run again from `begin`; returns the steps that will.

    Args:
        pipeline: id of its controller.
        begin: "failed": those that failed, were stopped or skipped; "start": all; else a step: that one and those
            that wait for it, directly or not.
        queue: name or id; None: the one it was in, else `services`.

    Raises UsageError where the pipeline runs, or has no such step.
    """
    record = TaskRecord(session, pipeline)
    document = record.reload()
    if document.get("status") in ("queued", "in_progress"):
        raise UsageError(f"pipeline {pipeline} is {document['status']}: stop it first")
    stored = state.loaded(
        str(((document.get("configuration") or {}).get(state.CONFIGURATION) or {}).get("value") or "")
    )
    nodes = {name: Node.from_stored(name, fields) for name, fields in stored.items()}
    if not nodes:
        raise UsageError(f"task {pipeline} is no pipeline: it has no steps")
    former = (document.get("execution") or {}).get("queue")
    target = queueing.queue_id(session, queue) if queue else former or queueing.queue_id(session, SERVICES)
    if begin == FAILED:
        again = [name for name, node in nodes.items() if node.status in ("failed", "aborted", "skipped", PENDING)]
        record.change("runtime", {state.ENDED: str(int(time.time()))})
    else:
        again = list(nodes) if begin == START else behind(nodes, begin)
        _let_go(record, document, again)
        for name in again:
            node = nodes[name]
            node.status, node.executed, node.job_id, node.job_started, node.job_ended = PENDING, None, None, None, None
        state.save(record, state.dumped(nodes))
    if document.get("status") in ("completed", "published", "closed"):
        record.call("tasks.stopped", {"force": True, "status_reason": "runs again"})
    queueing.enqueue(session, pipeline, queue=target, force=False)
    return again


def behind(nodes: Mapping[str, Node], first: str) -> list[str]:
    """A step and all that wait for it. Pure. Raises UsageError where there is no such step."""
    if first not in nodes:
        raise UsageError(f"there is no step {first!r}; there are: {', '.join(nodes)}")
    found = {first}
    while True:
        more = {name for name, node in nodes.items() if name not in found and found & set(node.parents)}
        if not more:
            return [name for name in nodes if name in found]
        found |= more


def _let_go(record: TaskRecord, document: Mapping[str, object], steps: Sequence[str]) -> None:
    """Have the tasks of these steps no longer count as this run's."""
    runtime = document.get("runtime") or {}
    run = str(runtime.get(state.RUN) or "") if isinstance(runtime, dict) else ""
    for name, child in state.children(record, run).items() if run else ():
        if name in steps:
            TaskRecord(record.session, child.id).change("runtime", {state.AGAIN: "1"})


def main(argv: list[str]) -> int:
    """`clearml retry`."""
    parser = Parser(prog="clearml retry", description="Run a pipeline again that has ended.")
    parser.add_argument("pipeline", help="id of the pipeline's task")
    parser.add_argument(
        "--from",
        dest="begin",
        default=FAILED,
        metavar="failed|start|STEP",
        help="run again what failed and what waits for it (the default), all, or a step and what waits for it",
    )
    parser.add_argument("--queue", help="queue of the controller; without it the one it was in")
    parser.add_argument("--json", action="store_true", help="answer with JSON")
    options = parser.parse_args(argv)
    try:
        again = retry(Session.default(), options.pipeline, begin=options.begin, queue=options.queue)
    except ClearmlError as error:
        parser.exit(1, f"clearml retry: {error}\n")
    if options.json:
        print(json.dumps({"pipeline": options.pipeline, "steps": again}))
    else:
        print(f"pipeline {options.pipeline} is enqueued; these steps run: {', '.join(again) or 'none'}")
    return 0
